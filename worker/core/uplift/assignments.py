"""Who is compared with whom: a user is assigned to an arm of a rule's experiment when the rule is first crossed and nothing lasting forbids a message.

Intention to treat: users count in the arm that they were assigned to, whatever came later. Caps, cooldowns and quiet hours may keep a message from the
treated; the holdout passes none of these guards, so to leave such users out of one arm only would compare unlike people. What is estimated is what it does
to a rule's users that the rule is there, and `messaged` says how many of the treated got anything. Consent and the suppression list come before
the arms are drawn, for both alike. The first crossing counts, for as long as the user is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.labels.timers import Timers

Ints = NDArray[np.int64]
Purchases = Callable[[Ints, Ints], Ints]  # profile rows and instants: the latest purchase known when the watermark had come there, 0 where none

SCHEMA = 1


def totals_key(experiment: str) -> bytes:
    """The changelog key of a partition's totals of an experiment."""
    return b"r:" + experiment.encode()


@dataclass(frozen=True, slots=True)
class Experiment:
    """A rule with all that decides who is compared with whom, and on what. Another condition, window or holdout is another experiment."""

    rule: str
    window_ms: int  # from the assignment: a purchase in it is what counts
    holdout: float
    seed: int
    mark: str = ""  # of its condition

    @property
    def id(self) -> str:
        """Eight hexadecimal digits."""
        return blake2b(f"{self.rule}\0{self.window_ms}\0{self.holdout!r}\0{self.seed}\0{self.mark}".encode(), digest_size=4).hexdigest()


@dataclass(slots=True)
class Assignment:
    """One user's arm in one experiment."""

    experiment: str
    at_ms: int
    holdout: bool
    messaged: bool = False  # a trigger of the rule fired within the window
    open: bool = True  # the outcome is not known yet

    def record(self) -> list[Any]:
        """As it is kept in the user's changelog record; once the outcome is known only that there was one is."""
        return [self.experiment, self.at_ms, int(self.holdout), int(self.messaged)] if self.open else [self.experiment]

    @classmethod
    def of_record(cls, record: list[Any]) -> Assignment:
        """Back from record(); raises ValueError, TypeError or IndexError for anything else."""
        if len(record) == 1:
            return cls(str(record[0]), 0, holdout=False, open=False)
        experiment, at_ms, holdout, messaged = record
        return cls(str(experiment), int(at_ms), bool(holdout), bool(messaged))


