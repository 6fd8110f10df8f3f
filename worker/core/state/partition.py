"""What a partition remembers beside its profiles and decisions, and how all of it becomes changelog records."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.event_time.outage import OutageDetector
from worker.core.event_time.watermark import Held, Watermark
from worker.core.labels.decisions import Decisions
from worker.core.labels.looks import Looks
from worker.core.labels.watched import Watched
from worker.core.profiles.profiles import Profiles
from worker.core.state.changelog import PARTITION_KEY, Change, Restored, StateRefused, decision_key, label_key, profile_key, profile_values
from worker.core.state.decision_records import decision_values

Ints = NDArray[np.int64]

LABEL_LIMIT = 50_000  # texts remembered behind hashes; a value beyond them is shown as its hash


class PartitionState:
    """The texts behind hashes, the events that wait for confirmation, and the records of everything that changed."""

    def __init__(self, watermark: Watermark, outages: OutageDetector, looks: Looks, outcomes: Sequence[str]) -> None:
        """`outcomes` are the names that targets watch besides purchases and any event."""
        self.watermark = watermark
        self.outages = outages
        self.looks = looks
        self.outcomes = tuple(outcomes)
        self.watched = Watched.first(outcomes)
        self.labels: dict[int, str] = {}
        self.held: list[tuple[int, bytes]] = []  # offset and bytes of each event in watermark.held
        self.requests: int | None = None  # the next offset to be read of the partition's requests to be forgotten; None where they were never followed
        self.suppressed: set[str] = set()  # pseudonyms of users of whom nothing is to be known

    def learn_labels(self, labels: dict[int, str]) -> list[Change]:
        """Remember texts seen for the first time."""
        known = self.labels
        changes: list[Change] = []
        for code, text in labels.items():
            if code not in known and len(known) < LABEL_LIMIT:
                known[code] = text
                changes.append((label_key(code), orjson.dumps(text)))
        return changes

    def hold(self, held: list[tuple[int, bytes]]) -> None:
        """The events that go on waiting."""
        self.held = held

    def partition_change(self) -> Change:
        """The partition's own record."""
        held = [[offset, base64.b64encode(value).decode(), h.seen] for (offset, value), h in zip(self.held, self.watermark.held, strict=True)]
        state = {"schema": 1, "watermark_ms": self.watermark.value, "outages": self.outages.state(), "held": held, "tallies": self.looks.state()}
        if self.requests is not None:
            state["requests"] = self.requests
        if watched := self.watched.state():
            state["watched"] = watched
        return PARTITION_KEY, orjson.dumps(state)

    def profile_keys(self, user_ids: list[str]) -> list[bytes]:
        """The changelog keys of users."""
        return [profile_key(user) for user in user_ids]

    def profile_changes(self, profiles: Profiles, rows: Ints) -> list[Change]:
        """One record for each of these rows whose user is still remembered."""
        users = [(row, user) for row in np.sort(rows).tolist() if (user := profiles.user_of[row]) is not None]
        keys = [profile_key(user) for _, user in users]
        return list(zip(keys, profile_values(profiles.rows[[row for row, _ in users]]), strict=True))

    def tombstones(self, profiles: Profiles, decisions: Decisions) -> list[Change]:
        """Tombstones of written decisions that are gone."""
        changes: list[Change] = [(decision_key(profiles.user_of[row] or "", offset, mark), None) for row, offset, mark in decisions.removed]
        decisions.removed.clear()
        return changes

    def decision_changes(self, profiles: Profiles, decisions: Decisions) -> list[Change]:
        """Records of new and changed decisions, and tombstones of those that are gone."""
        changes = self.tombstones(profiles, decisions)
        if decisions.touched:
            places = np.array(sorted(decisions.touched))
            told = zip(decisions.row[places].tolist(), decisions.offset[places].tolist(), decisions.mark[places].tolist(), strict=True)
            keys = [decision_key(profiles.user_of[row] or "", offset, mark) for row, offset, mark in told]
            changes += zip(keys, decision_values(decisions, places), strict=True)
            decisions.written[places] = True
        decisions.touched.clear()
        return changes

    def restore(self, changelog: Restored) -> None:
        """Take over a partition's record and texts."""
        self.labels.update(changelog.labels)
        self.suppressed = set(changelog.suppressed)
        record = changelog.partition
        if record:
            self.watermark.value = record["watermark_ms"]
            try:
                self.outages.restore(record["outages"])
            except (KeyError, ValueError, TypeError) as error:
                todo = "run the program that wrote it, or write a tombstone for this key to learn the input's habit anew"
                raise StateRefused(f"what is known of outages cannot be read: {error}", "partition state", todo) from None
            try:
                self.looks.restore(record.get("tallies", []))
            except (ValueError, TypeError) as error:
                todo = "run the program that wrote it, or write a tombstone for this key to begin without"
                raise StateRefused(f"the tallies of an hour cannot be read: {error}", "partition state", todo) from None
            try:
                before = Watched.of_state(record["watched"]) if "watched" in record else self.watched  # a program that did not say had them in this order
            except (ValueError, TypeError) as error:
                todo = "run the program that wrote it, or write a tombstone for this key to begin without"
                raise StateRefused(f"which outcomes were watched cannot be read: {error}", "partition state", todo) from None
            self.watched = before.for_names(self.outcomes, self.watermark.value)
            self.requests = record.get("requests")
            self.held = [(offset, base64.b64decode(value)) for offset, value, _ in record["held"]]
            # users and times of waiting events are read again when they are decoded; only how long they waited is state
            self.watermark.held = [Held(position, "", 0, seen) for position, (_, _, seen) in enumerate(record["held"])]
