"""Examples: a decision and what came of it, as one record (schemas/example.schema.json).

Their records, in order, are a training set correct in time: the bins are those that were scored, never worked out again.
The bins of a record ascend and leave out 0, every slot's reference bin, which has no weight. Users are named by pseudonyms (core/privacy).
Between them on their topic stand tallies (tallies.py), which no model learns.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.labels.tallies import Tally
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.errors import ClickscoreError

SCHEMA = 2
IN_CLEAR = 1  # the form before, with the user's id: read as one with the pseudonym
EVENT, SILENCE = 0, 1
CAUSES = ("event", "silence")
Sense = Literal["matured", "provisional", "happened"]
SENSES: tuple[Sense, ...] = ("matured", "provisional", "happened")

_DECISION_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}(\.[1-9][0-9]{0,17})?")
_CAUSE = {"event": EVENT, "silence": SILENCE}
_TEXTS = ("target", "decision_id", "user", "model", "layout")
_FIELDS = frozenset((*_TEXTS, "schema", "sense", "cause", "time_ms", "due_ms", "outcome", "weight", "p", "raw", "bins"))
_TREATED = frozenset({"treated"})  # there where triggers are configured
_HIGHEST_BIN = 2**31 - 1
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999
HIDING = Pseudonyms(None)
_REMEDY = "see schemas/example.schema.json; records of another program do not belong on this topic"


class ExampleError(ClickscoreError):
    """A record that is not an example; `what` names the field."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not an example: {what}", todo=_REMEDY)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One decision of one target with its outcome.

    `decision_id` is the id of the score that is judged: the partition of the input and the offset of the event, in silence of the user's last one.
    `p` and `raw` are probabilities of the OUTCOME (of a return, where churn is published), as the score that is judged had them, with and without
    calibration. `weight` is how many decisions this one stands for. `sense` says what is known: "matured", the outcome once its window has closed;
    "provisional", at the decision itself, an outcome of False that may yet turn; "happened", a True at the moment it turned.
    `treated` says of a matured one whether a trigger fired for the user between the decision and the window's end; None where nobody knows.
    """

    target: str
    decision_id: str
    user: str  # pseudonym
    cause: int  # EVENT or SILENCE
    time_ms: int
    due_ms: int  # when the window closes
    outcome: bool
    weight: float
    p: float
    raw: float
    model: str  # "purchase@41200"
    layout: str  # of the bins
    bins: NDArray[np.int32]  # active bins; 0s and order mean nothing
    sense: Sense = "matured"
    treated: bool | None = None

    @property
    def origin(self) -> tuple[int, int]:
        """The partition of the input that the decision came from, and the offset of its event, in silence of the user's last one."""
        partition, _, event = self.decision_id.partition("-")
        return int(partition), int(event.partition(".")[0])

    def encode(self) -> bytes:
        """The example as one JSON record."""
        bins = np.sort(self.bins)
        record = {
            "schema": SCHEMA,
            "target": self.target,
            "decision_id": self.decision_id,
            "user": self.user,
            "sense": self.sense,
            "cause": CAUSES[self.cause],
            "time_ms": self.time_ms,
            "due_ms": self.due_ms,
            "outcome": int(self.outcome),
            "weight": self.weight,
            "p": self.p,
            "raw": self.raw,
            "model": self.model,
            "layout": self.layout,
            "bins": bins[bins.searchsorted(1) :],
        }
        if self.treated is not None:
            record["treated"] = int(self.treated)
        return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)

    @classmethod
    def decode(cls, value: bytes, pseudonyms: Pseudonyms = HIDING) -> Example | Tally:
        """Read a record of the topic, an example or a tally; raises ExampleError, naming the field, for anything that their encode() does not write.

        An example of the form before gets a pseudonym of `pseudonyms`: the writer's, where it is to be one with that of newer examples.
        """
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ExampleError(f"the record is not JSON ({error})") from None
        if isinstance(record, dict) and record.get("sense") == "tally":
            try:
                return Tally.from_record(record)
            except ValueError as error:
                raise ExampleError(str(error)) from None
        if isinstance(record, dict) and type(record.get("schema")) is int and record["schema"] == IN_CLEAR:
            record = _pseudonymous(record, pseudonyms)
        if not isinstance(record, dict) or record.keys() - _TREATED != _FIELDS:
            raise ExampleError(_strange(record))
        _check_words(record)
        _check_numbers(record)
        return cls(
            record["target"],
            record["decision_id"],
            record["user"],
            _CAUSE[record["cause"]],
            record["time_ms"],
            record["due_ms"],
            record["outcome"] == 1,
            float(record["weight"]),
            record["p"],
            record["raw"],
            record["model"],
            record["layout"],
            _bins(record["bins"]),
            record["sense"],
            record["treated"] == 1 if "treated" in record else None,
        )


