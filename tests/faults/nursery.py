"""Starts `clickscore` processes quickly, run as a process of its own: python nursery.py.

Every line on stdin is JSON. A list of arguments: it forks a process that does what `clickscore ARGUMENTS` does, and prints its process id; the
imports, which take seconds, are done once before. An object is such an order with more to it, see Order. A number waits for that process and
prints how it ended, as subprocess has it: its exit code, or minus the signal that killed it.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
from typing import NoReturn, TypedDict

from worker.__main__ import main
from worker.service import assembly


class Order(TypedDict, total=False):
    """A process that is started otherwise than a user would start it."""

    arguments: list[str]
    stderr: str  # a file to append to
    kafka: bool  # it works on Kafka: tests/faults/deaths.py is asked to prepare it
    plan: dict[str, str | int] | None  # when it is to die
    aging: bool  # idle partitions grow older, as they do in earnest
    patch: str  # "module:function" to call first


def become_clickscore(order: Order) -> NoReturn:
    """Never returns: the process ends with the command's exit code."""
    sys.argv = ["clickscore", *order["arguments"]]
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    if "stderr" in order:
        os.dup2(os.open(order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
    os.dup2(2, 1)  # stdout belongs to the nursery's answers
    faulthandler.register(signal.SIGUSR1)  # says where it hangs
    code = 70
    try:
        if order.get("kafka"):
            importlib.import_module("tests.faults.deaths").install(order.get("plan"), order.get("aging", False))
        if "patch" in order:
            module, _, function = order["patch"].partition(":")
            getattr(importlib.import_module(module), function)()
        code = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for name in sys.argv[1:]:  # what else the processes would import
        importlib.import_module(name)
    print(f"ready, {assembly.__name__} imported", flush=True)  # what `run` would import
    for line in sys.stdin:
        order = json.loads(line)
        if isinstance(order, int):
            _, status = os.waitpid(order, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            become_clickscore({"arguments": order} if isinstance(order, list) else order)
        print(child, flush=True)
