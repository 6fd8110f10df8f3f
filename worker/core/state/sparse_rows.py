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
    """Each of n rows, float64[n, width]."""
    there = np.ascontiguousarray(rows).view(np.int64) != 0
    bitmaps = np.packbits(there, axis=1, bitorder="little").tobytes()
    numbers = rows[there].astype("<f8").tobytes()
    ends = (8 * np.cumsum(there.sum(axis=1))).tolist()
    bitmap = -(-rows.shape[1] // 8)
    starts = range(0, len(bitmaps), bitmap)
    return [bitmaps[start : start + bitmap] + numbers[begin:end] for start, (begin, end) in zip(starts, pairwise([0, *ends]), strict=True)]


def dense(rows: Collection[bytes], width: int = WIDTH) -> Floats:
    """The rows behind n sparse ones that are sound: float64[n, width]."""
    bitmap = -(-width // 8)
    bitmaps = np.frombuffer(b"".join([row[:bitmap] for row in rows]), np.uint8).reshape(-1, bitmap)
    out = np.zeros((len(rows), width))
    out[np.unpackbits(bitmaps, axis=1, count=width, bitorder="little").view(np.bool_)] = np.frombuffer(b"".join([row[bitmap:] for row in rows]), "<f8")
    return out


def is_sound(row: bytes, width: int = WIDTH) -> bool:
    """Whether a sparse row's bitmap and numbers belong together."""
    size = -(-width // 8)
    bitmap = int.from_bytes(row[:size], "little")
    return len(row) == size + 8 * bitmap.bit_count() and bitmap < 1 << width
