"""Stable 52-bit hashes of text: the same in every process, on every machine and in every later version.

52 bits fit a float64 and a JSON number exactly; 0 is kept free to mean "absent". Source: BLAKE2b (RFC 7693) with an 8-byte digest,
read as a little-endian integer, its upper 52 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 8
SHIFT = 12
REMEMBERED_LENGTH = 64  # longer texts are hashed anew each time, so that the memory below stays bounded by some 20 MB
REMEMBERED_TEXTS = 65_536


def stable_hash(text: str) -> int:
    """Hash one text to 1 … 2^52 - 1."""
    return int.from_bytes(blake2b(text.encode(), digest_size=DIGEST_BYTES).digest(), "little") >> SHIFT or 1


def stable_hashes(texts: Iterable[str]) -> NDArray[np.int64]:
    """Hash many texts, each as `stable_hash` does; int64, in the order given."""
    begun, digests = blake2b(digest_size=DIGEST_BYTES), []
    for text in texts:
        digest = begun.copy()  # a third faster than one begun anew
        digest.update(text.encode())
        digests.append(digest.digest())
    hashes: NDArray[np.uint64] = np.frombuffer(b"".join(digests), "<u8") >> np.uint64(SHIFT)
    hashes[hashes == 0] = 1
    return hashes.astype(np.int64)


_remembered: dict[str, int] = {}  # forgotten all at once when it is full: which texts were seen before decides no value


def hash_table(texts: Iterable[str | None]) -> dict[str | None, int]:
    """Map each text to its hash; None and the empty text, which both mean absent, to 0."""
    looked_up = {text: _remembered.get(text) for text in texts if text}
    unknown = [text for text, number in looked_up.items() if number is None]
    new = dict(zip(unknown, stable_hashes(unknown).tolist(), strict=True))
    short = {text: number for text, number in new.items() if len(text) <= REMEMBERED_LENGTH}
    if len(_remembered) + len(short) > REMEMBERED_TEXTS:
        _remembered.clear()
    if len(short) <= REMEMBERED_TEXTS:
        _remembered.update(short)
    return {**looked_up, **new, None: 0, "": 0}  # type: ignore[dict-item]  # none of those that `new` does not replace is None


def hash_column(column: Sequence[str | None]) -> NDArray[np.int64]:
    """Hash a column whose texts are mostly different; int64[n], 0 where absent or empty."""
    hashes = np.zeros(len(column), np.int64)
    rows = slice(None) if all(column) else [row for row, text in enumerate(column) if text]
    hashes[rows] = stable_hashes(filter(None, column))
    return hashes
