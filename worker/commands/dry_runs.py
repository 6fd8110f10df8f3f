"""What the dry runs of segments and triggers share: a plan there must be, and files that are read turn by turn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.core.pipeline import Turn
    from worker.service.reprocessing.dry_run import DryRun
    from worker.settings import Settings


def planned(settings: Settings, table: str) -> DryRun:
    """A dry run of what is configured. Raises ConfigurationError where nothing is in `table`, "segments" or "triggers"."""
    from worker.service.reprocessing.dry_run import DryRun

    require(settings, table)
    assert settings.plan is not None, "what is configured makes a plan"
    return DryRun(settings.core, settings.plan)


def require(settings: Settings, table: str) -> None:
    """Raise ConfigurationError where nothing is configured in `table`."""
    from worker.errors import ConfigurationError, Problem

    if not (settings.plan and (settings.plan.segments if table == "segments" else settings.plan.rules)):
        raise ConfigurationError([Problem(f"no {table} are configured", f"[{table}.NAME]", "docs/action.md shows how; name the file with --config")])


def dry_run(run: DryRun, settings: Settings, files: Sequence[Path]) -> Iterator[Turn]:
    """Take the files in order; gives every turn."""
    from worker.files import open_events
    from worker.service.memory import collect_rarely
    from worker.views.file_progress import FileProgress

    collect_rarely()
    for file in files:
        with open_events(file) as events, FileProgress(f"reading {file.name}", events) as progress:
            before, lines = run.replay.read, events.lines()
            while batch := list(itertools.islice(lines, settings.service.turn_events)):
                yield run.take(batch)
                progress.show(run.replay.read - before)
    yield run.finish()
