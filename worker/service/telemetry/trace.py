"""Trace context (W3C Trace Context, level 1): the headers of an event that its score, its triggers and their webhooks carry on: no trace ends at the log.

Nothing is added to a trace here: the headers are passed on as they came, or not at all where they are not valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from worker.log.contract import Headers, Record

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
LONGEST_STATE, MOST_MEMBERS = 512, 32  # what every program has to pass on, and how many entries there may be

# version-trace id-parent id-flags. What a later version adds stands behind a hyphen.
_PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL)
_LONGEST_PARENT = 256
_MEMBER = re.compile(
    rb"([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


def trace_context(headers: Headers) -> Headers:
    """The valid traceparent among the headers, with the tracestate where that is valid too; nothing without a traceparent."""
    parents = [value for name, value in headers if name == TRACEPARENT]
    if len(parents) != 1 or not _is_parent(parents[0]):
        return ()
    state = b",".join(value for name, value in headers if name == TRACESTATE)
    return ((TRACEPARENT, parents[0]), (TRACESTATE, state)) if _is_state(state) else ((TRACEPARENT, parents[0]),)


def trace_contexts(records: Iterable[Record]) -> dict[int, Headers]:
    """By offset, the trace context of those records that have one."""
    return {record.offset: context for record in records if record.headers and (context := trace_context(record.headers))}


def context_of(trigger: bytes, contexts: Mapping[int, Headers]) -> Headers:
    """Of a trigger's record (schemas/trigger.schema.json): the context of the event whose score crossed the line, where that came in this turn.

    None in silence, and none for what was held until later: the trace of that event has ended.
    """
    if not contexts:
        return ()
    _, _, event = trigger.partition(b'"score_id":"')[2].partition(b'"')[0].partition(b"-")
    return contexts.get(int(event), ()) if event.isdigit() else ()


def _is_parent(value: bytes) -> bool:
    found = _PARENT.fullmatch(value) if len(value) <= _LONGEST_PARENT else None
    return found is not None and (found[1] != b"00" or found[2] is None)


def _is_state(value: bytes) -> bool:
    members = [member for part in value.split(b",") if (member := part.strip(b" \t"))]
    if not members or len(value) > LONGEST_STATE or len(members) > MOST_MEMBERS:
        return False
    keys = [found[1] for member in members if (found := _MEMBER.fullmatch(member))]
    return len(keys) == len(members) == len(set(keys))
