"""Dead letters of deliveries: the trigger as it was, with headers that say which destination did not get it and why."""

from __future__ import annotations

from worker.core.events.deadletters import dead_letter, named
from worker.delivery.reading.queue import Job
from worker.log.contract import Message

DESTINATION = "clickscore.destination"
REASONS = {
    "refused": "delivery_refused",
    "expired": "delivery_expired",
    "failed": "delivery_failed",
    "unreadable": "trigger_unreadable",
}
MEANINGS = {
    "delivery_refused": "The destination refused the trigger for good, with a status of 400 to 499.",
    "delivery_expired": "The trigger was not worth sending any more before the destination took it.",
    "delivery_failed": "All tries for this trigger failed, while the destination took others.",
    "trigger_unreadable": "The record is no trigger that this version can read.",
}


def tells(job: Job) -> bool:
    """Whether a dead letter says what became of a decided job: not of what was delivered, and of nobody who was erased."""
    return job.fate != "delivered" and not job.erased


def letter_of(job: Job, destination: str, *, under_own_key: bool = False) -> Message:
    """The dead letter of a job that tells of one, for the partition that its trigger came from; a compacted topic needs it under a key of its own."""
    record = job.record
    kept = [(name, content) for name, content in record.headers if name != DESTINATION]
    letter = dead_letter(record.value, record.key, record.topic, record.partition, record.offset, REASONS[job.fate], job.detail, kept)
    if under_own_key:
        letter = named(letter, destination)
    return Message(letter.value, letter.key, (*letter.headers, (DESTINATION, destination.encode())), record.partition)
