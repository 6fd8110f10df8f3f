"""Erasure of users from a partition, at the end of a turn: from its state, and from what the turn is about to publish.

Requests and events have no order between them. So a request takes with it everything that was read until then, also events that were written after it; what
comes later starts from nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from worker.core.events.decoding import decode
from worker.core.labels.examples import Example
from worker.core.state.changelog import PARTITION_KEY, Change

if TYPE_CHECKING:
    from worker.core.pipeline import Pipeline, Turn

_OF_USERS = (b"u:", b"a:", b"d:")


@dataclass(slots=True)
class Erased:
    """How many records there were of a user, by place. None anywhere: nothing was known of the user."""

    profile: int = 0  # with its duplicate ring
    decisions: int = 0  # pending
    action: int = 0  # segments, triggers held and fired, arms of experiments, interests
    waiting_events: int = 0  # those whose time nobody else had confirmed yet


def erase(pipeline: Pipeline, users: Collection[str], turn: Turn) -> dict[str, Erased]:
    """Forget users, and leave of them in `turn` only tombstones. `turn` is what the pipeline has just given, not yet published.

    The tombstones of scores and segments are the caller's to add, for all users alike: their topics may hold records of somebody forgotten long ago.
    """
    out = {user: Erased() for user in users}
    _withhold(turn, set(users), {pipeline.pseudonyms.of(user) for user in users})
    rows = np.array(sorted(pipeline.profiles.row_of[user] for user in out if user in pipeline.profiles.row_of), dtype=np.int64)
    pending = np.bincount(pipeline.decisions.row[pipeline.decisions.serial > 0], minlength=len(pipeline.profiles.user_of)) if len(rows) else rows
    for row in rows.tolist():
        erased = out[pipeline.profiles.user_of[row] or ""]
        erased.profile = 1
        erased.decisions = int(pending[row])
        erased.action = int(pipeline.action is not None)
    pipeline._forget(turn, "erased", rows)
    turn.segments = [(user, value) for user, value in turn.segments if user not in out]
    _forget_waiting(pipeline, out)
    if pipeline.keep_changes:
        turn.changes = [change for change in turn.changes if change[0] != PARTITION_KEY]
        turn.changes.append(pipeline.state.partition_change())
    else:
        turn.changes.clear()
    return out


def _withhold(turn: Turn, users: set[str], pseudonyms: set[str]) -> None:
    """Take what speaks of users, by id or pseudonym, out of a turn; tombstones stay, for what they remove may be on the log."""
    keep = np.array([user not in users for user, _ in turn.scores], dtype=np.bool_)
    if not keep.all():
        turn.scores = [score for score in turn.scores if score[0] not in users]
        if turn.scored is not None:
            columns = {name: getattr(turn.scored, name)[keep] for name in ("row", "time_ms", "offset", "mark", "bins", "raw", "p")}
            turn.scored = replace(turn.scored, **columns)
    turn.examples = [example for example in turn.examples if not (isinstance(example, Example) and example.user in pseudonyms)]
    turn.triggers = [trigger for trigger in turn.triggers if trigger[0] not in users]
    turn.changes = [change for change in turn.changes if change[1] is None or _user_of(change) not in users]


def _user_of(change: Change) -> str | None:
    """Whom a changelog record is about."""
    kind, name = change[0][:2], change[0][2:]
    if kind not in _OF_USERS:
        return None
    return (name.rsplit(b":", 1)[0] if kind == b"d:" else name).decode()


def _forget_waiting(pipeline: Pipeline, out: dict[str, Erased]) -> None:
    """Events that wait for confirmation are kept as they came."""
    state, watermark = pipeline.state, pipeline.watermark
    batch, _ = decode([value for _, value in state.held], pipeline.settings.events.names)
    theirs = {position for position, user in zip(batch.position.tolist(), batch.user_id, strict=True) if user in out}
    for position in theirs:
        out[batch.user_id[batch.position.tolist().index(position)]].waiting_events += 1
    if theirs:
        kept = [number for number in range(len(state.held)) if number not in theirs]
        state.hold([state.held[number] for number in kept])
        watermark.held = [watermark.held[number] for number in kept]
