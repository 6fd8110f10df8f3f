"""Tallies: how many outcomes have come early, an hour's decisions together, as a record on the topic of examples (schemas/tally.schema.json).

An example waits until its window has closed; a tally tells within hours whether more has happened by now than was said. A decision is looked at when its
window has been open for each of LOOKS_MS. Everything is a whole number, so that sums do not depend on the order in which they were added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from worker.core.settings import HOUR_MS

SCHEMA = 1
MILLION = 1_000_000
LOOKS_MS = tuple(hours * HOUR_MS for hours in (6, 12, 24, 36, 48, 60, 72))

_FIELDS = frozenset(("schema", "sense", "target", "partition", "hour_ms", "expected", "seen", "happened"))
_LARGEST = 2**53


def looks_of(horizon_ms: int) -> tuple[int, ...]:
    """The ages at which decisions of a window are looked at: those at which it is still open."""
    return tuple(age_ms for age_ms in LOOKS_MS if age_ms < horizon_ms)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the looks of one hour of event time saw, over one target's decisions at events of one partition. k looks a decision.

    `expected` sums, for each look, the probabilities in millionths that the decisions looked at then had been given (before the level of the time was
    added); `seen` counts those that had happened since the look before. `happened` counts the outcomes known for good in that hour by the look that saw
    them first, those that none saw last. A decision that an outage cuts is in none of them from then on.
    """

    target: str
    partition: int
    hour_ms: int  # when the hour began
    expected: tuple[int, ...]  # k
    seen: tuple[int, ...]  # k
    happened: tuple[int, ...]  # k + 1
    sense: Literal["tally"] = "tally"

    @property
    def decision_id(self) -> str:
        """What tells it from all other records of its target, as an example's decision does."""
        return f"{self.partition}-tally-{self.hour_ms // HOUR_MS}"

    @property
    def user(self) -> str:
        """Within what tallies keep their order, as a user's examples do."""
        return f"partition {self.partition}"

    def encode(self) -> bytes:
        """The tally as one JSON record."""
        return orjson.dumps(
            {
                "schema": SCHEMA,
                "target": self.target,
                "sense": self.sense,
                "partition": self.partition,
                "hour_ms": self.hour_ms,
                "expected": self.expected,
                "seen": self.seen,
                "happened": self.happened,
            }
        )

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Tally:
        """From a record that was read; raises ValueError, naming the field, for anything that encode() does not write."""
        if record.keys() != _FIELDS:
            raise ValueError(f"{min(record.keys() ^ _FIELDS)[:40]!r} is missing or unknown in a tally")
        if type(record["schema"]) is not int or record["schema"] != SCHEMA:
            raise ValueError(f"schema of a tally is {record['schema']!r:.40}, this program reads {SCHEMA}")
        if type(record["target"]) is not str or not record["target"]:
            raise ValueError("target is not a text")
        for name in ("partition", "hour_ms"):
            _check_count(name, record[name])
        if record["hour_ms"] % HOUR_MS:
            raise ValueError(f"hour_ms is {record['hour_ms']}, not the beginning of an hour")
        for name in ("expected", "seen", "happened"):
            if type(record[name]) is not list:
                raise ValueError(f"{name} is not a list")
            for count in record[name]:
                _check_count(name, count)
        if not len(record["expected"]) == len(record["seen"]) == len(record["happened"]) - 1:
            raise ValueError("expected, seen and happened are not of as many looks")
        expected, seen, happened = (tuple(record[name]) for name in ("expected", "seen", "happened"))
        return cls(record["target"], record["partition"], record["hour_ms"], expected, seen, happened)


def _check_count(name: str, count: Any) -> None:
    if type(count) is not int or not 0 <= count <= _LARGEST:
        raise ValueError(f"{name} has {count!r:.40}, not a whole number from 0 on")
