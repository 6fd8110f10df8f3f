"""Starts `clickscore` processes quickly, run as a process of its own: python nursery.py.

Every line on stdin is a JSON list of arguments. For each it forks a process that does what `clickscore ARGUMENTS` does, and prints its process id;
the imports, which take seconds, are done once before. A line that holds a number waits for that process and prints how it ended,
as subprocess has it: its exit code, or minus the signal that killed it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn

from worker.__main__ import main
from worker.service import assembly


def become_clickscore(arguments: list[str]) -> NoReturn:
    sys.argv = ["clickscore", *arguments]
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # stdout belongs to the nursery's answers
    code = 70
    try:
        code = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    print(f"ready, {assembly.__name__} imported", flush=True)  # what `run` would import
    for line in sys.stdin:
        order = json.loads(line)
        if isinstance(order, int):
            _, status = os.waitpid(order, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            become_clickscore(order)
        print(child, flush=True)
