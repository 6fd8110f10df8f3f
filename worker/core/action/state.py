"""What segments and triggers remember of users, and the changelog records of it: key `a:` and the user's id, beside the profile's `u:`.

A record holds latches by name, so that a configuration that adds, drops or reorders segments and rules still reads what another wrote.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.action.crossings.latches import bits_of, names_of
from worker.core.action.guards.guards import Held, Memory
from worker.core.action.portraits import interests
from worker.core.state.sparse_rows import dense, is_sound, sparse
from worker.core.uplift.assignments import Assignment

Ints = NDArray[np.int64]

SCHEMA = 1
TEXTS_KEPT = 10_000
_HEAD = b'{"schema":%d,"interests":%d,"row":"' % (SCHEMA, interests.INTERESTS_VERSION)
_NO_GUARDS = b'"fired":[],"held":[]'
_HELD = {field.name: {"str": str, "int": int}[str(field.type)] for field in fields(Held)}


def action_key(user_id: str) -> bytes:
    """The key of what segments and triggers remember of a user."""
    return b"a:" + user_id.encode()


@dataclass(slots=True)
class Remembered:
    """One user's record, read."""

    row: bytes  # sparse (worker/core/state/sparse_rows.py)
    segments: list[str]
    rules: list[str]
    known: list[str]
    memory: Memory


def read(value: bytes) -> Remembered:
    """Read a record; raises ValueError, KeyError or TypeError where it is not one that this program can read."""
    record: Any = orjson.loads(value)
    if record["schema"] > SCHEMA or record["interests"] > interests.INTERESTS_VERSION:
        raise ValueError(f"a newer program wrote it (schema {record['schema']}, interests {record['interests']})")
    row = a2b_base64(record["row"], strict_mode=True)
    if not is_sound(row, interests.WIDTH):
        raise ValueError("its row's bitmap and numbers do not belong together")
    fired = [(int(at), str(name)) for at, name in record["fired"]]
    held = [Held(**{name: kind(entry[name]) for name, kind in _HELD.items()}) for entry in record["held"]]
    return Remembered(
        row,
        list(map(str, record["segments"])),
        list(map(str, record["rules"])),
        list(map(str, record["known"])),
        Memory(fired, held, [Assignment.of_record(entry) for entry in record.get("assigned", [])]),
    )


class ActionState:
    """Interests, latches and guards' memories of one partition's users, by the rows of their profiles."""

    def __init__(self, segments: Sequence[str], rules: Mapping[str, str]) -> None:
        """`rules` are names, each with the mark of its condition."""
        self.segments = tuple(segments)
        self.rules = tuple(rules)
        self.marks = tuple(rules.values())
        self.interests = np.zeros((0, interests.WIDTH))
        self.segments_on: Ints = np.zeros(0, dtype=np.int64)  # bits, in the order of the names
        self.rules_on: Ints = np.zeros(0, dtype=np.int64)
        self.rules_new: Ints = np.zeros(0, dtype=np.int64)  # those that no score of the user was held against yet, in a system that ran without them
        self.memory: dict[int, Memory] = {}
        self.let_go: dict[int, list[int]] = {}  # of the turn, by row: when triggers fired that are too old to be remembered by its end
        self._texts: dict[tuple[int, int, int], bytes] = {}
        self.experiments: frozenset[str] = frozenset()  # those that are configured

    def reserve(self, rows: int) -> None:
        """Make room for so many rows."""
        more = rows - len(self.interests)
        if more > 0:
            self.interests = np.concatenate([self.interests, np.zeros((more, interests.WIDTH))])
            self.segments_on = np.concatenate([self.segments_on, np.zeros(more, dtype=np.int64)])
            self.rules_on = np.concatenate([self.rules_on, np.zeros(more, dtype=np.int64)])
            self.rules_new = np.concatenate([self.rules_new, np.zeros(more, dtype=np.int64)])

    def forget(self, rows: Ints) -> None:
        """Drop what is remembered of these rows' users."""
        self.interests[rows] = 0.0
        self.segments_on[rows] = self.rules_on[rows] = self.rules_new[rows] = 0
        for row in rows.tolist():
            self.memory.pop(row, None)

    def fired_within(self, rows: Ints, from_ms: Ints, to_ms: Ints) -> list[bool]:
        """Whether a trigger fired for the users of n rows from one instant to another, both included."""
        found = []
        for row, begin, end in zip(rows.tolist(), from_ms.tolist(), to_ms.tolist(), strict=True):
            memory, let_go = self.memory.get(row), self.let_go.get(row, ())
            fired = any(begin <= at <= end for at, _ in memory.fired) if memory else False
            found.append(fired or any(begin <= at <= end for at in let_go))
        return found

    def values(self, rows: list[int]) -> list[bytes]:
        """The records of rows' users."""
        latches = zip(self.segments_on[rows].tolist(), self.rules_on[rows].tolist(), self.rules_new[rows].tolist(), strict=True)
        return [
            b'%s%s",%s,%s}'
            % (_HEAD, b2a_base64(row, newline=False), self._latches(*on), _guards(memory) if (memory := self.memory.get(number)) else _NO_GUARDS)
            for number, row, on in zip(rows, sparse(self.interests[rows]), latches, strict=True)
        ]

    def _latches(self, segments: int, rules: int, new: int) -> bytes:
        """The part of a record that names latches; few combinations make up most of a turn."""
        text = self._texts.get((segments, rules, new))
        if text is None:
            if len(self._texts) >= TEXTS_KEPT:
                self._texts.clear()
            latches = {"segments": names_of(self.segments, segments), "rules": names_of(self.rules, rules), "known": names_of(self.marks, ~new)}
            text = self._texts[segments, rules, new] = orjson.dumps(latches)[1:-1]
        return text

    def restore(self, records: Mapping[int, Remembered | None]) -> None:
        """Take over users' records by row, or that there is none; what they say of segments and rules that are not configured any more is let go."""
        self.reserve(max(records, default=-1) + 1)
        known = {row: record for row, record in records.items() if record is not None}
        self.rules_new[list(records)] = bits_of(self.marks, self.marks)
        if known:
            self.interests[list(known)] = interests_of(known.values())
        for row, record in known.items():
            self.rules_new[row] = bits_of(self.marks, [mark for mark in self.marks if mark not in record.known])
            self.segments_on[row] = bits_of(self.segments, record.segments)
            self.rules_on[row] = bits_of(self.rules, record.rules)
            held = [held for held in record.memory.held if held.rule in self.rules]
            assigned = [assignment for assignment in record.memory.assigned if assignment.experiment in self.experiments]
            if memory := Memory(record.memory.fired, held, assigned):
                self.memory[row] = memory


def interests_of(records: Collection[Remembered]) -> NDArray[np.float64]:
    """The rows of interests of n records, n x interests.WIDTH."""
    return dense([record.row for record in records], interests.WIDTH)


def _guards(memory: Memory) -> bytes:
    told: dict[str, Any] = {"fired": memory.fired, "held": memory.held and [{name: getattr(held, name) for name in _HELD} for held in memory.held]}
    if memory.assigned:
        told["assigned"] = [assignment.record() for assignment in memory.assigned]
    return orjson.dumps(told)[1:-1]
