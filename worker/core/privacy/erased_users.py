"""What is of erased users, by the receipts of their erasure (schemas/receipt.schema.json).

A receipt erases its pseudonym's events of its partition of the input, at offsets below its `until`, and the examples whose decision came from them; a
decision in silence counts with the offset of the user's last event. Later events of the same user are nobody's erasure: they came after it.
"""

from __future__ import annotations

import orjson

from worker.core.labels.examples import Example
from worker.core.labels.tallies import Tally
from worker.core.privacy.receipts import Receipts

CLOCKS_MS = 60_000


class ReceiptRefused(ValueError):
    """A record that is no receipt of ours; the text says why."""


class ErasedUsers:
    """What the receipts taken so far erase. The order in which they are taken does not matter, nor does one that is taken twice."""

    def __init__(self, key: bytes) -> None:
        """`key`: privacy.key. Raises ValueError for one that could be guessed."""
        self._receipts = Receipts(key)
        self._until: dict[tuple[str, int], int] = {}  # by pseudonym and partition of the input
        self._done_ms: dict[str, int] = {}  # by pseudonym: when it was erased last

    def __len__(self) -> int:
        """How many users were erased."""
        return len(self._done_ms)

    def take(self, value: bytes) -> None:
        """Read a receipt; raises ReceiptRefused where it was not written with the key."""
        if not self._receipts.holds(value):
            raise ReceiptRefused("its signature does not hold: it was written with another privacy.key, or changed since")
        record = orjson.loads(value)
        if record["until"] > 0:
            whose = (record["user"], record["partition"])
            self._until[whose] = max(record["until"], self._until.get(whose, 0))
            self._done_ms[record["user"]] = max(record["done_ms"], self._done_ms.get(record["user"], 0))

    def has_example(self, example: Example | Tally) -> bool:
        """Whether nothing is to be learned from this example any more."""
        return not isinstance(example, Tally) and example.user in self._done_ms and self._has(example.user, *example.origin)

    def has_event(self, user_id: str, partition: int, offset: int) -> bool:
        """Whether the event at this place of the input, if it is this user's, was erased with the user."""
        return self._has(self._receipts.pseudonym(user_id), partition, offset)

    def has_record(self, user_id: str, written_ms: int) -> bool:
        """Whether a record about a user, written at that time, is of the user as erased; machines' clocks may differ by CLOCKS_MS."""
        done_ms = self._done_ms.get(self._receipts.pseudonym(user_id))
        return done_ms is not None and written_ms <= done_ms + CLOCKS_MS

    def _has(self, user: str, partition: int, offset: int) -> bool:
        return offset < self._until.get((user, partition), 0)
