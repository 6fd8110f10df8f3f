"""`clickscore topics`: the worker's topics on Kafka, made and checked."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, log_flags

if TYPE_CHECKING:
    from worker.log.kafka.administration import Administration, TopicFacts
    from worker.service.kafka_topics import Checked
    from worker.settings import Settings

WRONG = 78

topics = typer.Typer(no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@topics.callback()
def _topics() -> None:
    """Create the topics on Kafka, or check them.

    The embedded log makes its topics by itself.
    """


@topics.command()
def create(
    bootstrap: BootstrapOption = None,
    partitions: Annotated[
        int | None, typer.Option("--partitions", metavar="N", min=1, max=10_000, help="Partitions of the events: at most so many scorers share them (1).")
    ] = None,
    replication: Annotated[
        int | None, typer.Option("--replication", metavar="N", min=1, max=100, help="Copies of each; else kafka.replication, else the brokers' default.")
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Create the topics that are missing, and leave the others alone.

    Events, examples, triggers and dead letters are kept for 30 days: a month to find a mistake in, and to score that time again. Scores are compacted, and
    go when their user is forgotten (profiles.time_to_live). Profiles, segments and models are state: compacted, and never removed with time. Partitions
    cannot be changed afterwards without moving users away from their profiles, so take some more than there are workers now; everything else is
    kafka-configs' to change.
    """
    from worker.service.kafka_topics import make_missing
    from worker.service.topics import explaining

    settings, cluster = _cluster(bootstrap, config, assignments, replication)
    with explaining(settings), closing(cluster):
        for name, before in make_missing(cluster, settings, partitions):
            after = before or cluster.facts([name])[name]
            typer.echo(f"{'is there' if before else 'created '}  {name}: {_in_words(after)}")


@topics.command()
def check(
    bootstrap: BootstrapOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, one a topic.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Say of each topic how it is, what is wrong, and which command mends it.

    Exit code 0 when a worker can work with them, 78 when not.
    """
    from worker.service.kafka_topics import check as checked_topics
    from worker.service.topics import explaining

    settings, cluster = _cluster(bootstrap, config, assignments)
    with explaining(settings), closing(cluster):
        found = checked_topics(cluster, settings)
    if as_json:
        import orjson

        sys.stdout.write(orjson.dumps([checked.as_json() for checked in found], option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for line in _lines(found):
            typer.echo(line)
    if any(checked.wrong for checked in found):
        raise SystemExit(WRONG)


def _cluster(bootstrap: str | None, config: ConfigOption, assignments: SetOption, replication: int | None = None) -> tuple[Settings, Administration]:
    from worker.configuration import load
    from worker.log.kafka.administration import Administration

    flags = {**log_flags(None, bootstrap), "--replication": ("kafka.replication", replication)}
    settings = load(config, assignments or (), flags).settings
    if not settings.kafka.bootstrap:
        raise typer.BadParameter(
            "name the brokers (HOST:PORT), here or as kafka.bootstrap: an embedded log makes its topics by itself", param_hint="--bootstrap"
        )
    return settings, Administration(settings.kafka.connection())


def _lines(found: list[Checked]) -> list[str]:
    """A line a topic, under it what is wrong; notes at the end, those that hold for several topics once."""
    width = max(len(checked.name) for checked in found)
    lines, notes = [], dict[tuple[str, str], list[str]]()
    for checked in found:
        state = "wrong" if checked.wrong else "right"
        lines.append(f"{state}  {checked.name:<{width}}  {_in_words(checked.facts) if checked.facts else 'missing'}")
        for problem in checked.wrong:
            lines += [f"         {problem.what}", f"         $ {problem.todo}"]
        for problem in checked.warnings:
            notes.setdefault((problem.what, problem.todo), []).append(checked.name)
    for (what, todo), names in notes.items():
        of = "all topics" if len(names) == len(found) else ", ".join(names)
        lines += [f"note   {of}: {what}", f"         {todo}"]
    return lines


def _in_words(facts: TopicFacts) -> str:
    settings = facts.settings
    kept = [] if "delete" not in settings["cleanup.policy"] else [_retention(int(settings["retention.ms"]), int(settings["retention.bytes"]))]
    parts = [
        f"{facts.partitions} partition{'s' * (facts.partitions != 1)}",
        f"replication {facts.replication}",
        f"cleanup.policy {settings['cleanup.policy']}",
        *kept,
        f"min.insync.replicas {settings['min.insync.replicas']}",
        f"max.message.bytes {int(settings['max.message.bytes']):,}",
    ]
    return ", ".join(parts)


def _retention(time_ms: int, size_bytes: int) -> str:
    from worker.settings import duration_text

    limits = [*([duration_text(time_ms)] if time_ms >= 0 else []), *([f"{size_bytes:,} bytes"] if size_bytes >= 0 else [])]
    return f"retention {' and '.join(limits) or 'for ever'}"
