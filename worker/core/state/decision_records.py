"""Pending decisions as changelog records: the names of their models in words, everything else packed.

There are as many as events on busy days, and a restart reads all of them, so they are written and read in columns: `form` is how a decision lies in its
record. Schema 1 had every field by its name, as JSON; it is still read.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.labels.decisions import DONE, EVENT, SKIPPED, Decisions
from worker.core.scoring.slots import BINS_PER_CAUSE, LAYOUT, SLOTS

Ints = NDArray[np.int64]

DECISION_SCHEMA = 2
_HEAD = b'{"schema":%d,"layout":"%s","models":' % (DECISION_SCHEMA, LAYOUT.encode())
_BETWEEN = b',"packed":"'
_ONE = ("time_ms", "offset", "mark", "draw", "final_ms", "weight")
_EACH = ("raw", "p", "outcome", "seen", "level", "announced")  # one a target
_ABSENT = {"raw": 0.5, "p": 0.5, "outcome": DONE, "seen": SKIPPED, "level": 0.0, "announced": 0}  # of a target that a decision was not made for


class DecisionUnsound(ValueError):
    """A decision has a value that its field cannot have; `key` is its record's. The text names nobody."""

    def __init__(self, key: bytes) -> None:
        super().__init__("it has a value that its field cannot have")
        self.key = key


class Pending(NamedTuple):
    """A decision as it was read."""

    user_id: str
    models: tuple[str, ...]
    packed: bytes


@cache
def form(targets: int) -> np.dtype[np.void]:
    """How a decision of so many targets is packed, without gaps. Bins are places in the table of their cause, which the mark tells."""
    each = [(name, "<f8" if name in ("raw", "p", "level") else "i1", (targets,)) for name in _EACH]
    one = [(name, "<f8" if name in ("draw", "weight") else "<i2" if name == "mark" else "<i8") for name in _ONE]
    return np.dtype([*one, *each, ("bins", "<u2", (len(SLOTS),))])


def decision_values(decisions: Decisions, places: Ints) -> list[bytes]:
    """The records of pending decisions: everything that their examples will need."""
    packed = np.empty(len(places), form(decisions.targets))
    for name in (*_ONE, *_EACH):
        packed[name] = getattr(decisions, name)[places]
    bins = decisions.bins[places]
    packed["bins"] = np.where(bins < BINS_PER_CAUSE, bins, bins - BINS_PER_CAUSE)
    data, size, models = packed.tobytes(), packed.itemsize, decisions.model[places].tolist()
    heads = {model: _HEAD + orjson.dumps(decisions.models[model]) + _BETWEEN for model in set(models)}
    starts = range(0, len(data), size)
    return [b'%s%s"}' % (heads[m], binascii.b2a_base64(data[start : start + size], newline=False)) for start, m in zip(starts, models, strict=True)]


def read_decision(user_id: str, value: bytes, loads: Callable[[bytes], dict[str, Any]]) -> Pending | None:
    """A record; None where its bins are of another layout and mean nothing here. `loads` is for records that another program wrote.

    Raises KeyError, TypeError or ValueError for what is no decision.
    """
    if value.startswith(_HEAD):  # as this program writes it: no need to look at all of it as JSON
        between = value.index(_BETWEEN)
        models = _models(value[len(_HEAD) : between])
        packed = binascii.a2b_base64(value[between + len(_BETWEEN) : -2], strict_mode=True)
    else:
        record = loads(value)
        if record.get("layout") != LAYOUT:
            return None
        models = _models(orjson.dumps(record["models"]))
        packed = _pack(record, len(models)) if record["schema"] == 1 else binascii.a2b_base64(record["packed"], strict_mode=True)
    if len(packed) != form(len(models)).itemsize:
        raise ValueError("its fields do not belong together")
    return Pending(user_id, models, packed)


@lru_cache(4096)
def _models(names: bytes) -> tuple[str, ...]:
    """The models of a decision, from JSON. There are few different ones."""
    models = orjson.loads(names)
    if not isinstance(models, list) or not models or not all(isinstance(model, str) for model in models):
        raise ValueError("its models are no list of names")
    return tuple(models)


