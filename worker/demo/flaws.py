"""What goes wrong on the way: records that come late, twice or broken, at shares that a real shop would call a good day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from worker.demo.walk import Ints

PLAIN, LATE, DUPLICATE, BAD = range(4)
_LATE_SHARE, _LATE_MEAN_MS, _LATE_MOST_MS = 0.004, 1_200_000, 18_000_000
_DUPLICATE_SHARE, _DUPLICATE_MEAN_MS = 0.003, 60_000
_BAD_SHARE = 0.0012
_BROKEN_CLOCK = b'{"event":"page_view","user_id":"u-clock","timestamp":%d}'  # one phone lives in 2100, and no one else confirms it
_BROKEN_CLOCK_MS = 4_102_444_800_000

SPOILERS: tuple[Callable[[bytes], bytes], ...] = (
    lambda value: value[: len(value) * 2 // 3],
    lambda value: value.replace(b'"user_id"', b'"user"'),
    lambda value: value.replace(b'"event":', b'"Event":'),
    lambda value: value.replace(b'"user_id":"u', b'"user_id":"\xff\xfe'),
    lambda value: value[:-1] + b',"price":NaN}',
    lambda value: value[:-1] + b',"quantity":-3}',
    lambda value: value.replace(b'"timestamp":', b'"timestamp":"yesterday at noon","was":'),
    lambda value: b"[" + value + b"]",
    lambda value: _BROKEN_CLOCK % (_BROKEN_CLOCK_MS + len(value)),
)
"""Each makes a record that no decoder should take out of a good one (the last may be taken, and then waits in vain for its time to come)."""


@dataclass(frozen=True, slots=True)
class Flaws:
    """What becomes of the n events of a day, row by row of what is sent: the n events themselves, the second copies, the spoiled copies.

    int64[n + copies] each: `event` is the index of the event sent, `delay_ms` how long it is on its way, `flaw` one of PLAIN, LATE,
    DUPLICATE, BAD, `spoiler` an index into SPOILERS (-1 where not BAD).
    """

    event: Ints
    delay_ms: Ints
    flaw: Ints
    spoiler: Ints


def draw_flaws(random: Generator, count: int) -> Flaws:
    """Choose what becomes of `count` events."""
    late = random.random(count) < _LATE_SHARE
    delay_ms = np.where(late, np.minimum(random.exponential(_LATE_MEAN_MS, count), _LATE_MOST_MS), 0.0)
    twice, bad = np.flatnonzero(random.random(count) < _DUPLICATE_SHARE), np.flatnonzero(random.random(count) < _BAD_SHARE)
    again_ms = delay_ms[twice] + random.exponential(_DUPLICATE_MEAN_MS, len(twice))
    return Flaws(
        event=np.concatenate([np.arange(count), twice, bad]),
        delay_ms=np.concatenate([delay_ms, again_ms, delay_ms[bad]]).astype(np.int64),
        flaw=np.concatenate([np.where(late, LATE, PLAIN), np.full(len(twice), DUPLICATE), np.full(len(bad), BAD)]),
        spoiler=np.concatenate([np.full(count + len(twice), -1), random.integers(len(SPOILERS), size=len(bad))]),
    )
