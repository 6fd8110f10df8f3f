"""docs/performance.md and its plots, from the figures that were kept. What stands between a pair of marks is written anew; the rest is a person's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import aims, plots
from bench.contenders import others, ours, peers
from bench.core_alone import REST, STEPS, TURNS
from bench.core_users import SPREADS, USERS
from bench.figures import CHECKOUT, Run, saved
from bench.kafka_latency import PEERS_RATE, RATES

PAGE = CHECKOUT / "docs" / "performance.md"
PLOTS = CHECKOUT / "docs" / "figures"
MARKS = re.compile(r"<!-- figures: ([\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
STEP_NAMES = [*dict.fromkeys(step for _, _, step in STEPS), REST]

Known = Callable[[str], str]


def write_page() -> list[str]:
    """Write tables and plots; returns the files written. Parts that were never measured leave theirs as they are."""
    runs = saved(PARTS)
    text = MARKS.sub(lambda found: _block(found, runs), PAGE.read_text())
    PAGE.write_text(text)
    written = [PAGE]
    for name, plot in (("rate", plots.rate), ("steps", plots.steps)):
        if svg := plot(runs):
            written.append(PLOTS / f"performance-{name}.svg")
            written[-1].write_text(svg)
    return [str(Path(path).relative_to(CHECKOUT)) for path in written]


def _block(found: re.Match[str], runs: Mapping[str, Run]) -> str:
    """One block: its table and, below, on what it was measured."""
    name = found[1]
    make, parts = BLOCKS[name]
    there = [runs[part] for part in parts if part in runs]
    if not there:
        return found[0]
    about = "  \n".join(f"{', '.join(measured)}: {when}" for when, measured in _told(there).items())
    return f"<!-- figures: {name} -->\n{make(runs)}\n\n{about}\n<!-- end -->"


def _told(runs: Sequence[Run]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for run in runs:
        told.setdefault(_when(run), []).append(f"`{run.part}`")
    return told


def _when(run: Run) -> str:
    return f"{run.machine['date']}, {run.machine['clickscore']}, load of the minute before {run.machine['load before']}"


def _known(run: Run | None) -> Known:
    """A figure's number by its key, without its unit; why there is none; or a dash."""
    figures = {figure.key: figure for figure in run.figures} if run else {}

    def text(key: str) -> str:
        figure = figures.get(key)
        return "–" if figure is None else figure.why if figure.value is None else figure.number()

    return text


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---", *["---:"] * (len(head) - 1)]) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _machine(runs: Mapping[str, Run]) -> str:
    latest = max(runs.values(), key=lambda run: run.machine["date"]).machine
    kept = ("cpu", "cores", "memory", "system", "python", "libraries", "broker")
    return _markdown(["machine", ""], [[name, latest[name]] for name in kept])


def _aims(runs: Mapping[str, Run]) -> str:
    return _markdown(["measure", "aim", "figure", "reached"], aims.rows(runs))


def _rate(part: str) -> Callable[[Mapping[str, Run]], str]:
    def table(runs: Mapping[str, Run]) -> str:
        known, contenders = _known(runs.get(part)), [*ours(), *peers(), *others()]
        rows = [
            [one.label, one.guarantee, *(known(f"rate.{one.key}{what}") for what in ("", ".cpu", ".memory"))]
            for one in contenders
            if known(f"rate.{one.key}") != "–"
        ]
        return _markdown(["", "guarantee", "events/s", "CPU µs/event", "MiB"], rows)

    return table


def _latency(runs: Mapping[str, Run]) -> str:
    rows = []
    for part, rates in (("kafka-latency", RATES), ("kafka-latency-peers", (PEERS_RATE,))):
        known = _known(runs.get(part))
        for one in [*ours(), *peers()]:
            for rate in rates:
                key = f"latency.{one.key}.{rate}"
                if known(f"{key}.p50") != "–":
                    rows.append([one.label, f"{rate:,}", *(known(f"{key}.{what}") for what in ("p50", "p99", "p99.9", "cores"))])
    return _markdown(["", "events/s", "p50 ms", "p99 ms", "p99.9 ms", "cores"], rows)


def _core(part: str, source: str) -> Callable[[Mapping[str, Run]], str]:
    def table(runs: Mapping[str, Run]) -> str:
        known = _known(runs.get(part))
        keys = [(turn, f"core.{source}.{turn}") for turn, _ in TURNS]
        rows = [[f"{turn:,}", known(key), known(f"{key}.scores"), *(known(f"{key}.{step}") for step in STEP_NAMES)] for turn, key in keys]
        return _markdown(["events a turn", "events/s", "scores/s", *(f"{step}, µs" for step in STEP_NAMES)], rows)

    return table


def _users(runs: Mapping[str, Run]) -> str:
    known = _known(runs.get("users"))
    rows = [[f"{users:,}", *(known(f"users.{users}.{what}") for what in (*(spread for spread, _ in SPREADS), "profile", "resident"))] for users in USERS]
    return _markdown(["users known", *(f"events/s: {words}" for _, words in SPREADS), "bytes a profile", "resident bytes a user"], rows)


def _all(*parts: str) -> Callable[[Mapping[str, Run]], str]:
    """Every figure of these parts, one a row."""

    def table(runs: Mapping[str, Run]) -> str:
        return _markdown(["", "figure"], [[figure.label.strip(), figure.text()] for part in parts if part in runs for figure in runs[part].figures])

    return table


BLOCKS: dict[str, tuple[Callable[[Mapping[str, Run]], str], tuple[str, ...]]] = {
    "machine": (_machine, ("core", "kafka-rate")),
    "aims": (_aims, ("core", "core-file", "users", "trainer", "telemetry", "kafka-rate", "kafka-latency", "kafka-restart")),
    "rate": (_rate("kafka-rate"), ("kafka-rate",)),
    "rate-others": (_rate("kafka-rate-others"), ("kafka-rate-others",)),
    "latency": (_latency, ("kafka-latency", "kafka-latency-peers")),
    "core": (_core("core", "generated"), ("core",)),
    "core-file": (_core("core-file", "file"), ("core-file",)),
    "users": (_users, ("users",)),
    "restart": (_all("kafka-restart", "kafka-workers"), ("kafka-restart", "kafka-workers")),
    "rest": (_all("trainer", "replay", "startup"), ("trainer", "replay", "startup")),
}
PARTS = sorted({part for _, parts in BLOCKS.values() for part in parts})
