"""`clickscore run`: scores and learns until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, PartitionsOption, log_flags

if TYPE_CHECKING:
    from worker.service.assembly import Deliver
    from worker.settings import Settings


def run(
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    member: Annotated[
        str | None,
        typer.Option("--member", metavar="NAME", help="Name of this worker, the same after a restart: it keeps its partitions by it; else the host's."),
    ] = None,
    roles: Annotated[str | None, typer.Option("--roles", metavar="ROLES", help="scorer, trainer, deliver, or several: scorer,trainer (the default).")] = None,
    endpoint_port: Annotated[
        int | None, typer.Option("--endpoint-port", metavar="N", help="Serve the page, metrics and probes on this port; 0 serves nothing.")
    ] = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Score events as they come, and learn from their outcomes; with the role deliver, send triggers to destinations.

    Runs until SIGTERM or Ctrl-C, then finishes its turn, publishes what it has learned, and exits 0. Scores, models and dead letters go to the
    log; `clickscore tap`, `top` and `explain` read them while it runs. Several processes may share one log: give each a --member name of its own.
    """
    from worker.configuration import load
    from worker.endpoints.endpoint import open_endpoint
    from worker.log.errors import LogUnavailable
    from worker.service.assembly import run_service
    from worker.settings import duration_text

    options: dict[str, tuple[str, Any]] = {
        **log_flags(embedded, bootstrap),
        "--member": ("service.member", member),
        "--roles": ("service.roles", _listed(roles)),
        "--endpoint-port": ("endpoint.port", endpoint_port),
    }
    settings = load(config, assignments or (), options).settings
    try:
        run_service(settings, open_endpoint, partitions, _delivering(settings))
    except LogUnavailable as error:
        what, where, todo = error.problems[0]
        ended = f"a worker gives up after {duration_text(settings.service.patience_ms)} (service.patience) of asking again"
        raise LogUnavailable(what, where, "; ".join(filter(None, (todo, ended)))) from error


def _delivering(settings: Settings) -> Deliver | None:
    """What makes the role deliver, where it is asked for: its libraries are not loaded by others."""
    if "deliver" not in settings.service.roles:
        return None
    from worker.delivery.role import Deliveries

    return Deliveries


def _listed(roles: str | None) -> list[str] | None:
    return None if roles is None else [role.strip() for role in roles.split(",")]
