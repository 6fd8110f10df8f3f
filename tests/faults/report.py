"""The fault matrix as a table for the terminal, and as the page docs/faults.md."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.demo.broker.sources import KAFKA

if TYPE_CHECKING:
    from tests.faults.matrix import Result

COLUMNS = ("case", "client", "recovers s", "judged", "lost", "duplicated", "out of order", "learned twice or never", "state", "other", "remark")
OTHER = ("strange", "different", "unaccounted", "positions", "left_open")
LONGEST_REMARK = 220

# What the design's matrix names and this suite does not run, with the reason.
NOT_RUN = {
    "old broker": "brokers before 4.0 need another Java, and ZooKeeper or an early KRaft: they are not at hand",
    "upgrade and rollback with state": "there is one layout of profiles and one form of snapshots yet: nothing to upgrade from; a newer one is a case above",
    "several brokers": "one node: a partition's leader that moves to another broker is not tried, nor a broker that loses what it had acknowledged",
    "empty state": "every case begins with it",
    "outcome never comes": "in every case: most decisions of the synthetic shop end so",
}


def table(results: Sequence[Result]) -> str:
    """Plain text, one line a case and client."""
    rows = [COLUMNS, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows)


def page(results: Sequence[Result], seed: int, took_s: float) -> str:
    """docs/faults.md."""
    clients = " and ".join(
        f"{name} {importlib.metadata.version(package)}"
        for name, package in (("kafka-python", "kafka-python"), ("librdkafka (confluent-kafka)", "confluent-kafka"))
    )
    lines = [
        "# Faults",
        "",
        "What the worker on Kafka was put through, and what was left of it. Written by `make faults`; do not edit.",
        "",
        f"{datetime.now(UTC):%d %B %Y}, Apache Kafka {KAFKA} (one broker, KRaft), {clients}, Python {platform.python_version()}, {took_s / 60:.0f} minutes.",
        f"`make faults FAULT_SEED={seed}` repeats this run, `make faults CASES=zombie` a part of it.",
        "",
        "After every case a verifier recomputes from the input topic alone, through `worker.core`, what should be in all other topics, and compares byte",
        "for byte with what is readable under `read_committed`: scores, dead letters, examples, the restored state, every model that was published, the",
        "groups' positions; and no transaction is open. *judged* is how many records of input and how many scores that were.",
        "*recovers* is from the fault to the first score that becomes readable afterwards, the longest where there were several; the session timeout of",
        "these runs is 3 s.",
        "Workers are real processes; they are killed from inside at a chosen step by hooks that only the tests install.",
        "Idle partitions do not age in these runs, but for the one case that says so: how much they do is in no input.",
        "*other* is records that nothing leads to, records with other bytes, input that is unaccounted for, positions that are not the last record + 1,",
        "transactions left open.",
    ]
    for group in dict.fromkeys(result.case.group for result in results):
        lines += ["", f"## {_title(group)}", ""]
        if group == "verifier":
            lines += ["The program broken on purpose, to see that the verifier notices.", ""]
        lines += ["| " + " | ".join(COLUMNS) + " |", "| " + " | ".join("---" for _ in COLUMNS) + " |"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in _row(result)) + " |" for result in results if result.case.group == group]
    failed = [result for result in results if not result.passed]
    lines += ["", "## Not as it should be", ""]
    lines += [f"- **{result.case.name}** ({result.client}): {_reason(result)}" for result in failed] or ["Nothing."]
    lines += ["", "## Not run", "", *(f"- {what}: {why}." for what, why in NOT_RUN.items()), ""]
    return "\n".join(lines)


def _title(group: str) -> str:
    return group[0].upper() + group[1:]


def _row(result: Result) -> tuple[str, ...]:
    verdict, outcome = result.outcome.verdict, result.outcome
    recovered = f"{max(outcome.recovered_s):.1f}" if outcome.recovered_s else "–"
    counts = ["–"] * 7
    if verdict is not None:
        found = verdict.faults
        other = [f"{name.replace('_', ' ')} {found[name]}" for name in OTHER if found[name]]
        numbers = [found[name] for name in ("lost", "duplicated", "disordered", "mislearned", "state")]
        counts = [f"{verdict.read:,} / {verdict.scores:,}", *map(str, numbers), ", ".join(other) or "0"]
    remark = outcome.remark if result.passed else f"FAILED: {_reason(result)}"
    return (result.case.name, result.client, recovered, *counts, _short(remark))


def _reason(result: Result) -> str:
    if result.failure:
        return _short(result.failure.partition("the workers said")[0].rstrip("; "))  # what they said has paths of this machine
    notes = result.outcome.verdict.notes if result.outcome.verdict else []
    return _short("; ".join(filter(None, [result.outcome.remark, *notes])))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REMARK else line[: LONGEST_REMARK - 1] + "…"
