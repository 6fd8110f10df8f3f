"""Requests carried out on one partition, at the end of a turn: who is erased, who is suppressed from now on or no longer, and how far requests were read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from worker.core.privacy.erasure import Erased, erase
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.privacy.requests import Request
from worker.core.state.changelog import suppression_key, suppression_value

if TYPE_CHECKING:
    from worker.core.pipeline import Pipeline, Turn


def carry_out(pipeline: Pipeline, requests: Sequence[Request], read_to: int, turn: Turn, pseudonyms: Pseudonyms, now_ms: int) -> list[Erased]:
    """Carry requests out in their order, and remember in `turn` that the partition's requests were read up to `read_to`; what each has erased.

    Of several requests for a user in one turn the first that erases finds everything. A user is suppressed from the next turn on: what this one has
    read goes with the erasure.
    """
    state = pipeline.state
    state.requests = read_to
    for request in requests:
        pseudonym = pseudonyms.of(request.user_id)
        if request.kind == "SUPPRESS":
            state.suppressed.add(pseudonym)
            turn.changes.append((suppression_key(pseudonym), suppression_value(now_ms, request.request_id)))
        elif request.kind == "UNSUPPRESS":
            state.suppressed.discard(pseudonym)
            turn.changes.append((suppression_key(pseudonym), None))
    erased = erase(pipeline, {request.user_id for request in requests if request.erases}, turn)
    return [erased.pop(request.user_id, Erased()) if request.erases else Erased() for request in requests]
