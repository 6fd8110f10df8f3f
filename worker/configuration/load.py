"""One Settings from everywhere: defaults < file < environment < flags. All that is wrong is said at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from worker.configuration.fields import Path
from worker.configuration.layers import CONFIG_VARIABLE, Layer, environment_layer, file_layer, flag_layer
from worker.configuration.problems import plan_refusals, refusals, type_refusals
from worker.errors import ConfigurationError
from worker.settings import Settings

DEFAULT_FILE = FilePath("clickscore.toml")


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and the layers that they came from, strongest first."""

    settings: Settings
    layers: tuple[Layer, ...]

    def origin(self, path: Path) -> str:
        """Say where the value at a path was written: file and line, variable, flag, or "default"."""
        return next((layer.origin(path) for layer in self.layers if path in dict(layer.leaves())), "default")


def load(
    config: FilePath | None = None,
    assignments: Sequence[str] = (),
    options: Mapping[str, tuple[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the configuration.

    config: the file of `--config`; without it CLICKSCORE_CONFIG names one, or clickscore.toml in the working directory is read if it exists.
    assignments: the texts of `--set KEY=VALUE`; a later one is stronger.
    options: flags that stand for one setting each, as {"--embedded": ("embedded.path", value)}; a value of None was not given.
    environ: the environment, by default that of the process.
    Raises ConfigurationError with every problem found.
    """
    environ = os.environ if environ is None else environ
    layers = (flag_layer(assignments, options or {}), environment_layer(environ), _file(config, environ))
    problems = [problem for layer in layers for problem in layer.problems]
    problems += type_refusals(_values_in_force(layers), _finder(layers))
    settings = None
    try:
        settings = Settings(_build_sources=(layers, {}))
    except ValidationError as error:
        problems += refusals(error.errors(include_url=False), _finder(layers))
    if settings is not None and (settings.segments or settings.triggers):
        problems += plan_refusals(settings, _finder(layers))
    if settings is None or problems:
        raise ConfigurationError(sorted(set(problems), key=lambda problem: _reading_order(problem.where)))
    return Loaded(settings, layers)


def _file(config: FilePath | None, environ: Mapping[str, str]) -> Layer:
    """Read the file that applies: the flag's, the environment's, the working directory's, or none."""
    if config is not None:
        return file_layer(config, "flag --config")
    if environ.get(CONFIG_VARIABLE):
        return file_layer(FilePath(environ[CONFIG_VARIABLE]), f"environment variable {CONFIG_VARIABLE}")
    return file_layer(DEFAULT_FILE) if DEFAULT_FILE.exists() else Layer("file")


def _values_in_force(layers: Sequence[Layer]) -> list[tuple[Path, Any, str]]:
    """Return each value that no stronger layer overrides, with its path and the kind of its layer."""
    strongest: dict[Path, tuple[Any, str]] = {}
    for layer in layers:
        for path, value in layer.leaves():
            strongest.setdefault(path, (value, layer.kind))
    return [(path, value, kind) for path, (value, kind) in strongest.items()]


def _finder(layers: Sequence[Layer]) -> Any:
    """Return a function that says where a path was written: the place of the value, else of the nearest table around it."""

    def where_is(path: Path) -> str:
        for end in range(len(path), 0, -1):
            for layer in layers:
                if path[:end] in layer.origins:
                    return layer.origins[path[:end]]
        return ""

    return where_is


def _reading_order(where: str) -> tuple[int, list[tuple[int, str]]]:
    """Sort places from weak to strong, and within a file as a person reads it, line 9 before line 10."""
    strength = 1 if where.startswith("environment") else 2 if where.startswith("flag") else 0
    return strength, [(int(word), "") if word.isdigit() else (-1, word) for word in where.replace(",", "").split(" ")]
