"""Keeps a broker for as long as its starter lives; run as a process of its own: python keeper.py ENGINE CONTAINER COMMAND….

It starts COMMAND, and prints its process id. Every line on stdin is a signal's number that it passes on, and answers with "sent". When stdin ends or
the starter is gone, however it died, it kills the broker with SIGKILL. It ends when the broker does, with the broker's exit code.

A pipe and the parent's id tell it, and not PR_SET_PDEATHSIG: that exists on Linux only, and fires already when the thread that started the child ends.
ENGINE and CONTAINER are empty for a plain process. In a container the broker is not our child, so its signals go through the engine.
This file imports nothing of the project, so that it starts at once.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

LOOK_EVERY_S, END_WITHIN_S = 0.2, 10.0


def keep(engine: str, container: str, command: list[str]) -> int:
    """Run the command as the module's docstring says; returns its exit code, 128 + the signal that killed it."""

    def send(number: int) -> None:
        if container:
            subprocess.run([engine, "kill", "--signal", str(number), container], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            broker.send_signal(number)  # only while it was not waited for: its id cannot be another's

    starter = os.getppid()
    broker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    answer(broker.pid)
    orders = b""
    while broker.poll() is None:
        asked = bool(select.select([0], [], [], LOOK_EVERY_S)[0])
        order = os.read(0, 1 << 10) if asked else b""
        if (asked and not order) or os.getppid() != starter:
            send(signal.SIGKILL)
            break
        *lines, orders = (orders + order).split(b"\n")
        for line in lines:
            send(int(line))
            answer("sent")
    try:
        code = broker.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:  # the engine did not do it
        broker.kill()
        code = broker.wait()
    return code if code >= 0 else 128 - code


def answer(what: object) -> None:
    """A line to the starter, who may be gone."""
    with suppress(BrokenPipeError):
        os.write(1, f"{what}\n".encode())


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1], sys.argv[2], sys.argv[3:]))
