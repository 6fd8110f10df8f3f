"""Snapshots: all that a trainer needs to go on from, as bytes that the next version can still read. No pickle.

    one line of JSON        the form's version, target, layout, settings, and every number that is not an array
    zlib                    the touched bins (as steps from one to the next) and an array of float64 a state of theirs, byte planes apart
    4 bytes                 CRC-32 of all before

Floats are kept to the bit, so that a run continued from a snapshot gives the bytes of the unbroken run. With FTRL a touched bin takes 22 bytes:
1 MB, the largest record that Kafka takes by default, is reached at 47,000 of them, 200,000 take 4.4 MB: the topic of models needs a larger max.message.bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.labels.examples import EVENT
from worker.core.labels.tallies import looks_of
from worker.core.scoring.calibration import Calibration
from worker.core.scoring.level import Level
from worker.core.scoring.scorecard import Scorecard
from worker.core.settings import TargetSettings
from worker.errors import ClickscoreError

Floats = NDArray[np.float64]

SCHEMA = 2
WITHOUT_LEVEL = 1  # the form before: read as one whose level is nothing yet
LEVEL = 1  # of zlib: higher ones take three times as long for 1 % less
MEANING = ("outcome", "delay_ms", "horizon_ms", "scheme", "optimizer")  # settings that a snapshot cannot survive a change of


class SnapshotError(ClickscoreError):
    """A snapshot that cannot be gone on from."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A trainer's state. `numbers` are plain JSON values; `arrays` hold one float64 for each of `bins`, the weights under "weights"."""

    target: str
    layout: str
    table_size: int
    settings: Mapping[str, Any]  # the target's, as they were
    numbers: Mapping[str, Any]
    bins: NDArray[np.int32]  # ascending
    arrays: Mapping[str, Floats]

    def encode(self) -> bytes:
        """The snapshot as bytes, the same for the same state."""
        header = {
            "schema": SCHEMA,
            "target": self.target,
            "layout": self.layout,
            "table_size": self.table_size,
            "settings": dict(self.settings),
            "numbers": dict(self.numbers),
            "bins": len(self.bins),
            "arrays": list(self.arrays),
        }
        planes = [_planes(np.diff(self.bins, prepend=np.int32(0)).astype("<i4"))]
        planes += [_planes(array.astype("<f8")) for array in self.arrays.values()]
        body = orjson.dumps(header) + b"\n" + zlib.compress(b"".join(planes), LEVEL)
        return body + zlib.crc32(body).to_bytes(4, "little")

    @classmethod
    def decode(cls, value: bytes) -> Snapshot:
        """Read encode()'s bytes; raises SnapshotError for a newer form, or for bytes that are damaged or something else."""
        line, _, rest = value.partition(b"\n")
        try:
            header = orjson.loads(line)
            schema = header["schema"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise _damaged("it does not begin with a snapshot's header") from None
        if schema not in (SCHEMA, WITHOUT_LEVEL):
            todo = "upgrade this program, or let the target learn anew from its examples"
            raise SnapshotError(f"the model snapshot has form {schema}, this program reads form {SCHEMA}", todo=todo)
        if zlib.crc32(value[:-4]).to_bytes(4, "little") != value[-4:]:
            raise _damaged("its checksum is wrong")
        if schema == WITHOUT_LEVEL:
            header["numbers"].setdefault("level", Level(len(looks_of(header["settings"]["horizon_ms"]))).state())
        count, names = header["bins"], header["arrays"]
        data = zlib.decompress(rest[:-4])
        steps = _whole(data[: 4 * count], np.dtype("<i4"))
        arrays = {name: _whole(data[(4 + 8 * i) * count : (12 + 8 * i) * count], np.dtype("<f8")) for i, name in enumerate(names)}
        bins = np.cumsum(steps, dtype=np.int32)
        return cls(header["target"], header["layout"], header["table_size"], header["settings"], header["numbers"], bins, arrays)

    def check(self, target: str, settings: TargetSettings, table_size: int, layout: str) -> None:
        """Raise SnapshotError unless this is a state of that target, with that meaning, over those bins."""
        where, todo = f"model snapshot of {self.target}", f"let {target} learn anew from its examples, or go back to what the snapshot was made with"
        if self.target != target:
            raise SnapshotError(f"the snapshot is of target {self.target}, not of {target}", where, todo)
        if (self.layout, self.table_size) != (layout, table_size):
            raise SnapshotError(f"its bins have layout {self.layout}, this program's have {layout}", where, todo)
        now = meaning(settings)
        for name in MEANING:
            if self.settings.get(name) != now[name]:
                raise SnapshotError(f"it was learned with {name} = {self.settings.get(name)!r}, the configuration has {now[name]!r}", where, todo)

    def table(self, name: str) -> Floats:
        """One of the arrays over the whole table."""
        table = np.zeros(self.table_size)
        table[self.bins] = self.arrays[name]
        return table

    def scorecard(self, abstain_below: int) -> Scorecard:
        """The scorecard that the trainer had, without waking River."""
        numbers = self.numbers
        level = Level(len(looks_of(self.settings["horizon_ms"])))
        level.go_on(numbers["level"])
        coefficients = levelled(Calibration.from_state(numbers["calibration"]), level)
        version, warming_up = f"{self.target}@{numbers.get('named_before', 0) + numbers['learned']}", min(numbers["outcomes"]) < abstain_below
        weights, intercept = self.table("weights"), numbers["intercept"]
        return Scorecard(self.target, version, self.layout, weights, intercept, coefficients, warming_up, numbers["base_rate"], level.shift)


def levelled(calibration: Calibration, level: Level) -> Floats:
    """The coefficients of a calibration (causes x 3), the level added to the shift of scores at events."""
    coefficients = calibration.coefficients()
    coefficients[EVENT, 0] += level.shift
    return coefficients


def meaning(settings: TargetSettings) -> dict[str, Any]:
    """The settings that a snapshot carries."""
    return {name: getattr(settings, name) for name in (*MEANING, "alpha", "beta", "l1", "l2", "prior")}


def _damaged(why: str) -> SnapshotError:
    return SnapshotError(f"a model snapshot is damaged: {why}", todo="delete the record, or let the target learn anew from its examples")


def _planes(array: NDArray[Any]) -> bytes:
    """First all first bytes, then all second ones, …: what repeats comes together, and zlib finds it."""
    return np.ascontiguousarray(array.view(np.uint8).reshape(len(array), array.itemsize).T).tobytes()


def _whole(planes: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    table = np.frombuffer(planes, dtype=np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(table.T).reshape(-1).view(dtype).astype(dtype.newbyteorder("="))
