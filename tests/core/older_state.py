"""Changelog records as earlier programs wrote them."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

import numpy as np
import orjson

from worker.core.scoring.slots import BINS_PER_CAUSE
from worker.core.state.decision_records import form
from worker.core.state.sparse_rows import dense


def profile_of_schema_1(value: bytes) -> bytes:
    """A profile with all its zeros."""
    record: dict[str, Any] = orjson.loads(value)
    row = dense([base64.b64decode(record["sparse"])])
    return orjson.dumps({"schema": 1, "layout": record["layout"], "row": base64.b64encode(row.tobytes()).decode()})


def decision_of_schema_1(value: bytes, without: Collection[str] = ()) -> bytes:
    """A pending decision with every field by its name, but for those that a program did not know yet."""
    record: dict[str, Any] = orjson.loads(value)
    (packed,) = np.frombuffer(base64.b64decode(record.pop("packed")), form(len(record["models"])))
    fields = {name: packed[name].tolist() for name in packed.dtype.names if name not in (*without, "bins")}
    bins = packed["bins"].astype("<i4")
    bins += (bins > 0) * (fields["mark"] >= 0) * np.int32(BINS_PER_CAUSE)
    return orjson.dumps({**record, "schema": 1, **fields, "bins": base64.b64encode(bins.tobytes()).decode()})
