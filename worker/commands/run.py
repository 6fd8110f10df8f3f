"""`clickscore run`: scores and learns until it is told to stop."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.embedded import EmbeddedOption, PartitionsOption


def run(
    embedded: EmbeddedOption = None,
    roles: Annotated[str | None, typer.Option("--roles", metavar="ROLES", help="scorer, trainer, or both: scorer,trainer (the default).")] = None,
    metrics_port: Annotated[int | None, typer.Option("--metrics-port", metavar="N", help="Serve metrics on this port; 0 serves none.")] = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Score events as they come, and learn from their outcomes.

    Runs until SIGTERM or Ctrl-C, then finishes its turn, publishes what it has learned, and exits 0. Scores, models and dead letters go to the
    log; `clickscore tap`, `top` and `explain` read them while it runs. Several processes may share one log: give each a name of its own with
    --set service.member=NAME.
    """
    from worker.configuration import load
    from worker.service.assembly import run_service

    options: dict[str, tuple[str, Any]] = {
        "--embedded": ("embedded.path", embedded),
        "--roles": ("service.roles", _listed(roles)),
        "--metrics-port": ("service.metrics_port", metrics_port),
    }
    run_service(load(config, assignments or (), options).settings, partitions)


def _listed(roles: str | None) -> list[str] | None:
    return None if roles is None else [role.strip() for role in roles.split(",")]
