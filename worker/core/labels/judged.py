"""The examples of decisions whose outcomes are known: what was said, on which bins, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import EVENT, Decisions
from worker.core.labels.examples import Example
from worker.core.labels.outcomes import Outcomes, Settled
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.scoring.slots import LAYOUT

Ints = NDArray[np.int64]
Treated = Callable[[Ints, Ints, Ints], list[bool]]  # profiles' rows, decisions' times, windows' ends


def examples_of(
    settled: Settled, decisions: Decisions, outcomes: Outcomes, user_of: Sequence[str | None], pseudonyms: Pseudonyms, partition: int, treated: Treated | None
) -> list[Example]:
    """The examples of what was settled, in its order; `user_of` has the users by their profiles' rows, `treated` says who was treated.

    Call it before the decisions are released.
    """
    place, target = settled.place, settled.target
    time_ms, row = decisions.time_ms[place], decisions.row[place]
    named = {number: pseudonyms.of(user_of[number] or "") for number in set(row.tolist())}
    due_ms = time_ms + outcomes.delay[target] + outcomes.horizon[target]
    known: Iterable[bool | None] = repeat(None) if treated is None or settled.sense != "matured" else treated(row, time_ms, due_ms)
    columns = (
        place,
        target,
        settled.happened,
        settled.weight,
        row,
        time_ms,
        due_ms,
        decisions.offset[place],
        decisions.mark[place],
        decisions.p[place, target],
        decisions.raw[place, target],
        decisions.model[place],
    )
    out: list[Example] = []
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for (at_, number, happened, weight, whose, time, due, event, silence, p, raw, model), is_treated in zip(rows, known, strict=False):
        bins = decisions.bins[at_]
        out.append(
            Example(
                target=outcomes.names[number],
                decision_id=f"{partition}-{event}" if silence == EVENT else f"{partition}-{event}.{silence + 1}",
                user=named[whose],
                cause=0 if silence == EVENT else 1,
                time_ms=time,
                due_ms=due,
                outcome=happened,
                weight=weight,
                p=p,
                raw=raw,
                model=decisions.models[model][number],
                layout=LAYOUT,
                bins=bins[bins > 0],
                sense=settled.sense,
                treated=is_treated,
            )
        )
    return out
