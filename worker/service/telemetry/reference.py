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
