"""What is said again and again is held back, and how often that was is said later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BURST, PER_S = 10, 60.0  # so many lines of one kind in so much time
KINDS_KEPT = 1_000
DISTINCT = ("partition", "target", "topic", "role", "during", "destination")  # facts that make two lines of one event different things

Kind = tuple[Any, ...]


@dataclass(slots=True)
class _Said:
    since_s: float
    lines: int = 0
    held_back: int = 0


class Repeats:
    """Lets the first BURST lines of a kind pass in each span of PER_S. Bounded: of too many kinds the oldest are forgotten."""

    def __init__(self) -> None:
        self._said: OrderedDict[Kind, _Said] = OrderedDict()

    def passes(self, level: str, event: str, facts: Mapping[str, Any], now_s: float) -> int | None:
        """How many of its kind were held back before this line; None where it is to be held back itself."""
        kind = (level, event, *(str(facts.get(name, "")) for name in DISTINCT))
        said = self._said.get(kind)
        before = 0
        if said is None or now_s - said.since_s >= PER_S:
            before = said.held_back if said else 0
            said = self._said[kind] = _Said(now_s)
            self._said.move_to_end(kind)
            while len(self._said) > KINDS_KEPT:
                self._said.popitem(last=False)
        said.lines += 1
        if said.lines <= BURST:
            return before
        said.held_back += 1
        return None

    def over(self, now_s: float, everything: bool = False) -> Iterator[tuple[str, str, int]]:
        """(level, event, lines held back) of each kind whose span is over and that nobody has spoken of since; of all kinds at the end."""
        for kind in [kind for kind, said in self._said.items() if everything or now_s - said.since_s >= PER_S]:
            said = self._said.pop(kind)
            if said.held_back:
                yield kind[0], kind[1], said.held_back
