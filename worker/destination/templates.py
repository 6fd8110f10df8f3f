"""Templates: JSON in which texts name values. "$user_id" alone becomes the value as it is; "for ${user_id}" becomes text; "$$" is a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

_ALONE = re.compile(r"\$(?:([a-z_]+)|\{([a-z_]+)\})")
_WITHIN = re.compile(r"\$(?:(\$)|\{([a-z_]+)\}|([a-z_]+)|)")

Fill = Callable[[Mapping[str, Any]], Any]


def json_template(text: str, names: Collection[str]) -> Fill:
    """A template in JSON, ready to be filled with values by name. Raises ValueError for what is not JSON, or names something else than `names`."""
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the template is not JSON: {error}") from None
    return _compiled(tree, names)


def text_template(text: str, names: Collection[str]) -> Fill:
    """A template of one text, for a header. Raises ValueError as above."""
    return _text(text, names)


def _compiled(node: Any, names: Collection[str]) -> Fill:
    if isinstance(node, dict):
        keys = {_text(key, names): _compiled(item, names) for key, item in node.items()}
        return lambda values: {key(values): item(values) for key, item in keys.items()}
    if isinstance(node, list):
        items = [_compiled(item, names) for item in node]
        return lambda values: [item(values) for item in items]
    if isinstance(node, str):
        alone = _ALONE.fullmatch(node)
        if alone is None:
            return _text(node, names)
        name = _known(alone[1] or alone[2], names)
        return lambda values: values[name]
    return lambda _: node


def _text(text: str, names: Collection[str]) -> Fill:
    parts: list[tuple[str, str]] = []  # what stands before a name, and the name
    end, before = 0, ""
    for match in _WITHIN.finditer(text):
        before += text[end : match.start()]
        end = match.end()
        name = match[2] or match[3]
        if match[1]:
            before += "$"
        elif name:
            parts.append((before, _known(name, names)))
            before = ""
        else:
            raise ValueError(f"a dollar sign at the {match.start() + 1}. character of {text!r:.60} names nothing: write $$ for the sign itself")
    rest = before + text[end:]
    return lambda values: "".join(f"{before}{values[name]}" for before, name in parts) + rest


def _known(name: str, names: Collection[str]) -> str:
    if name not in names:
        raise ValueError(f"${name} is no value: a template may name {', '.join(sorted(names))}")
    return name
