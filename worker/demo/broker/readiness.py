"""Whether a broker answers: one metadata request over a plain socket, so that it needs no client library and none of its retries."""

from __future__ import annotations

import socket
import struct

METADATA, VERSION, CORRELATION = 3, 1, 1
ANSWER_BYTES = 1 << 20  # more than any cluster of a demo says of itself


def has_controller(host: str, port: int, timeout_s: float) -> bool:
    """Whether the broker at this PLAINTEXT address knows of a controller and of a live broker, within timeout_s for each step.

    The port is open long before: a broker that was just started takes connections while it still reads its own metadata.
    Source: Kafka protocol guide, Metadata request and response, version 1.
    """
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.sendall(_request())
            (size,) = struct.unpack(">i", _read(connection, 4))
            if not 0 < size <= ANSWER_BYTES:
                return False
            return _knows_controller(_read(connection, size))
    except (OSError, EOFError, struct.error):
        return False


def _request() -> bytes:
    client = b"clickscore"
    # An empty list of topics asks for the cluster alone.
    body = struct.pack(">hhih", METADATA, VERSION, CORRELATION, len(client)) + client + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


def _knows_controller(answer: bytes) -> bool:
    correlation, brokers = struct.unpack_from(">ii", answer)
    at = 8
    for _ in range(brokers):
        at += 4  # the broker's id
        at = _behind_text(answer, at) + 4  # its host and port
        at = _behind_text(answer, at)  # its rack
    (controller,) = struct.unpack_from(">i", answer, at)
    return bool(correlation == CORRELATION and brokers > 0 and controller >= 0)


def _behind_text(answer: bytes, at: int) -> int:
    (length,) = struct.unpack_from(">h", answer, at)
    return at + 2 + max(0, int(length))


def _read(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = connection.recv(size - len(read))
        if not part:
            raise EOFError
        read += part
    return read
