"""Who was erased, by all receipts that are on the log: for what reads old records again."""

from __future__ import annotations

from typing import ClassVar

from worker.core.privacy.erased_users import ErasedUsers, ReceiptRefused
from worker.errors import ClickscoreError
from worker.log.contract import Log
from worker.service.topics import place
from worker.settings import Settings


class ReceiptsNotOurs(ClickscoreError):
    """Receipts that were written with another key: whom they erase nobody could tell."""

    exit_code: ClassVar[int] = 78  # EX_CONFIG


def erased_by_receipts(log: Log, settings: Settings) -> ErasedUsers | None:
    """What all receipts erase; None where privacy.key is not set. Raises ReceiptsNotOurs."""
    if settings.privacy.key_bytes is None:
        return None
    erased, topic = ErasedUsers(settings.privacy.key_bytes), settings.topics.receipts
    for partition in range(log.partition_count(topic)):
        for record in log.read(topic, partition):
            try:
                if record.value is not None:
                    erased.take(record.value)
            except ReceiptRefused as error:
                todo = "set privacy.key to the one that the workers have"
                raise ReceiptsNotOurs(str(error), f"{place(settings)}, topic {topic}, partition {partition}, offset {record.offset}", todo) from None
    return erased
