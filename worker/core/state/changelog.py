"""The changelog: a partition's state as keyed records, so that whoever takes the partition over goes on where it stood.

Seven kinds of records, told apart by the first letter of the key: `u:` a user's profile, `a:` what segments and triggers remember of a user,
`d:` a pending decision, `l:` the text behind a hash, `r:` what came of a rule's users, `s:` that a user, named by a pseudonym, is suppressed, and `p:` the
partition's own state (watermark, outages, events that wait, how far requests were carried out).
The latest record of a key counts; a tombstone removes it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.action.state import Remembered
from worker.core.action.state import read as read_action
from worker.core.profiles import layout as at
from worker.core.state.decision_records import DECISION_SCHEMA, Columns, DecisionUnsound, Pending, columns_of, read_decision
from worker.core.state.sparse_rows import BITMAP, dense, is_sound, sparse
from worker.core.uplift.assignments import Totals
from worker.errors import ClickscoreError

Change = tuple[bytes, bytes | None]

SCHEMA = 1
PARTITION_KEY = b"p:"
PROFILE_SCHEMA = 2  # 1 had all numbers of the row, as `row`
_PROFILE_HEAD = b'{"schema":%d,"layout":%d,"columns":%d,"sparse":"' % (PROFILE_SCHEMA, at.LAYOUT_VERSION, at.WIDTH)


class StateRefused(ClickscoreError):
    """A changelog record that this program must not read: newer than the program, or damaged.

    The text names no user, for it comes into logs; `key` is the record's, for who has to find it.
    """

    def __init__(self, what: str, where: str = "", todo: str = "", key: bytes | None = None) -> None:
        super().__init__(what, where, todo)
        self.key = key


def profile_key(user_id: str) -> bytes:
    """The key of a user's profile."""
    return b"u:" + user_id.encode()


def decision_key(user_id: str, offset: int, mark: int) -> bytes:
    """The key of a pending decision."""
    return b"d:" + user_id.encode() + f":{offset}.{mark}".encode()


def suppression_key(pseudonym: str) -> bytes:
    """The key of a suppression."""
    return b"s:" + pseudonym.encode()


def suppression_value(since_ms: int, request_id: str) -> bytes:
    """The record of a suppression (schemas/suppression.schema.json)."""
    return orjson.dumps({"schema": SCHEMA, "since_ms": since_ms, "request_id": request_id})


def label_key(code: int) -> bytes:
    """The key of the text behind a hash."""
    return f"l:{code:x}".encode()


def profile_values(rows: NDArray[np.float64]) -> list[bytes]:
    """The records of profiles, float64[n, WIDTH]."""
    return [b'%s%s"}' % (_PROFILE_HEAD, binascii.b2a_base64(row, newline=False)) for row in sparse(rows)]


