"""Writes plain data as YAML that a person can read: what is generated for programs that want YAML needs no library for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# What every reader of YAML 1.1 takes for a text, and for the same one, without quotes.
_PLAIN = re.compile(r"[A-Za-z_/][\w./ -]*(?:://[\w./-]+|:[\w./-]+)*")
_OTHER_MEANING = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|.*\s")


def yaml_text(value: Any, remark: str = "") -> str:
    """A YAML document: mappings, sequences, texts, numbers, truth values and None. Texts of several lines become literal blocks."""
    return "".join(f"# {line}\n" for line in remark.splitlines()) + "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(f"{_scalar(str(key))}:", inner, nested="  ")
    else:
        for item in value:
            inner = list(_lines(item)) if isinstance(item, Mapping) and item else None
            if inner:
                yield f"- {inner[0]}"
                yield from (f"  {line}" for line in inner[1:])
            else:
                yield from _entry("-", item, nested="  ")


def _entry(head: str, value: Any, nested: str) -> Iterator[str]:
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        if not value:
            yield f"{head} {'{}' if isinstance(value, Mapping) else '[]'}"
            return
        yield head
        yield from (f"{nested}{line}" for line in _lines(value))
    elif isinstance(value, str) and "\n" in value:
        yield f"{head} |" + ("" if value.endswith("\n") else "-")
        yield from (f"{nested}{line}".rstrip() for line in value.rstrip("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _OTHER_MEANING.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
