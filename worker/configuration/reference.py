"""The settings class described: the JSON Schema for editors, and the page docs/configuration.md for people. Neither is written by hand.

`python -m worker.configuration.reference` prints the page; `make docs` puts it in its place.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from worker.configuration.fields import ANY_NAME, Leaf, default_of, environment_name, is_section, keys_of, leaf_at, named_section, plain
from worker.configuration.writing import toml_value
from worker.core.events.names import EVENT_NAMES
from worker.core.settings import TargetSettings, default_targets
from worker.settings import Settings

_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text"}
_LIMITS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}

_NAMED = "Any number of them, each under a name of its own, which stands for NAME in a variable too; what they are for is on [{page}]({file})."
_PAGES = {"destinations": ("Delivery", "delivery.md")}

_HEAD = """\
# Configuration

*This page is generated from the settings class by `make docs`; change the class, not the page.*

Everything has a default: without any configuration clickscore runs as it was judged. A value is taken from the strongest place that gives it:

| strength | place | example |
| --- | --- | --- |
| 1 | default | |
| 2 | a TOML file: the one of `--config` or `CLICKSCORE_CONFIG`, else `./clickscore.toml` | `[targets.purchase]`<br>`horizon = "14 d"` |
| 3 | environment: `CLICKSCORE_`, the section, `__`, the key; an empty variable counts as unset | `CLICKSCORE_TARGETS__PURCHASE__HORIZON="14 d"` |
| 4 | flags of a command: `--set` as often as needed, and flags that stand for one setting | `--set targets.purchase.horizon="14 d"` |

A file holds only what differs:

```toml
reasons = 5

[events.names]
kauf = "purchase"

[targets.purchase]     # a default target keeps what its table does not name
horizon = "14 d"

[targets.cart]         # a new name adds a target
outcome = "add_to_cart"
horizon = "1 h"

[targets.churn]
enabled = false        # removes a default target

[segments.regulars]    # a group of users
when = "purchases >= 3 && days_since_seen < 30.0"

[triggers.hurry]       # makes a trigger when a user crosses the line
when = "segments.regulars && purchase.p > 0.2"
stay = "purchase.p > 0.1"
```

Three commands help:

```sh
clickscore config show --set targets.purchase.horizon="14 d"
clickscore config check
clickscore config schema
```

`show` prints the values in force and where each was written, on a terminal as a table, elsewhere as a file that reads back to the same settings.
`check FILE` reads one file and nothing else; without a file it checks what a command started here would read. `schema` prints a JSON Schema for editors.
What is wrong is refused before anything starts, all of it at once, with file, line and a suggestion; the exit code is then 78.

A duration is text with a unit: `ms`, `s`, `min`, `h` or `d`. In the environment and after `--set`, lists and tables are written as in TOML
(`--set silence.marks='["1 h", "1 d"]'`). Keys are the same everywhere; a variable is written in capitals and read as small letters.
"""


def page() -> str:
    """Write docs/configuration.md: one table per section, in the order of the class."""
    parts = [_HEAD, _section_part("The top", "These keys stand above the first section of a file.", Settings, ())]
    for key, (_, field) in keys_of(Settings).items():
        if key == "targets":
            parts.append(_targets_part())
        elif named := named_section(field.annotation):
            page_name, file = _PAGES.get(key, ("Action", "action.md"))
            parts.append(_section_part(f"[{key}.{ANY_NAME}]", f"{named.__doc__} {_NAMED.format(page=page_name, file=file)}", named, (key, ANY_NAME)))
        elif is_section(field.annotation):
            parts.append(_section_part(f"[{key}]", field.annotation.__doc__ or "", field.annotation, (key,)))
    parts.append("## Event names\n\n" + ", ".join(f"`{name}`" for name in EVENT_NAMES) + ".\n")
    return "\n".join(parts)


def json_schema() -> dict[str, Any]:
    """Describe a configuration file as JSON Schema 2020-12, in the keys and units of a file."""
    schema = Settings.model_json_schema(by_alias=True)
    _tidy(schema)
    target = schema["$defs"]["TargetSettings"]
    partial = {key: value for key, value in target.items() if key != "required"} | {"description": "A default target; it keeps what is not named."}
    schema["$defs"]["DefaultTargetSettings"] = partial
    targets = schema["properties"]["targets"]
    targets["properties"] = {name: {"$ref": "#/$defs/DefaultTargetSettings"} for name in default_targets()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "clickscore.toml"}


def _tidy(node: Any) -> None:
    """Drop what pydantic derives from Python: titles, bounds in milliseconds, defaults of whole sections and annotations of targets' names."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    for word in ("title", "gt", "propertyNames"):
        if not isinstance(node.get(word), dict) or word == "propertyNames":
            node.pop(word, None)
    if "$ref" in node or isinstance(node.get("default"), dict):
        node.pop("default", None)
    for item in node.values():
        _tidy(item)


