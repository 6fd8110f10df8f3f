"""Whether the process behind a member is still there, so that a killed one gives its partitions up at once.

A write-ahead log works only among processes of one running kernel, so a name made of the kernel's boot, the
namespace of process numbers, the number and the start time tells a process from every other that ever shares a file.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_UNKNOWN = ""


def own_name() -> str:
    """The name of this process, to be stored and later given to is_gone()."""
    return f"{_boot()} {_namespace()} {os.getpid()} {_start(os.getpid())}"


def is_gone(name: str) -> bool:
    """True only when it is certain that the process of this name has ended.

    False also for one that is stopped, hangs, or cannot be seen from here (another container, a system without
    /proc on which its number is in use again): those are given up when their lease ends.
    """
    boot, namespace, number, start = name.split(" ")
    if boot != _boot():
        return _UNKNOWN not in (boot, _boot())
    if namespace != _namespace():
        return False
    now = _start(int(number))
    if now != _UNKNOWN:
        return now != start
    return _number_is_free(int(number))


@cache
def _boot() -> str:
    return _text("/proc/sys/kernel/random/boot_id")


@cache
def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return _UNKNOWN


def _start(number: int) -> str:
    """Start time in clock ticks since boot; "ended" for a process that only waits for its parent to notice its death."""
    # the second field, the program's name in brackets, may itself hold spaces and brackets
    fields = _text(f"/proc/{number}/stat").rpartition(")")[2].split()
    if not fields:
        return _UNKNOWN
    return "ended" if fields[0] in "ZX" else fields[19]


def _number_is_free(number: int) -> bool:
    if os.name != "posix":
        return False  # elsewhere os.kill would end the process that it asks about
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return _UNKNOWN
