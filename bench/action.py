"""What ten segments and ten rules cost the score path: pipelines with and without them take turns of the same events alternately, by processor time.

    python -m bench.action FILE [EVENTS] [EVENTS A TURN] [REPEATS] [profile]

Both have scorecards that have learned from the file, and write their changelog. Alternately, because what else runs on the machine then meets both alike.
The ratio is that of the sums over turns of each one's least cost in any repeat; those of the repeats stand beside it. First with the events as they are,
then with consent on every one of them.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core_alone import TURN, trained
from worker.core.action.guards.local_time import _offset_ms, _readings, quiet_until
from worker.core.action.plan import Plan, plan_of
from worker.core.action.settings import ActionSettings, SegmentSettings, TriggerSettings
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.core.settings import CoreSettings
from worker.service.memory import collect_rarely

SEGMENTS: dict[str, dict[str, Any]] = {
    "regulars": {"when": "sessions >= 2.0"},
    "buyers": {"when": "purchases > 0 && days_since_purchase < 30.0"},
    "spenders": {"when": "spend > 100.0 || average_order > 60.0"},
    "keen": {"when": "purchase.lift > 2.0", "stay": "purchase.lift > 1.5"},
    "browsing": {"when": "intent.lift > 2.0", "stay": "intent.lift > 1.5"},
    "leaving": {"when": "churn.p > 0.9", "stay": "churn.p > 0.85"},
    "fans": {"when": "favourite_category != '' && favourite_share > 0.6"},
    "hunters": {"when": "discount_share > 0.1 || price_level < 15.0 && price_level > 0.0"},
    "on_phones": {"when": "device == 'mobile' && country in ['United States', 'Canada', 'India']"},
    "slipping": {"when": "stage in ['at_risk', 'lost'] || gap_days > 1.0"},
}
TRIGGERS: dict[str, dict[str, Any]] = {
    "basket": {"when": "cart_value > 50.0 && purchase.p > 0.02", "priority": 9},
    "hurry": {"when": "segments.keen && days_known < 7.0", "stay": "purchase.lift > 1.2", "priority": 8},
    "back": {"when": "segments.regulars && gap_days > 0.5", "cap": 2, "cap_days": 7},
    "thanks": {"when": "segments.buyers && days_since_purchase < 1.0"},
    "stay": {"when": "churn.p > 0.92", "stay": "churn.p > 0.85", "cooldown": "3 d"},
    "win_back": {"when": "segments.slipping && days_since_seen > 5.0", "cooldown": "7 d"},
    "intent": {"when": "intent.lift > 1.5 && !segments.buyers", "stay": "intent.lift > 1.2", "cap": 1},
    "bargain": {"when": "segments.hunters && purchase.lift > 1.5"},
    "phone": {"when": "segments.on_phones && active_days < 10.0"},
    "favourite": {"when": "segments.fans && medium != 'email'"},
}


def plan() -> Plan:
    """Ten segments and ten rules over the default targets, most fields of a portrait among what they read."""
    made = plan_of(
        CoreSettings().targets,
        {name: SegmentSettings.model_validate(table) for name, table in SEGMENTS.items()},
        {name: TriggerSettings.model_validate(table) for name, table in TRIGGERS.items()},
        ActionSettings(),
    )
    assert made is not None
    return made


def costs(lines: Sequence[bytes], cards: Scorecards, turn: int) -> NDArray[np.float64]:
    """Seconds of processor time of every turn, without (row 0) and with segments and rules (row 1)."""
    for cached in (quiet_until, _offset_ms, _readings):  # no repeat shall know the instants of the one before
        cached.cache_clear()
    pipelines = Pipeline(CoreSettings()), Pipeline(CoreSettings(), plan=plan())
    starts = range(0, len(lines), turn)
    out = np.zeros((2, len(starts)))
    for number, start in enumerate(starts):
        part = lines[start : start + turn]
        for place in (0, 1) if number % 2 else (1, 0):
            began = time.process_time()
            pipelines[place].turn(part, range(start, start + len(part)), cards)
            out[place, number] = time.process_time() - began
    return out


def profile(lines: Sequence[bytes], cards: Scorecards, turn: int) -> None:
    """Where the time goes with segments and rules."""
    pipeline, watch = Pipeline(CoreSettings(), plan=plan()), cProfile.Profile()
    totals: Counter[str] = Counter()
    for start in range(0, len(lines), turn):
        part = lines[start : start + turn]
        watch.enable()
        done = pipeline.turn(part, range(start, start + len(part)), cards)
        watch.disable()
        totals.update(scores=len(done.scores), segments=len(done.segments), triggers=len(done.triggers), **{r: n for (_, r, _), n in done.outcomes.items()})
    print(dict(totals))
    pstats.Stats(watch).sort_stats("cumulative").print_stats("action|guards|uplift|sparse", 45)
    pstats.Stats(watch).sort_stats("tottime").print_stats(40)


def main(file: str, *numbers: str) -> None:
    """Print the ratios, or where the time goes."""
    events, turn, repeats = [*map(int, numbers[:3]), *(60_000, TURN, 5)[len(numbers[:3]) :]]
    lines = Path(file).read_bytes().splitlines()[:events]
    cards = trained(lines)
    collect_rarely()  # as in the worker: else a collection falls on whoever is there
    agreed = [b'{"consent":"granted",' + line[1:] for line in lines]
    for name, part in (("as they are", lines), ("consent on every event", agreed)):
        if numbers[3:]:
            profile(part, cards, turn)
            continue
        runs = np.array([costs(part, cards, turn) for _ in range(repeats)])
        without, acting = runs.min(axis=0).sum(axis=1)
        each = ", ".join(f"{run[0].sum() / run[1].sum():.3f}" for run in runs)
        print(f"{name}, {turn} a turn: {without / len(part) * 1e6:.1f} and {acting / len(part) * 1e6:.1f} µs/event, {without / acting:.3f}; repeats {each}")


if __name__ == "__main__":
    main(*sys.argv[1:])