def _section_part(title: str, meaning: str, section: type[BaseModel], prefix: tuple[str, ...]) -> str:
    lines = [f"## {title}", "", meaning.strip(), "", "| key | type | default | meaning | variable |", "| --- | --- | --- | --- | --- |"]
    for key, (name, field) in keys_of(section).items():
        if is_section(field.annotation) or named_section(field.annotation):
            continue
        leaf = Leaf((*prefix, key), section, name, field)
        default = "must be given" if field.is_required() else f"`{toml_value(default_of(leaf))}`"
        lines.append(_row(f"`{key}`", _type(name, field), default, field.description, f"`{environment_name(leaf.path)}`"))
    return "\n".join(lines) + "\n"


def _targets_part() -> str:
    names = list(default_targets())
    lines = [
        "## [targets.NAME]",
        "",
        (TargetSettings.__doc__ or "").strip(),
        "",
        f"The default targets are {', '.join(f'`{name}`' for name in names)}; the last column has their defaults where they differ from those of a new target.",
        f"A variable is named after target and key: `{environment_name(('targets', 'purchase', 'horizon'))}`.",
        "",
        "| key | type | default of a new target | meaning | default targets |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key, (name, field) in keys_of(TargetSettings).items():
        new = default_of(Leaf(("targets", "new", key), TargetSettings, name, field))
        shown = "must be given" if new is None else f"`{toml_value(new)}`"
        lines.append(_row(f"`{key}`", _type(name, field), shown, field.description, ", ".join(_differing(names, key, new))))
    return "\n".join(lines) + "\n"


def _differing(names: list[str], key: str, new: Any) -> Iterator[str]:
    """Yield what the default targets have at a key, where a new target has something else."""
    for target in names:
        leaf = leaf_at(("targets", target, key))
        value = None if leaf is None else default_of(leaf)
        if value != new:
            yield f"{target} `{toml_value(value)}`"


def _row(*cells: str | None) -> str:
    return "| " + " | ".join((cell or "").replace("|", "\\|") for cell in cells) + " |"


def _type(name: str, field: FieldInfo) -> str:
    """Name a field's type and its limits in a reader's words."""
    limits = [f"{sign} {getattr(item, word)}" for item in field.metadata for word, sign in _LIMITS.items() if getattr(item, word, None) is not None]
    text = _type_name(field.annotation, name.endswith("_ms"))
    if name.endswith("_ms"):
        limits = ["> 0"] if limits else []
    return f"{text}, {', '.join(limits)}" if limits else text


def _type_name(annotation: Any, duration: bool) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f"`{toml_value(choice)}`" for choice in arguments)
    if origin is tuple:
        inner = plain(arguments[0])
        return "list of pairs of text" if get_origin(inner) is tuple else f"list, each {_type_name(inner, duration)}"
    if origin is dict:
        return "table of text"
    return "duration" if duration else _NAMES[annotation]


if __name__ == "__main__":
    sys.stdout.write(page())
