"""How often Python looks for cycles: turns make hundreds of thousands of small objects that die by themselves, and the default looks through all of them."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Leave what is loaded out of the search for cycles, and search rarely. Measured on the core alone: an eighth more events a second."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