@dataclass(slots=True)
class Restored:
    """A partition's changelog, read to its end: the latest value of every live key.

    Records are checked as they come and put into columns at the end: a restart reads hundreds of thousands of them.
    """

    profiles: dict[str, bytes] = field(default_factory=dict)  # sparse rows
    decisions: dict[bytes, Pending] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    partition: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, Totals] = field(default_factory=dict)  # by experiment
    action: dict[str, bytes] = field(default_factory=dict)  # read where segments or triggers are configured
    suppressed: set[str] = field(default_factory=set)  # pseudonyms

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one changelog record, in the order of offsets."""
        kind, name = (key or b"")[:2], (key or b"")[2:].decode("utf-8", "surrogateescape")
        if kind == b"u:":
            self._profile(name, value)
        elif kind == b"d:":
            self._decision(key or b"", name, value)
        elif kind == b"a:":
            if value is None:
                self.action.pop(name, None)
            else:
                self.action[name] = value
        elif kind == b"l:":
            if value is not None:
                self._label(name, value)
        elif kind == b"r:":
            if value is not None:
                self._totals(name, value)
        elif kind == b"s:":
            if value is None:
                self.suppressed.discard(name)
            else:
                self._loads(value, "a suppression")
                self.suppressed.add(name)
        elif kind == PARTITION_KEY:
            self._partition(value)
        else:
            raise StateRefused("a changelog record has an unknown kind of key", "", "point the worker at the changelog topic that it wrote")

    def _profile(self, user_id: str, value: bytes | None) -> None:
        if value is None:
            self.profiles.pop(user_id, None)
            return
        where = "a user's profile"
        if value.startswith(_PROFILE_HEAD):  # as this program writes it: no need to look at it as JSON
            try:
                row = binascii.a2b_base64(value[len(_PROFILE_HEAD) : -2], strict_mode=True)
            except ValueError as error:
                raise _unreadable("a profile", error, where) from None
        else:
            row = self._older_row(value, where)
        if not is_sound(row):
            raise _unreadable("a profile", "its numbers are not those that it names", where)
        self.profiles[user_id] = row

    def _older_row(self, value: bytes, where: str) -> bytes:
        """The sparse row of a record that another program wrote. A layout before this one has fewer columns: what it does not know is 0."""
        record = self._loads(value, where, PROFILE_SCHEMA)
        try:
            if record["layout"] > at.LAYOUT_VERSION:
                raise StateRefused(
                    f"a profile has layout {record['layout']}, this program knows up to {at.LAYOUT_VERSION}",
                    where,
                    "run the newer program, or let this one start with a new group and an empty changelog",
                )
            numbers = binascii.a2b_base64(record["row" if record["schema"] == 1 else "sparse"], strict_mode=True)
            columns = len(numbers) / 8 if record["schema"] == 1 else record["columns"]
            if columns != at.WIDTH and not (record["layout"] < at.LAYOUT_VERSION and columns < at.WIDTH):
                raise _unreadable("a profile", f"it has {columns:g} numbers, not {at.WIDTH}", where)
            if record["schema"] == 1:
                return sparse(np.frombuffer(numbers.ljust(8 * at.WIDTH, b"\0"), dtype="<f8").reshape(1, -1))[0]
            bitmap = -(-int(columns) // 8)
            if len(numbers) < bitmap:
                raise _unreadable("a profile", "it is cut short", where)
            return numbers[:bitmap].ljust(BITMAP, b"\0") + numbers[bitmap:]
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable("a profile", error, where) from None

    def profile_rows(self) -> NDArray[np.float64]:
        """All profiles' rows, in the order of `profiles`."""
        return dense(self.profiles.values())

    def _decision(self, key: bytes, name: str, value: bytes | None) -> None:
        where = "a pending decision"
        try:
            found = None if value is None else read_decision(name.rsplit(":", 1)[0], value, lambda text: self._loads(text, where, DECISION_SCHEMA))
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable("a decision", error, where) from None
        if found is None:
            self.decisions.pop(key, None)
        else:
            self.decisions[key] = found

    def decision_columns(self, row_of: Mapping[str, int], targets: Sequence[str]) -> Columns:
        """All pending decisions of users who have a profile, for a configuration with these targets."""
        try:
            return columns_of(self.decisions, row_of, targets)
        except DecisionUnsound as error:
            raise _unreadable("a decision", error, "a pending decision", error.key) from None

    def _label(self, name: str, value: bytes) -> None:
        try:
            code = int(name, 16)
        except ValueError:
            raise _unreadable("a text", "its key ends in no hexadecimal number", "a text behind a hash") from None
        try:
            self.labels[code] = str(orjson.loads(value))
        except ValueError as error:
            raise _unreadable("a text", error, f"label {code:x}") from None

    def _totals(self, name: str, value: bytes) -> None:
        try:
            self.totals[name] = Totals.of_record(self._loads(value, f"totals of experiment {name}"))
        except (KeyError, ValueError) as error:
            raise _unreadable("an experiment's totals", error, f"experiment {name}") from None

    def _partition(self, value: bytes | None) -> None:
        self.partition = {} if value is None else self._loads(value, "partition state")
        if not self.partition:
            return
        try:
            sound = type(self.partition["watermark_ms"]) is int and isinstance(self.partition["outages"], dict)
            sound = sound and type(self.partition.get("requests", 0)) is int
            for offset, waiting, seen in self.partition["held"]:
                sound = sound and type(offset) is int and type(seen) is int and base64.b64decode(waiting, validate=True) is not None
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable("the partition's state", error, "partition state") from None
        if not sound:
            raise _unreadable("the partition's state", "its fields have the wrong types", "partition state")

    def action_records(self) -> dict[str, Remembered]:
        """What segments and triggers remember of each user. Raises StateRefused."""
        out: dict[str, Remembered] = {}
        for user, value in self.action.items():
            try:
                out[user] = read_action(value)
            except (KeyError, ValueError, TypeError) as error:
                raise _unreadable("what segments and triggers remember", error, "of one user", b"a:" + user.encode("utf-8", "surrogateescape")) from None
        return out

    def _loads(self, value: bytes, where: str, known: int = SCHEMA) -> dict[str, Any]:
        try:
            record: Any = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise _unreadable("a changelog record", f"not JSON: {error}", where) from None
        schema = record.get("schema") if isinstance(record, dict) else None
        if type(schema) is not int:
            raise _unreadable("a changelog record", "it names no schema", where)
        if schema > known:
            raise StateRefused(f"state was written by a newer program (schema {schema}, this one knows {known})", where, "run the newer program")
        return cast("dict[str, Any]", record)


def _unreadable(what: str, why: object, where: str, key: bytes | None = None) -> StateRefused:
    todo = "write a tombstone for the key of this record to go on without it, or restore the topic from a backup"
    return StateRefused(f"{what} cannot be read: {why}", where, todo, key)
