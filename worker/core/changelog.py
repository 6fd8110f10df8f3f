"""The changelog: a partition's state as keyed records, so that whoever takes the partition over goes on where it stood.

Four kinds of records, told apart by the first letter of the key: `u:` a user's profile, `d:` a pending decision, `l:` the text behind a hash,
and `p:` the partition's own state (watermark, outages, events that wait). The latest record of a key counts; a tombstone removes it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core import profile_layout as at
from worker.core.decisions import Decisions
from worker.core.feature_slots import LAYOUT
from worker.errors import ClickscoreError

Change = tuple[bytes, bytes | None]

SCHEMA = 1
PARTITION_KEY = b"p:"


class StateRefused(ClickscoreError):
    """A changelog record that this program must not read: newer than the program, or damaged."""


def profile_key(user_id: str) -> bytes:
    """The key of a user's profile."""
    return b"u:" + user_id.encode()


def decision_key(user_id: str, offset: int, mark: int) -> bytes:
    """The key of a pending decision."""
    return b"d:" + user_id.encode() + f":{offset}.{mark}".encode()


def label_key(code: int) -> bytes:
    """The key of the text behind a hash."""
    return f"l:{code:x}".encode()


def profile_value(row: NDArray[np.float64]) -> bytes:
    """A profile's record: the bytes of its row."""
    return b'{"schema":1,"layout":%d,"row":"%s"}' % (at.LAYOUT_VERSION, base64.b64encode(row.astype("<f8").tobytes()))


def decision_value(decisions: Decisions, place: int) -> bytes:
    """A pending decision's record: everything that its example will need."""
    return orjson.dumps(
        {
            "schema": SCHEMA,
            "layout": LAYOUT,
            "time_ms": int(decisions.time_ms[place]),
            "offset": int(decisions.offset[place]),
            "mark": int(decisions.mark[place]),
            "draw": float(decisions.draw[place]),
            "final_ms": int(decisions.final_ms[place]),
            "weight": float(decisions.weight[place]),
            "models": decisions.models[decisions.model[place]],
            "bins": base64.b64encode(decisions.bins[place].astype("<i4").tobytes()).decode(),
            "raw": decisions.raw[place].tolist(),
            "p": decisions.p[place].tolist(),
            "outcome": decisions.outcome[place].tolist(),
            "announced": decisions.announced[place].tolist(),
        }
    )


@dataclass(slots=True)
class Restored:
    """A partition's changelog, read to its end: the latest value of every live key."""

    profiles: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    decisions: dict[bytes, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    partition: dict[str, Any] = field(default_factory=dict)

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one changelog record, in the order of offsets."""
        kind, name = (key or b"")[:2], (key or b"")[2:].decode("utf-8", "surrogateescape")
        if kind == b"u:":
            self._profile(name, value)
        elif kind == b"d:":
            self._decision(key or b"", name, value)
        elif kind == b"l:":
            if value is not None:
                self.labels[int(name, 16)] = str(self._loads(value, name))
        elif kind == PARTITION_KEY:
            self.partition = self._loads(value or b"{}", "partition state")
            self._check(self.partition, "partition state")
        else:
            raise StateRefused("a changelog record has an unknown kind of key", repr(key), "point the worker at the changelog topic that it wrote")

    def _profile(self, user_id: str, value: bytes | None) -> None:
        if value is None:
            self.profiles.pop(user_id, None)
            return
        record = self._loads(value, f"profile of {user_id!r}")
        self._check(record, f"profile of {user_id!r}")
        if record.get("layout", 0) > at.LAYOUT_VERSION:
            raise StateRefused(
                f"a profile has layout {record['layout']}, this program knows up to {at.LAYOUT_VERSION}",
                f"profile of {user_id!r}",
                "run the newer program, or let this one start with a new group and an empty changelog",
            )
        try:
            row = np.frombuffer(base64.b64decode(record["row"], validate=True), dtype="<f8").astype(np.float64)
        except (KeyError, ValueError, TypeError) as error:
            raise StateRefused(f"a profile cannot be read: {error}", f"profile of {user_id!r}", "write a tombstone for this key to forget the user") from None
        if len(row) != at.WIDTH:
            raise StateRefused(
                f"a profile has {len(row)} numbers, not {at.WIDTH}", f"profile of {user_id!r}", "write a tombstone for this key to forget the user"
            )
        self.profiles[user_id] = row

    def _decision(self, key: bytes, name: str, value: bytes | None) -> None:
        if value is None:
            self.decisions.pop(key, None)
            return
        record = self._loads(value, f"decision {name}")
        self._check(record, f"decision {name}")
        if record["layout"] == LAYOUT:  # bins of another form of the scorecard mean nothing here: the decision is let go
            self.decisions[key] = (name.rsplit(":", 1)[0], record)

    def _loads(self, value: bytes, where: str) -> Any:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise StateRefused(
                f"a changelog record is not JSON: {error}", where, "write a tombstone for this key, or restore the topic from a backup"
            ) from None

    def _check(self, record: dict[str, Any], where: str) -> None:
        if record.get("schema", SCHEMA) > SCHEMA:
            raise StateRefused(f"state was written by a newer program (schema {record['schema']}, this one knows {SCHEMA})", where, "run the newer program")