def _pseudonymous(record: dict[str, Any], pseudonyms: Pseudonyms) -> dict[str, Any]:
    """A record of the form before as it would be written now."""
    if type(user_id := record.pop("user_id", None)) is not str or not user_id:
        raise ExampleError("user_id is not a text")
    return {**record, "schema": SCHEMA, "user": pseudonyms.of(user_id)}


def _strange(record: Any) -> str:
    if not isinstance(record, dict):
        return "the record is not an object"
    missing, unknown = sorted(_FIELDS - record.keys()), sorted(record.keys() - _FIELDS - _TREATED)
    return f"{missing[0]} is missing" if missing else f"{unknown[0][:40]!r} is unknown"


def _check_words(record: dict[str, Any]) -> None:
    if type(record["schema"]) is not int or record["schema"] != SCHEMA:
        raise ExampleError(f"schema is {record['schema']!r:.40}, this program reads {SCHEMA}")
    for name in _TEXTS:
        if type(record[name]) is not str or not record[name]:
            raise ExampleError(f"{name} is not a text")
    if _DECISION_ID.fullmatch(record["decision_id"]) is None:
        raise ExampleError(f"decision_id is {record['decision_id']!r:.40}, not a partition and an offset")
    if record["cause"] not in CAUSES:
        raise ExampleError(f"cause is {record['cause']!r:.40}, not one of {', '.join(CAUSES)}")
    if record["sense"] not in SENSES:
        raise ExampleError(f"sense is {record['sense']!r:.40}, not one of {', '.join(SENSES)}")
    if (record["sense"] == "provisional" and record["outcome"] == 1) or (record["sense"] == "happened" and record["outcome"] == 0):
        raise ExampleError(f"the outcome of a {record['sense']} example cannot be {record['outcome']}")


def _check_numbers(record: dict[str, Any]) -> None:
    time_ms, due_ms, outcome, weight = record["time_ms"], record["due_ms"], record["outcome"], record["weight"]
    if type(time_ms) is not int or not 0 <= time_ms <= _LATEST_MS:
        raise ExampleError(f"time_ms is {time_ms!r:.40}, not epoch milliseconds")
    if type(due_ms) is not int or not time_ms <= due_ms <= _LATEST_MS:
        raise ExampleError(f"due_ms is {due_ms!r:.40}, not epoch milliseconds at or after time_ms")
    if type(outcome) is not int or outcome not in (0, 1):
        raise ExampleError(f"outcome is {outcome!r:.40}, not 0 or 1")
    if type(weight) not in (int, float) or not 0 < weight < math.inf:
        raise ExampleError(f"weight is {weight!r:.40}, not a number above 0")
    if (treated := record.get("treated", 0)) not in (0, 1) or type(treated) is not int:
        raise ExampleError(f"treated is {treated!r:.40}, not 0 or 1")
    if "treated" in record and record["sense"] != "matured":
        raise ExampleError(f"a {record['sense']} example cannot say who was treated")
    for name in ("p", "raw"):
        if type(record[name]) is not float or not 0 < record[name] < 1:
            raise ExampleError(f"{name} is {record[name]!r:.40}, not a number between 0 and 1")


def _bins(listed: Any) -> NDArray[np.int32]:
    if type(listed) is not list or not set(map(type, listed)) <= {int}:
        raise ExampleError("bins is not a list of whole numbers")
    if listed and (listed[0] < 1 or listed[-1] > _HIGHEST_BIN or sorted(set(listed)) != listed):
        raise ExampleError(f"bins do not ascend, each once, from 1 to at most {_HIGHEST_BIN}")
    return np.array(listed, dtype=np.int32)
