"""Every error of the log, in terms of what the caller can do about it.

Four answers are possible, and each has its class: try the same call again later (LogUnavailable), give up the turn
and poll (Fenced), let a person act on the file (LogUnusable), or mend the call or the configuration (the rest).
"""

from __future__ import annotations

from typing import ClassVar

from worker.errors import ClickscoreError


class LogError(ClickscoreError):
    """Base of all errors of the log."""


class LogUnavailable(LogError):
    """A passing trouble. Nothing was written, nothing was forgotten: the same call may be made again once it is over."""


class LogLocked(LogUnavailable):
    """Another process held the log's write lock for longer than the lock timeout."""


class LogFull(LogUnavailable):
    """There is no room left: the disk is full, or the log has reached its size limit."""


class LogUnusable(LogError):
    """The log cannot be used as it is; no retry helps, a person must act."""

    exit_code: ClassVar[int] = 78  # EX_CONFIG: a supervisor need not restart what cannot start


class LogMissing(LogUnusable):
    """There is no log at that place, or the place cannot be reached."""


class NotALog(LogUnusable):
    """Something else than a log lives there. It was not touched."""


class LayoutTooNew(LogUnusable):
    """The log was written by a newer version of the program. It was not touched."""


class LogCorrupt(LogUnusable):
    """The stored bytes are damaged."""


class Fenced(LogError):
    """Another member owns the input of this turn by now; nothing of the turn was published. Call abort(), then poll()."""


class MemberReplaced(Fenced):
    """Another process runs under the same member name in the same group. This one must stop: no later call succeeds."""


class UnknownTopic(LogError):
    """The topic does not exist."""

    exit_code: ClassVar[int] = 78


class TopicMismatch(LogError):
    """The topic exists with another number of partitions or another cleanup policy than asked for."""

    exit_code: ClassVar[int] = 78


class RecordRefused(LogError):
    """A message that this topic cannot take: no key in a compacted topic, a partition that is not there, too large."""


class OffsetOutOfRange(LogError):
    """The group's position has fallen off the topic's retention: records were removed before the group had read them."""