def _pack(record: dict[str, Any], targets: int) -> bytes:
    """A record of schema 1, whose programs at first neither looked nor knew a level."""
    packed = np.zeros((), form(targets))
    for name in (*_ONE, *_EACH):
        given = record.get(name, [_ABSENT[name]] * targets) if name in ("seen", "level") else record[name]
        values, whole = given if name in _EACH else [given], packed.dtype[name].base.kind == "i"
        if len(values) != (targets if name in _EACH else 1) or not all(type(value) is int or (type(value) is float and not whole) for value in values):
            raise ValueError(f"its {name} is not what it should be")
        packed[name] = given
    bins = np.frombuffer(binascii.a2b_base64(record["bins"], strict_mode=True), "<i4")
    packed["bins"] = np.where(bins < BINS_PER_CAUSE, bins, bins - BINS_PER_CAUSE)
    return packed.tobytes()


class Columns(NamedTuple):
    """n decisions that were read, as Decisions holds them, for t targets."""

    rows: Ints  # profile rows of their users
    models: list[tuple[str, ...]]
    fields: dict[str, NDArray[Any]]  # n, n x t, and bins n x slots


def columns_of(found: Mapping[bytes, Pending], row_of: Mapping[str, int], targets: Sequence[str]) -> Columns:
    """The decisions of users who have a profile, as a configuration with these targets reads them: of a target that one does not name it is no decision.

    Raises DecisionUnsound where a field has a value that it cannot have.
    """
    kept = [(key, one) for key, one in found.items() if one.user_id in row_of]
    parts: list[Columns] = []
    for named in dict.fromkeys(_targets_of(one.models) for _, one in kept):
        mine = [(key, one) for key, one in kept if _targets_of(one.models) == named]
        packed = np.frombuffer(b"".join([one.packed for _, one in mine]), form(len(named)))
        _require_sound(packed, [key for key, _ in mine])
        place = [named.index(target) if target in named else None for target in targets]
        fields: dict[str, NDArray[Any]] = {name: packed[name] for name in _ONE}
        for name in _EACH:
            fields[name] = np.stack([np.full(len(mine), _ABSENT[name]) if at is None else packed[name][:, at] for at in place], axis=1)
        bins = packed["bins"].astype(np.int32)
        fields["bins"] = bins + ((bins != 0) & (packed["mark"] != EVENT)[:, None]) * np.int32(BINS_PER_CAUSE)
        adapted = {
            models: tuple(f"{target}@0" if at is None else models[at] for target, at in zip(targets, place, strict=True))
            for models in dict.fromkeys(one.models for _, one in mine)
        }
        models = [adapted[one.models] for _, one in mine]
        parts.append(Columns(np.array([row_of[one.user_id] for _, one in mine], dtype=np.int64), models, fields))
    if not parts:
        return Columns(np.zeros(0, dtype=np.int64), [], {})
    fields = {name: np.concatenate([part.fields[name] for part in parts]) for name in parts[0].fields}
    return Columns(np.concatenate([part.rows for part in parts]), [model for part in parts for model in part.models], fields)


@lru_cache(4096)
def _targets_of(models: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(model.rsplit("@", 1)[0] for model in models)


def _require_sound(packed: NDArray[np.void], keys: Sequence[bytes]) -> None:
    chances = np.concatenate([packed["raw"], packed["p"]], axis=1)
    sound = ((chances > 0) & (chances < 1)).all(axis=1) & np.isfinite(packed["level"]).all(axis=1) & (packed["bins"] < BINS_PER_CAUSE).all(axis=1)
    sound &= (packed["weight"] > 0) & (packed["draw"] >= 0) & (packed["mark"] >= EVENT) & ((packed["outcome"] >= 0) & (packed["outcome"] <= DONE)).all(axis=1)
    if not sound.all():
        raise DecisionUnsound(keys[int(sound.argmin())])
