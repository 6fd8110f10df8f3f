"""docs/telemetry.md, made from the specification; `make docs` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from worker.service.telemetry.specification import ELSEWHERE, LABELS, METRICS, PARTS, PREFIX, Part, Spec

INTRODUCTION = """\
# Telemetry

What a worker tells of itself: metrics for Prometheus at `/metrics`, and its log. Written by `make docs` from
`worker/service/telemetry/specification.py`; a test holds this page, the running registry and the list together.

## Reading it

- Is it working? `last_progress_timestamp_seconds` moves on, `lag_seconds` is small, `events_read_total` grows.
- Is it right? `log_loss` is below `log_loss_baseline`, `calibration_ratio` is near 1, `roc_auc` is near `roc_auc_estimated`.
- Nothing vanishes: `events_read_total` = `events_scored_total` + `events_dropped_total` + `deadletter_total`.

## When it is up to date

- Counters move with each commit. What is counted score by score (`score_probability`, `label_delay_seconds`, `examples_total`,
  `end_to_end_latency_seconds`) is counted by the thousand, at the latest after a second, and always before somebody reads.
- Quality is worked out every 15 s by the worker that trains the target, over the last 20,000 matured decisions of each cause; who takes the target
  over reads them back. Until decisions have matured there is nothing to say, and no series.
- Drift and `roc_auc_expected_now` are worked out every 15 s by each worker that scores, of its own partitions and from its memory: after a restart
  they begin anew, and drift is silent until 100 scores of the last day and 500 of the week before are known. They look at the first 8,000 scores at
  events and then at every 50th, and of silent scores at 64 of some thousand.

## The log

To stderr: JSON lines, or words on a terminal (`service.log_format`), from `service.log_level` on. Each line says what happened, in the past tense,
and moves the metrics that belong to it; `log_lines_total{level}` counts lines as they are written, also where nobody keeps the log. Of one kind
(what, with its partition, target, topic and role) ten lines a minute are written and the rest held back: the next line of that kind, or a line `lines
held back`, says how many, and `log_lines_held_back_total{level}` counts them. A metric counts what happened, whether its line was held back or not:
alerts are on metrics, never on lines. `error` is for what somebody has to do something about, `warning` for what the worker helps itself out of.
Lines of level `debug` are never held back. No event's body is in the log from `info` on; users are masked (`user#` and eight digits, the same in the
log and on the page until the process ends).

## What it costs

`python -m bench telemetry`; the bar is 3 % of throughput. Fifteen pairs of runs with and without, in turns, on a quiet machine (23 November 2026):
**2.6 %** at turns of 100 events (4.7 µs of 180 an event), **2.6 %** at turns of 5,000, which is where a worker that cannot keep up is. Medians of runs
that differ by some 3 % from each other: six other pairs at turns of 100 gave 2.9 %. Before that it was 5 % at turns of 100 on the same machine, all of
it the lists of the page, which at times held on to the scores of a thousand users until they were made anew: in the benchmark hours pass in a second,
so that the list of intent has room most of the time. Holding on to copies in one piece instead was slower.
The measures by the clock take 0.4 % of a core with all windows full. Waiting for 1,000 scores (drift) instead of some 5,000 cost 0.3 to 0.4 points more;
feeding the histograms turn by turn, three quarters of a point at turns of 100.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *map(_part, PARTS), _labels(), _elsewhere()]
    return "\n".join(parts)


def _part(part: Part) -> str:
    lines = [f"## {PARTS[part]}", "", f"| metric (`{PREFIX}…`) | kind | says |", "| --- | --- | --- |"]
    lines += [_row(f"`{_signature(spec)}`", spec.kind, spec.says + _bounds(spec)) for spec in METRICS if spec.part == part]
    return "\n".join(lines) + "\n"


def _signature(spec: Spec) -> str:
    return spec.name + ("{" + ",".join(spec.labels) + "}" if spec.labels else "")


def _bounds(spec: Spec) -> str:
    return f" Buckets up to {', '.join(f'{bound:g}' for bound in spec.bounds)}." if spec.bounds else ""


def _labels() -> str:
    lines = ["## Labels", "", "| label | says | values |", "| --- | --- | --- |"]
    for name, label in LABELS.items():
        values = f"{len(label.values)} features" if name == "feature" else ", ".join(f"`{value}`" for value in label.values) or label.bound
        lines.append(_row(f"`{name}`", label.says, values))
    return "\n".join(lines) + "\n"


def _elsewhere() -> str:
    return "\n".join(["## Not there under the name of the design", "", *_items()]) + "\n"


def _items() -> Iterator[str]:
    for name, words in ELSEWHERE.items():
        yield f"- `{name}` {words}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