@dataclass(slots=True)
class Totals:
    """An experiment so far, over the users of one partition or of all: whole numbers, so that sums do not depend on their order. No user is named.

    `treated` and `holdout` are the users assigned; `judged` those whose window has closed, and `converted` those of them who bought in it.
    """

    treated: int = 0
    holdout: int = 0
    judged_treated: int = 0
    judged_holdout: int = 0
    converted_treated: int = 0
    converted_holdout: int = 0
    messaged: int = 0  # of the judged treated: those for whom at least one trigger of the rule fired

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Totals)))

    @property
    def arms(self) -> dict[str, tuple[int, int, int]]:
        """Of each arm the users assigned, judged and converted."""
        return {
            "treated": (self.treated, self.judged_treated, self.converted_treated),
            "holdout": (self.holdout, self.judged_holdout, self.converted_holdout),
        }

    def record(self, experiment: Experiment) -> dict[str, Any]:
        """As it stands in the changelog (schemas/totals.schema.json)."""
        about = {"schema": SCHEMA, "rule": experiment.rule, "window_ms": experiment.window_ms, "holdout_share": experiment.holdout}
        return {**about, **asdict(self)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Totals:
        """Back from record(); raises KeyError or ValueError for anything else."""
        totals = cls(*(record[field.name] for field in fields(Totals)))
        if record["schema"] > SCHEMA or any(type(count) is not int or count < 0 for count in asdict(totals).values()):
            raise ValueError("its counts are not those of this program")
        return totals


class Experiments:
    """The experiments of one partition: arms as they are drawn, outcomes as windows close, totals."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self.by_id = {experiment.id: experiment for experiment in experiments}
        self.of_rule = {experiment.rule: experiment.id for experiment in self.by_id.values()}
        self.totals = {name: Totals() for name in self.by_id}
        self.changed: set[str] = set()
        self._numbers = {name: number for number, name in enumerate(self.by_id)}
        self._names = list(self.by_id)
        self._timers = Timers()
        self._unset: list[tuple[int, int, int]] = []  # timers: when due, row, number of the experiment

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """The changelog records of what has changed."""
        return [(totals_key(name), orjson.dumps(self.totals[name].record(self.by_id[name]))) for name in sorted(self.changed)]

    def restore(self, totals: Mapping[str, Totals]) -> None:
        """Take over the totals of experiments that are configured still."""
        self.totals.update({name: found for name, found in totals.items() if name in self.by_id})

    def cross(self, assigned: list[Assignment], row: int, rule: str, now_ms: int, *, held_out: bool) -> None:
        """A user crossed a rule, and nothing but the holdout or a guard that depends on time was in the way: the first time assigns."""
        name = self.of_rule[rule]
        for known in assigned:
            if known.experiment == name:
                return
        assignment = Assignment(name, now_ms, held_out)
        assigned.append(assignment)
        totals = self._of(name)
        totals.holdout += held_out
        totals.treated += not held_out
        self._unset.append((self._due_ms(assignment), row, self._numbers[name]))

    def fire(self, assigned: Iterable[Assignment], rule: str, now_ms: int) -> None:
        """A trigger of the rule fired for the user."""
        name = self.of_rule[rule]
        for assignment in assigned:
            if assignment.experiment == name and assignment.open and now_ms <= self._due_ms(assignment):
                assignment.messaged = True

    def wait_for(self, row: int, assigned: Iterable[Assignment]) -> None:
        """Set the timers of open assignments, new or restored."""
        self._unset += [(self._due_ms(assignment), row, self._numbers[assignment.experiment]) for assignment in assigned if assignment.open]

    def close(self, assigned_of: Callable[[int], list[Assignment]], purchases: Purchases, before_ms: int) -> list[int]:
        """Judge every window that ended before the watermark; gives the rows whose assignments changed."""
        if self._unset:  # a turn's together: one by one, they would cost several times as much
            self._timers.add(*(np.array(column, dtype=np.int64) for column in zip(*self._unset, strict=True)))
            self._unset.clear()
        due_ms, rows, numbers = self._timers.take(before_ms)
        touched: list[int] = []
        if not len(rows):
            return touched
        for due, row, number, bought in zip(due_ms.tolist(), rows.tolist(), numbers.tolist(), purchases(rows, due_ms).tolist(), strict=True):
            for assignment in assigned_of(row):
                if assignment.open and assignment.experiment == self._names[number] and self._due_ms(assignment) == due:
                    self._judge(assignment, bought)
                    touched.append(row)
        return touched

    def end(self, row: int, assigned: Iterable[Assignment], purchases: Purchases, before_ms: int) -> None:
        """A user is forgotten, by age or for room: what is open is judged by what is known. To leave them out would favour the arm that is more active."""
        for assignment in assigned:
            if assignment.open:
                until_ms = min(self._due_ms(assignment), before_ms - 1)
                self._judge(assignment, int(purchases(np.array([row]), np.array([until_ms]))[0]))

    def _judge(self, assignment: Assignment, bought_ms: int) -> None:
        totals, converted = self._of(assignment.experiment), bought_ms > assignment.at_ms
        if assignment.holdout:
            totals.judged_holdout += 1
            totals.converted_holdout += converted
        else:
            totals.judged_treated += 1
            totals.converted_treated += converted
            totals.messaged += assignment.messaged
        assignment.open = False

    def _of(self, name: str) -> Totals:
        self.changed.add(name)
        return self.totals[name]

    def _due_ms(self, assignment: Assignment) -> int:
        return assignment.at_ms + self.by_id[assignment.experiment].window_ms
