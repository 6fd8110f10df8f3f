"""A user's portrait read back from a log: the profile and what segments remember from the changelog, the scores from theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from worker.core.action.portraits import interests
from worker.core.action.portraits.fields import Portraits, Stages
from worker.core.action.portraits.record import portrait_of
from worker.core.action.state import interests_of
from worker.core.action.state import read as read_action
from worker.core.state.changelog import Restored, StateRefused
from worker.errors import ClickscoreError
from worker.log.contract import Log
from worker.service.queries.scores import latest_score
from worker.service.topics import place
from worker.settings import SCORE_KEYS, Settings


def read_portrait(log: Log, settings: Settings, user_id: str) -> dict[str, Any]:
    """The portrait of a user as of the partition's watermark. Raises ClickscoreError for a user of whom nothing is known."""
    topics, action = settings.topics, settings.action
    score = latest_score(log, topics.scores, user_id)
    changelog = _changelog(log, settings, user_id, score.partition) if score and score.value else None
    if score is None or score.value is None or changelog is None or user_id not in changelog.profiles:
        todo = "check the id (clickscore top lists some), and that a worker has scored the user's events"
        raise ClickscoreError(f"nothing is known of user {user_id!r}", f"log {place(settings)}, topic {topics.profiles}", todo)
    said = orjson.loads(score.value)
    portraits = Portraits(settings.targets, Stages(action.new_for_ms, action.at_risk_after_ms, action.lost_after_ms))
    interest, segments = np.zeros(interests.WIDTH), list[str]()
    if user_id in changelog.action:
        remembered = read_action(changelog.action[user_id])
        interest, segments = interests_of([remembered])[0], remembered.segments
    return portrait_of(
        user_id,
        max(int(changelog.partition.get("watermark_ms", 0)), int(said["time_ms"])),
        changelog.profile_rows()[0],
        interest,
        {name: table for name, table in said.items() if name not in SCORE_KEYS},
        segments,
        changelog.labels,
        portraits,
    )


def _changelog(log: Log, settings: Settings, user_id: str, partition: int) -> Restored:
    """What the changelog says of one user, of texts, and of the partition."""
    mine = {b"u:" + user_id.encode(), b"a:" + user_id.encode()}
    changelog = Restored()
    for record in log.read(settings.topics.profiles, partition):
        if record.key in mine or (record.key or b"")[:2] in (b"l:", b"p:"):
            try:
                changelog.apply(record.key, record.value)
            except StateRefused as error:
                what, inner, todo = error.problems[0]
                raise ClickscoreError(what, f"topic {settings.topics.profiles}, partition {partition}, offset {record.offset}: {inner}", todo) from error
    return changelog
