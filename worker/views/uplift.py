"""Whether rules helped, in words, in numbers and on a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from worker.core.learning.treatment import Treatment
from worker.core.uplift.effects import Effect, Finding
from worker.views import charts, figures
from worker.views.report_style import STYLE

FINDINGS: dict[Finding, str] = {
    "helps": "it helps",
    "harms": "it does harm",
    "open": "not decided yet",
    "too_few": "too few users yet",
    "no_holdout": "no holdout to compare with",
    "mismatch": "not to be believed: the arms have the wrong sizes",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_HEAD = ("rule", "treated", "holdout", "bought", "bought (holdout)", "uplift", "95 % interval", "relative", "messaged", "finding")
_TOLD = (
    "Uplift: what treated users bought more often than the holdout, in percentage points. The interval holds however often you look. "
    "Everybody counts in the arm drawn for them, messaged or not. docs/uplift.md says what each figure means."
)

_HEAD_TREATMENT = ("target", "score at", "examples", "treated", "share", "said / came", "said / came (treated)", "said / came (others)")
_TOLD_TREATMENT = (
    "Do scores come true without the messages? Treated are examples whose user a trigger reached between the decision and the end of its window. "
    "Said / came is the mean probability over the rate of outcomes: 1 is right, above 1 promises too much. Of churn, the outcome is the return."
)

Treatments = Mapping[tuple[str, str], Treatment]  # by target and cause


def uplift_lines(effects: Sequence[Effect]) -> list[str]:
    """A table for a terminal: a line a rule below the head."""
    return _table([_HEAD, *(_row(effect) for effect in effects)])


def treatment_lines(treatments: Treatments) -> list[str]:
    """A table for a terminal: a line a target and cause below the head."""
    return _table([_HEAD_TREATMENT, *_rows_of_targets(treatments)])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows
    ]


def uplift_record(effect: Effect) -> dict[str, Any]:
    """For programs: every field of the effect, null where nothing can be said yet."""
    fields = asdict(effect)
    totals = fields.pop("totals")
    return _known({**fields, **totals})


def treatment_record(target: str, cause: str, treatment: Treatment) -> dict[str, Any]:
    """For programs, of one target and cause, as above."""
    return {"target": target, "cause": cause, **_known(asdict(treatment))}


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()}


def uplift_page(effects: Sequence[Effect], treatments: Treatments, name: str, made_by: str) -> str:
    """One HTML page that needs nothing else; also well-formed XML."""
    title = f"{_clean(name)}: did it help?"
    rules = _rows(_HEAD, [_row(effect) for effect in effects])
    targets = _rows(_HEAD_TREATMENT, _rows_of_targets(treatments))
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/><title>{title}</title><style>{STYLE}</style></head><body><main>'
        f'<header><h1>{title}</h1><p class="soft">{_clean(_TOLD)}</p></header>'
        f'<section class="card"><h3>Uplift by rule</h3>{charts.uplift(effects)}</section>'
        f'<section class="card"><div class="scroll">{rules}</div></section>'
        f'<section class="card"><h3>Scores with and without messages</h3><p class="soft">{_clean(_TOLD_TREATMENT)}</p>'
        f'<div class="scroll">{targets}</div></section>'
        f"<footer>{_clean(made_by)}</footer></main></body></html>\n"
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of HTML."""
    names = "".join(f'<th scope="col">{_clean(cell)}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{_clean(cells[0])}</th>{"".join(f"<td>{_clean(cell)}</td>" for cell in cells[1:])}</tr>' for cells in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _rows_of_targets(treatments: Treatments) -> list[tuple[str, ...]]:
    """Of silence only where there are examples: not every shop has it scored."""
    return [_row_of_target(*of, treatment) for of, treatment in treatments.items() if treatment.n or of[1] == "event"]


def _row_of_target(target: str, cause: str, treatment: Treatment) -> tuple[str, ...]:
    ratios = (treatment.ratio, treatment.ratio_treated, treatment.ratio_untreated)
    return (target, cause, figures.count(treatment.n), figures.count(treatment.n_treated), figures.percent(treatment.share), *map(figures.ratio, ratios))


def _row(effect: Effect) -> tuple[str, ...]:
    totals = effect.totals
    interval = f"{points(effect.low)} to {points(effect.high)}" if math.isfinite(effect.low) else figures.MISSING
    relative = f"{effect.relative:+.0%}".replace("%", " %").replace("-", "−") if math.isfinite(effect.relative) else figures.MISSING
    return (
        effect.rule,
        figures.count(totals.judged_treated),
        figures.count(totals.judged_holdout),
        figures.percent(effect.rate_treated),
        figures.percent(effect.rate_holdout),
        points(effect.uplift),
        interval,
        relative,
        figures.percent(effect.messaged),
        FINDINGS[effect.finding],
    )


def points(share: float) -> str:
    """A difference of shares in percentage points: +1.24, −0.30."""
    return f"{share * 100:+.2f}".replace("-", "−") if math.isfinite(share) else figures.MISSING


def _clean(text: str) -> str:
    return escape(figures.printable(text))
