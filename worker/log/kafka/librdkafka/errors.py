"""librdkafka's errors as the log's errors. Codes above zero are the broker's and go through failures.py; those below are librdkafka's own.

Source: enum rd_kafka_resp_err_t of rdkafka.h, librdkafka 2.16.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from worker.log.errors import LogError, LogUnavailable, LogUnusable
from worker.log.kafka.failures import failure
from worker.log.kafka.librdkafka.settings import PROBE, Settings, Tokens

C = TypeVar("C")

TLS_REMEDY = "check kafka.tls_ca_file, tls_certificate_file, tls_key_file and tls_check_hostname"

# librdkafka's own codes that mean the same as one of the broker's.
_SAME_AS = {
    KafkaError._AUTO_OFFSET_RESET: KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._BAD_MSG: KafkaError.INVALID_MSG,
    KafkaError._BAD_COMPRESSION: KafkaError.INVALID_MSG,
    KafkaError._UNKNOWN_TOPIC: KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION: KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._AUTHENTICATION: KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._UNSUPPORTED_FEATURE: KafkaError.UNSUPPORTED_VERSION,
}
# What librdkafka says where a connection broke in the middle of a login or a handshake: that passes, unlike a refusal.
_BROKEN_CONNECTION = ("Local: ", "isconnected", "onnection reset", "Broken pipe")
# A broker's refusal of our certificate, or of its absence, comes as an alert (RFC 8446, section 6.2), after the handshake in TLS 1.3.
_CERTIFICATE_ALERT = re.compile(r"SSL alert number (40|4[2-9]|116)\b")
_FENCED_INSTANCE = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_WRONG_MECHANISM = KafkaError(KafkaError.UNSUPPORTED_SASL_MECHANISM).str()


def log_error(error: KafkaError, where: str) -> LogError:
    """The log's error for one of librdkafka's."""
    code, text = error.code(), " ".join(error.str().split())
    if code >= 0:
        return failure(code, text, where)
    if code == KafkaError._FATAL and _FENCED_INSTANCE in text:  # the code itself is not passed on to Python
        return failure(KafkaError.FENCED_INSTANCE_ID, text, where)
    if code in (KafkaError._AUTHENTICATION, KafkaError._SSL) and any(words in text for words in _BROKEN_CONNECTION):
        return LogUnavailable(text, where)
    if code == KafkaError._AUTHENTICATION and _WRONG_MECHANISM in text:
        return failure(KafkaError.UNSUPPORTED_SASL_MECHANISM, text, where)
    if code == KafkaError._SSL or _CERTIFICATE_ALERT.search(text):
        return LogUnusable(f"the TLS connection was refused ({text})", where, TLS_REMEDY)
    return failure(_SAME_AS.get(code), text, where)


def cause(exception: BaseException) -> KafkaError:
    """What a KafkaException carries.

    confluent-kafka raises fatal errors from within a callback, and then calls the next one all the same: Python makes a SystemError of that.
    """
    found: BaseException | None = exception
    while found is not None:
        if isinstance(found, KafkaException) and isinstance(found.args[0], KafkaError):
            return found.args[0]
        found = found.__cause__ or found.__context__
    return KafkaError(KafkaError._FAIL, str(exception))


class Troubles:
    """What librdkafka's threads meet in the background, kept for the next call of ours: librdkafka's own calls say only that time ran out.

    An instance is the client's error_cb. It runs inside of calls to librdkafka, and must not raise.
    """

    def __init__(self, where: str, tokens: Tokens | None = None) -> None:
        self.where = where
        self._tokens = tokens
        self._last = ""
        self._serious: LogUnusable | None = None

    def __call__(self, error: KafkaError) -> None:
        """Note one error."""
        no_token = self._tokens.failed if self._tokens is not None and error.code() == KafkaError._AUTHENTICATION else None
        found = no_token or log_error(error, self.where)
        if isinstance(found, LogUnusable):
            self._serious = found
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._last:  # that one follows the error that says why
            self._last = found.problems[0].what

    @property
    def any(self) -> bool:
        """Whether there was any at all."""
        return bool(self._last)

    def raise_serious(self) -> None:
        """Raise what no retry helps, such as a refused login, if there was any since the last call."""
        serious, self._serious = self._serious, None
        if serious is not None:
            raise serious

    def explained(self, error: KafkaError, doing: str) -> LogError:
        """The error of a call that failed while `doing`, with the trouble in the background that explains it, if it does not say itself."""
        found = log_error(error, self.where)
        if not isinstance(found, LogUnavailable):
            return found
        if self._serious is not None:
            serious, self._serious = self._serious, None
            return serious
        reason = found.problems[0].what
        return LogUnavailable(f"{doing}: {reason}" + (f" ({self._last})" if self._last and self._last != reason else ""), self.where)


def made(kind: Callable[[Settings], C], settings: Settings, troubles: Troubles) -> C:
    """A client of confluent-kafka, whose background errors go to `troubles`. Raises LogUnusable for settings that cannot be."""
    files = [str(value) for name, value in settings.items() if name.endswith(".location") and value != PROBE]
    for file in files:  # of one that is not there, librdkafka says only that the X.509 routines have failed
        try:
            Path(file).open("rb").close()
        except OSError as unread:
            raise LogUnusable(f"a TLS file cannot be read: {unread.strerror}", file, TLS_REMEDY) from None
    try:
        return kind(settings | {"error_cb": troubles})
    except KafkaException as exception:
        error = cause(exception)
        if error.code() != KafkaError._INVALID_ARG:
            raise troubles.explained(error, "starting the client") from None
        text = " ".join(error.str().split())
        where = ", ".join([troubles.where, *files])
        raise LogUnusable(f"the Kafka client refused its settings: {text}", where, TLS_REMEDY if files else "check the kafka settings") from None
