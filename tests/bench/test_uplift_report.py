"""The shop behind the picture of docs/uplift.md: through a real worker, the same each time, and with the truth that the page claims."""

from __future__ import annotations

from pathlib import Path

from bench.uplift_report import CONFIGURATION, CONVERSION, RULES, Shop
from worker.configuration import load
from worker.core.uplift.effects import Effect
from worker.log.embedded import EmbeddedLog
from worker.service.queries.uplift import effects


def lived(folder: Path) -> list[Effect]:
    folder.mkdir()
    (folder / "clickscore.toml").write_text(CONFIGURATION)
    settings = load(folder / "clickscore.toml", environ={}).settings
    Shop(folder / "shop.db", settings, users=900).live()
    log = EmbeddedLog(folder / "shop.db", create=False)
    found = effects(log, settings)
    log.close()
    return found


def test_the_shop_is_the_same_each_time_and_its_intervals_hold_its_truth(tmp_path: Path) -> None:
    found = lived(tmp_path / "once")
    assert [effect.rule for effect in found] == list(RULES)
    assert sum(effect.totals.treated + effect.totals.holdout for effect in found) == 900
    for effect in found:
        assert effect.totals.judged_treated == effect.totals.treated > effect.totals.judged_holdout == effect.totals.holdout > 0
        assert not effect.low > RULES[effect.rule].effect  # none yet is nan
        assert not effect.high < RULES[effect.rule].effect
    basket = found[0]
    assert abs(basket.rate_treated - CONVERSION - RULES["basket"].effect) < 0.05
    assert [effect.totals for effect in lived(tmp_path / "again")] == [effect.totals for effect in found]
