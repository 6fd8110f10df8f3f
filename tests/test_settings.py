"""The settings class: what is a default, how a target is changed, added or removed, and what no source may say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.core.settings import DAY_MS, HOUR_MS, LONGEST_MS, MINUTE_MS, CoreSettings, TargetSettings, duration_ms
from worker.settings import SCORE_KEYS, Settings, duration_text, file_form


def test_the_defaults_are_those_of_the_core() -> None:
    assert Settings().core == CoreSettings()
    assert list(Settings().targets) == ["purchase", "intent", "churn"]


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSCORE_SEED", "7")
    assert Settings().seed == 0


def test_a_table_of_a_default_target_changes_only_what_it_names() -> None:
    settings = Settings(targets={"churn": {"horizon": "14 d"}})
    assert settings.targets["churn"] == CoreSettings().targets["churn"].model_copy(update={"horizon_ms": 14 * DAY_MS})
    assert {name: settings.targets[name] for name in ("purchase", "intent")} == {name: CoreSettings().targets[name] for name in ("purchase", "intent")}


def test_a_new_name_adds_a_target_with_the_defaults_of_a_new_target() -> None:
    settings = Settings(targets={"cart": {"outcome": "add_to_cart", "horizon": "1 h"}})
    assert list(settings.targets) == ["purchase", "intent", "churn", "cart"]
    assert settings.targets["cart"] == TargetSettings(outcome="add_to_cart", horizon="1 h")


def test_a_disabled_target_is_gone() -> None:
    assert list(Settings(targets={"intent": {"enabled": False}}).targets) == ["purchase", "churn"]


def test_one_target_must_stay() -> None:
    with pytest.raises(ValidationError, match="every target is turned off"):
        Settings(targets={name: {"enabled": False} for name in ("purchase", "intent", "churn")})


@pytest.mark.parametrize("name", [*sorted(SCORE_KEYS), "Cart", "1st", "a-b", "", "a" * 33, "a__b", "größe"])
def test_a_target_cannot_bear_a_name_that_is_taken_or_cannot_be_a_label(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings(targets={name: {"horizon": "1 h"}})


@pytest.mark.parametrize("names", [{"scores": "a", "models": "a"}, {"scores": "a b"}, {"scores": ""}, {"scores": ".."}, {"scores": "a" * 250}])
def test_topics_are_distinct_and_can_be_made(names: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(topics=names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"unknown": 1},
        {"events": {"names": {"kauf": "purchse"}}},
        {"targets": {"purchase": {"horizon": "0 d"}}},
        {"targets": {"purchase": {"horizon": 7}}},
        {"targets": {"purchase": {"alpha": float("nan")}}},
        {"targets": {"purchase": {"l1": float("inf")}}},
        {"targets": {"purchase": {"outcome": "purchse"}}},
        {"targets": {"cart": {"outcome": "add_to_cart"}}},
        {"silence": {"marks": ["1 d", "1 h"]}},
        {"outage": {"declared": [["2020-12-24", "2020-12-26"]]}},
        {"outage": {"declared": [["2020-12-24T00:00:00Z"]]}},
        {"outage": {"declared": [["2020-12-26T00:00:00Z", "2020-12-24T00:00:00Z"]]}},
        {"service": {"roles": []}},
        {"endpoint": {"port": 65536}},
        {"endpoint": {"host": "http://here/"}},
        {"service": {"turn_wait": "0 ms"}},
        {"embedded": {"path": ""}},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_settings_do_not_change_after_loading() -> None:
    with pytest.raises(ValidationError):
        Settings().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(("text", "expected_ms"), [("20 ms", 20), ("1.5 h", 90 * MINUTE_MS), (" 7d ", 7 * DAY_MS), ("0 min", 0), ("36525 d", LONGEST_MS)])
def test_a_duration_is_read_with_its_unit(text: str, expected_ms: int) -> None:
    assert duration_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["30", "30 minutes", "h", "-1 h", "1 h 30 min", "", 30, True, None, "36526 d", "9" * 400 + " d"])
def test_a_duration_without_a_unit_or_sense_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|unit|longer"):
        duration_ms(text)


@given(st.integers(0, LONGEST_MS))
def test_a_duration_reads_back_as_written(length_ms: int) -> None:
    assert duration_ms(duration_text(length_ms)) == length_ms


@pytest.mark.parametrize(("length_ms", "text"), [(0, "0 min"), (20, "20 ms"), (90 * MINUTE_MS, "90 min"), (24 * HOUR_MS, "1 d"), (1500, "1500 ms")])
def test_a_duration_is_written_in_its_largest_whole_unit(length_ms: int, text: str) -> None:
    assert duration_text(length_ms) == text


def test_the_file_form_of_the_defaults_is_the_defaults() -> None:
    assert Settings(**file_form(Settings())) == Settings()
