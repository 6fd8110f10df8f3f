"""Who is in a segment, read back from a log, and the audience of it for advertising platforms: hashed identifiers of those who agreed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from worker.core.action.guards.consent import state_of
from worker.core.action.portraits import interests
from worker.core.action.state import interests_of
from worker.core.action.state import read as read_action
from worker.log.contract import Log
from worker.service.identifiers.platforms import hashed
from worker.service.queries.scores import latest_scores
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Audience:
    """The ids of those members who agreed, and how many members there are."""

    agreed: frozenset[str]
    members: int

    @property
    def hashes(self) -> list[str]:
        """The hashed ids, in the order of the hashes, which says nothing of users."""
        return sorted(hashed(user.strip().lower()) for user in self.agreed)


def memberships(log: Log, settings: Settings) -> Iterator[dict[str, Any]]:
    """The latest record of every user who was ever in a segment (schemas/segment.schema.json), forgotten users left out."""
    for record in latest_scores(log, settings.topics.segments):
        yield orjson.loads(record.value or b"")


def members_of(log: Log, settings: Settings, segment: str) -> list[dict[str, Any]]:
    """The records of a segment's members, by user id."""
    return sorted((record for record in memberships(log, settings) if segment in record["segments"]), key=lambda record: str(record["user_id"]))


def audience_of(log: Log, settings: Settings, segment: str) -> Audience:
    """The audience of a segment: members whose consent is granted and who are not on the suppression list."""
    members = {str(record["user_id"]) for record in members_of(log, settings, segment)}
    return Audience(frozenset(members & _agreed(log, settings) - set(settings.action.suppressed)), len(members))


def _agreed(log: Log, settings: Settings) -> set[str]:
    """The users whose consent is granted, by the changelog."""
    agreed = set[str]()
    for record in latest_scores(log, settings.topics.profiles):
        key = record.key or b""
        if key.startswith(b"a:") and record.value:
            row = interests_of([read_action(record.value)])[0]
            if state_of(row[interests.CONSENT]) == "granted":
                agreed.add(key[2:].decode())
    return agreed
