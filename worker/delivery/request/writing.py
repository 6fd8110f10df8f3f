"""The request for one trigger or a batch of them: the form's templates, or those of the configuration, filled in and signed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from worker.delivery.reading.trigger import Trigger
from worker.delivery.request.secrets import Secret
from worker.delivery.request.signature import signature
from worker.delivery_settings import DestinationSettings
from worker.destination.forms import BODY_VALUES, FORMS, HEADER_VALUES, TRIGGER_VALUES
from worker.destination.secrets import NO_HEADER, keys_of, token_of
from worker.destination.templates import json_template, text_template
from worker.log.contract import Headers
from worker.service.telemetry.trace import TRACEPARENT, TRACESTATE


class Request(NamedTuple):
    """A request, but for where it goes."""

    headers: dict[str, str]
    body: bytes


class Writer:
    """Writes the requests of one destination."""

    def __init__(self, settings: DestinationSettings) -> None:
        """Raises ValueError for a template or a secret that cannot be read, OSError for a file that cannot."""
        form = FORMS[settings.form]
        self.batch = settings.batch or form.batch
        self.blamed = form.blamed
        self._item = json_template(settings.item or form.item, TRIGGER_VALUES)
        self._body = json_template(settings.body or form.body, BODY_VALUES)
        merged = {**form.headers, **{name.lower(): text for name, text in settings.headers.items()}}
        self._headers = {name: text_template(text, HEADER_VALUES) for name, text in merged.items()}
        self._traced = form.signed and not {TRACEPARENT, TRACESTATE} & merged.keys()
        self._keys = Secret(settings.secret, settings.secret_file, keys_of) if form.signed else None
        self._token = Secret(settings.token, settings.token_file, token_of)

    def look(self) -> bool:
        """Read secrets again whose files have changed; returns whether any had. Raises ValueError and OSError: the old ones stay in force."""
        changed = self._token.look()
        return (self._keys is not None and self._keys.look()) or changed

    def write(self, triggers: Sequence[Trigger], now_ms: int, trace: Headers = ()) -> Request:
        """The request for these, one or at most `batch`, as of `now_ms` (Unix time).

        `trace` is the trace context of the first (trace.py). A webhook carries it on: it is of one trigger, and goes to a system of one's own as a rule.
        Where the configuration writes such headers, they alone go.
        """
        filled = [values_of(trigger) for trigger in triggers]
        items = [self._item(values) for values in filled]
        body = orjson.dumps(self._body({**filled[0], "item": items[0], "items": items}))
        with_token = {**filled[0], "token": self._token.value}
        headers = _trace_headers(trace) if self._traced else {}
        headers |= {name: NO_HEADER.sub("?", fill(with_token)) for name, fill in self._headers.items()}
        if self._keys is not None:
            message_id, time_s = triggers[0].trigger_id, now_ms // 1000
            headers |= {"webhook-id": message_id, "webhook-timestamp": str(time_s), "webhook-signature": signature(self._keys.value, message_id, time_s, body)}
        return Request(headers, body)


def values_of(trigger: Trigger) -> dict[str, Any]:
    """What templates may name of a trigger; times in words are RFC 3339, UTC."""
    because = trigger.fields["because"]
    return {
        **{name: trigger.fields[name] for name in TRIGGER_VALUES & trigger.fields.keys()},
        "time": _time(trigger.time_ms),
        "expires": _time(trigger.expires_ms),
        "because_text": ", ".join(f"{name} = {orjson.dumps(value).decode()}" for name, value in because.items()),
    }


def _trace_headers(context: Headers) -> dict[str, str]:
    """As HTTP has them; nothing where one holds what no header may: a later version of the specification may allow more than this one."""
    found = {name: value.decode("latin-1") for name, value in context}
    return {} if any(NO_HEADER.search(value) for value in found.values()) else found


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
