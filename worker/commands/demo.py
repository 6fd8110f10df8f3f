"""`clickscore demo`: a synthetic shop, scored live, with the truth beside the scores."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from worker.demo.shop import ShopSettings
    from worker.demo.watch import Watch

KEPT = Path("clickscore-demo.db")


def demo(
    users: Annotated[int, typer.Option("--users", metavar="N", min=1, max=1_000_000, help="Customers of the shop.")] = 18_000,
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=365, help="Days that the shop is watched for.")] = 45,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another seed makes other customers.")] = 1,
    rate: Annotated[float | None, typer.Option("--rate", metavar="N", min=1, help="Events a second; without it as fast as they are scored.")] = None,
    keep: Annotated[Path, typer.Option("--keep", metavar="FILE", help="Where the users' last scores stay when it has ended.")] = KEPT,
    kafka: Annotated[bool, typer.Option("--kafka", help="On a real Kafka broker: two workers, one of which is killed and replaced.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", metavar="N", min=5, max=86_400, help="With --kafka: how long, from the first scores on.")] = 60,
) -> None:
    """Watch a synthetic shop being scored, with the truth beside the scores.

    Weeks of clicks pass in a minute. A scorer and a trainer begin with nothing, and learn who will buy and who will leave from what comes of
    their own scores. The shop is made up, so its true probabilities are known, and every score is held against them. q or Ctrl-C ends it early.

    With --kafka it is about something else: a broker is found or started (KAFKA_BOOTSTRAP, KAFKA_HOME, Maven's jars, a container), two workers share
    its partitions, one is killed in front of you, and at the end lost and repeated scores are counted from the topics alone. --keep is not used then.
    """
    import os

    from rich.console import Console

    from worker.demo.run import Demo, play
    from worker.demo.shop import ShopSettings
    from worker.views.live import open_view

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that cannot write ≥ still gets its sentence
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    if kafka:
        _on_kafka(console, ShopSettings(users, days, seed), seconds, rate)
        return
    console.print(f"A synthetic shop, {users:,} customers, {days} days. The truth is known; clickscore has to learn it.")
    with open_view(sys.stdout, sys.stdin, os.environ) as view:
        watch = play(Demo(ShopSettings(users, days, seed), keep, rate), view)
    _print_end(console, watch, keep)


def _on_kafka(console: Console, shop: ShopSettings, seconds: float, rate: float | None) -> None:
    import os

    from worker.demo.kafka import MEMBERS, PARTITIONS, RATE, KafkaDemo, play_on_kafka
    from worker.demo.kafka_view import open_kafka_view
    from worker.views import figures

    demo = KafkaDemo(shop, seconds, rate or RATE)
    console.print(f"{len(MEMBERS)} workers on Kafka, {PARTITIONS} partitions, {demo.rate:,.0f} events a second of a synthetic shop. One worker will be killed.")
    played = play_on_kafka(demo, lambda: open_kafka_view(sys.stdout, sys.stdin, os.environ), lambda words: console.print(words, soft_wrap=True))
    counted = played.count
    if played.stopped:
        console.print("Ended early.")
    if played.recovered_s is not None:
        console.print(f"The first new committed score of the killed worker's partitions came {played.recovered_s:.1f} s after the kill.")
    console.print(f"From sending to a readable score: p50 {figures.milliseconds(played.latency_p50_ms)}, p99 {figures.milliseconds(played.latency_p99_ms)}.")
    console.print(
        f"{counted.records:,} records in the input: {counted.scored:,} scored, {counted.dead_letters:,} dead letters, {counted.duplicates:,} second copies."
    )
    console.print(f"[bold]lost {counted.lost:,}, repeated {counted.repeated:,}[/bold], counted from the topics alone")
    if played.unscored:
        console.print(f"{played.unscored:,} of the lost were not taken in yet when it was ended.")
    if counted.foreign or ((counted.lost or counted.repeated) and not played.unscored):
        raise SystemExit(1)


def _print_end(console: Console, watch: Watch, keep: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from worker.commands.explain import explain
    from worker.demo.words import READING, what_happened, what_was_learned

    if not watch.latest:
        console.print("It ended before anything was scored.")
        return
    console.print(Text("\nWhat happened", "bold"))
    console.print(what_happened(watch))
    console.print(Text("\nWhat was learned, held against the truth", "bold"))
    learned = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for target, sentence in what_was_learned(watch):
        learned.add_row(Text(target, "bold cyan"), sentence)
    console.print(learned)
    console.print(Text(READING, "dim"))
    user = watch.example()
    console.print(Text.assemble(("\nOne customer explained", "bold"), ", the likeliest to buy of those in the shop now\n"))
    explain(user, embedded=str(keep))
    console.print(Text("\nNext", "bold"))
    for command in (f"explain {shlex.quote(user)}", "top churn"):
        console.print(f"  {_own_name()} {command} --embedded {shlex.quote(str(keep))}", soft_wrap=True)


def _own_name() -> str:
    """How to call this program again from here: by name where that finds it, else as it was called."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m worker"
    found = shutil.which(called.name)
    if found and Path(found).resolve() == called.resolve():
        return called.name
    here = called.absolute()
    return shlex.quote(str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here))
