"""The keys that exist: the settings class seen as a tree of sections and values, walked by path."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypeGuard, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from worker.core.settings import Section, default_targets
from worker.settings import Settings, file_form

ENVIRONMENT_PREFIX = "CLICKSCORE_"
HIDDEN = "(hidden)"  # what is shown of a secret
ANY_NAME = "NAME"  # in the path of a value of tables whose names are the user's
Path = tuple[str, ...]


class Leaf(NamedTuple):
    """One value that can be set. `section` is the class that declares it as `name`; its key in a file is `path[-1]`."""

    path: Path
    section: type[BaseModel]
    name: str
    field: FieldInfo


def environment_name(path: Path) -> str:
    """Name the variable that sets a path: ("silence", "share") -> CLICKSCORE_SILENCE__SHARE."""
    return ENVIRONMENT_PREFIX + "__".join(path).upper()


def keys_of(section: type[BaseModel]) -> dict[str, tuple[str, FieldInfo]]:
    """Map the keys of a table, as a file writes them, to the name and definition of their fields."""
    return {field.alias or name: (name, field) for name, field in section.model_fields.items()}


def annotation_at(path: Path) -> Any:
    """Return the type of what a path leads to (a section's class, or the type of a value), None where it leads nowhere."""
    annotation: Any = Settings
    for key in path:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if is_section(annotation):
            annotation = keys_of(annotation)[key][1].annotation if key in keys_of(annotation) else None
        elif origin is dict:
            annotation = arguments[1]
        elif origin is tuple and key.isdigit():
            annotation = arguments[min(int(key), len(arguments) - 1)] if arguments[-1] is not ... else arguments[0]
        else:
            return None
        annotation = plain(annotation)
    return annotation


def plain(annotation: Any) -> Any:
    """Return a type without its annotations: Annotated[str, …] -> str."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def leaf_at(path: Path) -> Leaf | None:
    """Return the field that a path leads to, None where it is no field of a section."""
    section = annotation_at(path[:-1])
    if not path or not is_section(section) or path[-1] not in keys_of(section):
        return None
    name, field = keys_of(section)[path[-1]]
    return Leaf(path, section, name, field)


def is_secret(path: Path) -> bool:
    """Tell whether the value at a path must not be shown."""
    leaf = leaf_at(path)
    extra = leaf.field.json_schema_extra if leaf else None
    return isinstance(extra, dict) and bool(extra.get("secret"))


def leaves() -> Iterator[Leaf]:
    """Yield every value that can be set, the default targets' included, in the order of the class; ANY_NAME stands for a name of the user's."""
    yield from _leaves(Settings, ())


def default_of(leaf: Leaf) -> Any:
    """Return the default of a value as a file would write it, None where it must be given."""
    default: Any = _defaults()
    for key in leaf.path:
        if not isinstance(default, dict) or key not in default:
            default = None if leaf.field.is_required() else leaf.field.get_default(call_default_factory=True)
            return list(default) if isinstance(default, tuple) else default
        default = default[key]
    return default


@functools.cache
def _defaults() -> dict[str, Any]:
    return file_form(Settings())


def _leaves(section: type[BaseModel], prefix: Path) -> Iterator[Leaf]:
    for key, (name, field) in keys_of(section).items():
        path = (*prefix, key)
        if named := named_section(field.annotation):
            for table in default_targets() if path == ("targets",) else (ANY_NAME,):
                yield from _leaves(named, (*path, table))
        elif is_section(field.annotation):
            yield from _leaves(field.annotation, path)
        else:
            yield Leaf(path, section, name, field)


def named_section(annotation: Any) -> type[Section] | None:
    """Return the class of the tables in a table of tables such as [targets.NAME], None for any other type."""
    inner = plain(get_args(annotation)[1]) if get_origin(annotation) is dict else None
    return inner if is_section(inner) else None


def is_section(annotation: Any) -> TypeGuard[type[Section]]:
    """Tell whether a type is a table of the configuration."""
    return isinstance(annotation, type) and issubclass(annotation, Section)
