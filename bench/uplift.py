"""Whether the uplift that is shown can be believed: a hundred simulated shops with messages that help, and a hundred with messages that do nothing.

Each runs through the real pipeline and looks after every turn, as somebody would who cannot wait.
    python -m bench.uplift [RUNS] [USERS]
"""

from __future__ import annotations

import sys

import numpy as np

from tests.core.uplift.shop_with_messages import CONVERSION, HOLDOUT, MessagedShop
from worker.core.settings import HOUR_MS
from worker.core.uplift.assignments import Experiment
from worker.core.uplift.effects import effect_of

EXPERIMENT = Experiment("hurry", 6 * HOUR_MS, HOLDOUT, 0)


def main(runs: int = 100, users: int = 2_000) -> None:
    """Print, for each true effect, how many runs ever left it out, won, or raised the alarm about the arms."""
    print(f"{runs} shops of {users} users, conversion {CONVERSION:.0%}, holdout {HOLDOUT:.0%}, a look after every turn; naive: an ordinary 95 % interval")
    for effect, capped in ((0.1, False), (0.1, True), (0.0, False)):
        missed = won = alarms = naive = 0
        widths, reached, looked = [], [], 0
        for seed in range(runs):
            shop = MessagedShop(seed, users, effect, capped=capped).run()
            looks = [effect_of(EXPERIMENT, totals) for totals in shop.looks]
            true = effect * looks[-1].messaged
            missed += any(look.low > true or look.high < true for look in looks)
            won += any(look.low > 0 for look in looks)
            alarms += any(look.sample_ratio_p < 0.05 for look in looks)
            naive += any(
                abs(look.uplift - true) > _ordinary(look.rate_treated, look.totals.judged_treated, look.rate_holdout, look.totals.judged_holdout)
                for look in looks
            )
            widths.append(looks[-1].high - looks[-1].low)
            reached.append(looks[-1].messaged)
            looked = len(looks)
        print(
            f"effect of a message {effect:+.2f}, reached {np.mean(reached):.0%}: covers at all {looked} looks in {runs - missed} (naive {runs - naive}), "
            f"wins in {won}, arms alarm (p < 0.05) in {alarms}, width at the end {np.mean(widths):.3f}"
        )


def _ordinary(treated: float, n: int, holdout: float, m: int) -> float:
    return 1.96 * float(np.sqrt(treated * (1 - treated) / n + holdout * (1 - holdout) / m)) if n and m else np.inf


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
