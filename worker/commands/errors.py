"""How a command ends: exit codes, and errors on stderr as what, where, what to do. No traceback unless CLICKSCORE_TRACEBACK=1.

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration, 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable

from worker.errors import ClickscoreError, Problem

FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_ADVICE = {
    errno.ENOENT: "check the path",
    errno.EACCES: "check who may read and write it",
    errno.EPERM: "check who may read and write it",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EROFS: "name a place that can be written",
    errno.EADDRINUSE: "stop what listens there, or choose another port",
}


def guarded(command: Callable[[], None]) -> int:
    """Run a command, show whatever it raises, and return the exit code of the process."""
    try:
        code = _exit_code(command)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output (head, a pager) has gone. Python flushes once more at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _exit_code(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED if end.code else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except ClickscoreError as error:
        _show(error, error.problems)
        return error.exit_code
    except OSError as error:
        what = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "run it again with CLICKSCORE_TRACEBACK=1 to see where it came from")
        _show(error, [Problem(what[:1].lower() + what[1:], str(error.filename or ""), advice)])
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last guard: whatever it is, a person gets words and a code
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(os.path.dirname(place.filename))}/{os.path.basename(place.filename)}, line {place.lineno}"  # noqa: PTH119,PTH120
        what = f"unexpected {type(error).__name__}" + ("" if isinstance(error, KeyError) else f": {error}")  # a key may be a user's id
        _show(error, [Problem(what, where, "this is a fault of clickscore: run it again with CLICKSCORE_TRACEBACK=1 and report what it prints")])
        return FAILED
    return 0


def _show(error: BaseException, problems: tuple[Problem, ...] | list[Problem]) -> None:
    if os.environ.get("CLICKSCORE_TRACEBACK") == "1":
        traceback.print_exception(error)
    for problem in problems:
        print(f"Error: {problem}", file=sys.stderr)
