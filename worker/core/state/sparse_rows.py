"""Rows of profiles as bytes: most of a profile's numbers are 0, and only the others are written.

A sparse row is a bitmap, one bit a column with the lowest bit first, that says which numbers follow; then these as little-endian float64. What a row
holds comes back bit by bit: only the number of which all bits are 0 is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles.layout import WIDTH

Floats = NDArray[np.float64]

BITMAP = -(-WIDTH // 8)  # bytes


def sparse(rows: Floats) -> list[bytes]:
    """Each of n rows, float64[n, WIDTH]."""
    there = np.ascontiguousarray(rows).view(np.int64) != 0
    bitmaps = np.packbits(there, axis=1, bitorder="little").tobytes()
    numbers = rows[there].astype("<f8").tobytes()
    ends = (8 * np.cumsum(there.sum(axis=1))).tolist()
    starts = range(0, len(bitmaps), BITMAP)
    return [bitmaps[start : start + BITMAP] + numbers[begin:end] for start, (begin, end) in zip(starts, pairwise([0, *ends]), strict=True)]


def dense(rows: Collection[bytes]) -> Floats:
    """The rows behind n sparse ones that are sound: float64[n, WIDTH]."""
    bitmaps = np.frombuffer(b"".join([row[:BITMAP] for row in rows]), np.uint8).reshape(-1, BITMAP)
    out = np.zeros((len(rows), WIDTH))
    out[np.unpackbits(bitmaps, axis=1, count=WIDTH, bitorder="little").view(np.bool_)] = np.frombuffer(b"".join([row[BITMAP:] for row in rows]), "<f8")
    return out


def is_sound(row: bytes) -> bool:
    """Whether a sparse row's bitmap and numbers belong together."""
    bitmap = int.from_bytes(row[:BITMAP], "little")
    return len(row) == BITMAP + 8 * bitmap.bit_count() and bitmap < 1 << WIDTH
