"""What is aimed at, and whether it is reached: each line from figures of one run of one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.core_alone import TURN
from bench.figures import Run


@dataclass(frozen=True, slots=True)
class Aim:
    """One line: `over` a key is divided by another's value; `least` says whether more is better."""

    part: str
    label: str
    key: str
    aim: float
    least: bool
    unit: str = ""
    over: str = ""


def _rate(client: str) -> str:
    return f"rate.clickscore-{client}-every"


AIMS: list[Aim] = [
    Aim("core", "core alone, 100,000 users, one score an event", f"core.generated.{TURN}", 100_000, True, "events/s"),
    Aim("core-file", "core alone, real events with their silences", f"core.file.{TURN}", 100_000, True, "events/s"),
    Aim("telemetry", "throughput with telemetry over without, turns of 100", "telemetry.100", 0.97, True, "×"),
    Aim("kafka-rate", "exactly-once scorer over a bare echo, kafka-python", _rate("kafka-python"), 0.75, True, "×", "rate.echo-kafka-python"),
    Aim("kafka-rate", "the same over librdkafka, against Quix Streams at commit 0.1 s", _rate("librdkafka"), 4.0, True, "×", "rate.quix-0.1"),
    Aim("kafka-rate", "… against Quix Streams at commit 1 s", _rate("librdkafka"), 3.0, True, "×", "rate.quix-1"),
    Aim("kafka-rate", "… against Kafka Streams", _rate("librdkafka"), 1.5, True, "×", "rate.streams"),
    *(
        Aim("kafka-latency", f"end to end at 2,000 events/s, {client}, {name}", f"latency.clickscore-{client}-every.2000.{name}", aim, False, "ms")
        for client in ("kafka-python", "librdkafka")
        for name, aim in (("p50", 20.0), ("p99", 50.0))
    ),
    Aim("kafka-latency", "cores used at 2,000 events/s, kafka-python", "latency.clickscore-kafka-python-every.2000.cores", 0.3, False, "cores"),
    Aim("kafka-restart", "SIGKILL to the first new score, 100,000 profiles, kafka-python", "restart.kafka-python.100000", 5.0, False, "s"),
    Aim("kafka-restart", "the same, librdkafka", "restart.librdkafka.100000", 5.0, False, "s"),
    Aim("users", "memory of a profile", "users.1000000.profile", 1_024, False, "bytes"),
    Aim("users", "resident memory of the process a user, of 1,000,000", "users.1000000.resident", 1_024, False, "bytes"),
    Aim("users", "cost of an event, 1,000,000 users against 10,000", "users.10000.uniform", 1.2, False, "×", "users.1000000.uniform"),
    Aim("trainer", "trainer", "trainer.purchase", 12_000, True, "examples/s"),
]


def rows(runs: Mapping[str, Run]) -> list[tuple[str, str, str, str]]:
    """Measure, aim, figure, and whether it is reached; what was not measured says so."""
    out = []
    for aim in AIMS:
        bound = f"{'at least' if aim.least else 'under'} {_number(aim.aim)} {aim.unit}".rstrip()
        value = _value(aim, runs.get(aim.part))
        if value is None:
            out.append((aim.label, bound, "not measured", ""))
            continue
        reached = value >= aim.aim if aim.least else value < aim.aim
        out.append((aim.label, bound, f"{_number(value)} {aim.unit}".rstrip(), "yes" if reached else "**no**"))
    return out


def _value(aim: Aim, run: Run | None) -> float | None:
    known: Callable[[str], float | None] = {figure.key: figure.value for figure in run.figures}.get if run else lambda _: None
    value, under = known(aim.key), known(aim.over) if aim.over else 1.0
    return value / under if value is not None and under else None


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(runs: Mapping[str, Run]) -> str:
    """The aims for a terminal."""
    return "\n".join(["", f"{'measure':70}{'aim':>26}{'figure':>20}  reached", *(f"{a:70}{b:>26}{c:>20}  {d.strip('*')}" for a, b, c, d in rows(runs))])
