"""Kafka's error codes as the log's errors: one table for both clients, for the broker's codes are the same whichever client receives them.

Source: the protocol's error codes, org.apache.kafka.common.protocol.Errors, Kafka 4.1.
"""

from __future__ import annotations

from worker.log.errors import (
    Fenced,
    LogCorrupt,
    LogError,
    LogUnavailable,
    LogUnusable,
    MemberReplaced,
    OffsetOutOfRange,
    RecordRefused,
    UnknownTopic,
)


class LoginRefused(LogUnusable):
    """The cluster does not accept who we say we are."""


class NotAllowed(LogUnusable):
    """The cluster knows us, and does not allow what was asked."""


class ClusterTooOld(LogUnusable):
    """The cluster's brokers do not speak a version of the protocol that is needed."""


POLL_AGAIN = "abort the turn and poll; nothing of it was published"

_TABLE: dict[int, tuple[type[LogError], str, str]] = {
    1: (OffsetOutOfRange, "the position is not within the partition any more", ""),
    2: (LogCorrupt, "the broker holds a damaged record there", "find the record with kafka-dump-log, and mend or skip it"),
    3: (UnknownTopic, "there is no such topic or partition", "create the topics: clickscore topics create"),
    10: (RecordRefused, "a record is larger than the topic takes", "raise max.message.bytes of the topic: clickscore topics check says how"),
    18: (RecordRefused, "a batch of records is larger than the topic takes", "raise max.message.bytes of the topic: clickscore topics check says how"),
    22: (Fenced, "the group has gone on to a later generation", POLL_AGAIN),
    25: (Fenced, "the group does not know this member any more", POLL_AGAIN),
    26: (
        LogUnusable,
        "the session timeout is not one that the brokers allow",
        "set kafka.session_timeout within group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers",
    ),
    27: (Fenced, "the group is sharing out its partitions anew", POLL_AGAIN),
    29: (NotAllowed, "not allowed on this topic", "allow Read, Write and Describe on the topics of clickscore to this user (kafka-acls)"),
    30: (NotAllowed, "not allowed on this consumer group", "allow Read on the group to this user (kafka-acls)"),
    31: (NotAllowed, "not allowed on the cluster", "allow IdempotentWrite, and Create for `topics create`, to this user (kafka-acls)"),
    33: (LoginRefused, "the broker does not offer this SASL mechanism", "set kafka.sasl_mechanism to one that it offers"),
    34: (LoginRefused, "the login went out of step", "set kafka.security_protocol and kafka.sasl_mechanism as the broker's listener has them"),
    35: (ClusterTooOld, "the broker is too old for what was asked", "use brokers of Kafka 2.7 or newer"),
    53: (NotAllowed, "not allowed to use this transactional id", "allow Write and Describe on transactional ids with the group's name as prefix (kafka-acls)"),
    58: (LoginRefused, "the broker refused the user name or the password", "check kafka.sasl_username and kafka.sasl_password"),
    82: (MemberReplaced, "another process runs under the same member name", "give every worker a name of its own (--member)"),
    87: (RecordRefused, "the broker refused a record as invalid", "a compacted topic takes records with keys only"),
}


def failure(code: int | None, text: str, where: str) -> LogError:
    """The log's error for a protocol error code; `text` is the client's own words. Codes not named here are passing troubles, as is None."""
    kind, what, todo = _TABLE.get(code if code is not None else -1, (LogUnavailable, "", ""))
    return kind(f"{what} ({text})" if what else text, where, todo)
