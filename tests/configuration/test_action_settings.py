"""Segments and triggers in the configuration: read from everywhere, shown as they are, and refused with the place within a condition."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from tests.configuration.refusals import refused
from worker.configuration import load
from worker.configuration.effective import as_toml
from worker.configuration.reference import json_schema
from worker.core.settings import DAY_MS
from worker.errors import Problem
from worker.settings import Settings

RIGHT = """\
[segments.regulars]
when = "purchases >= 3"

[triggers.hurry]
when = "segments.regulars && purchase.p > 0.2"
cooldown = "7 d"

[triggers.off]
when = "true"
enabled = false

[action.timezones]
DE = "Europe/Berlin"
"""
WRONG = """\
[segments.vip]
when = "spnd > 500.0"
stay = "spend"
[triggers.hurry]
when = "segments.vip && (purchase.p > 0.2"
[triggers.off]
when = "segments.vip = true"
enabled = false
[action]
lost_after = "5 d"
"""


def test_without_them_there_is_no_plan() -> None:
    assert load(environ={}).settings.plan is None
    assert Settings(triggers={"off": {"when": "true", "enabled": False}}).plan is None


def test_they_are_read_from_file_environment_and_flags(config: Path) -> None:
    config.write_text(RIGHT)
    settings = load(
        config,
        ["triggers.hurry.priority=5", "segments.keen.when='(purchase.p > 0.3)'"],
        environ={"CLICKSCORE_TRIGGERS__HURRY__CAP": "4", "CLICKSCORE_SEGMENTS__BIG__WHEN": "spend > 9.0"},
    ).settings
    assert settings.plan is not None
    assert [latch.name for latch in settings.plan.segments] == ["regulars", "big", "keen"]
    rule = settings.plan.rules["hurry"]
    assert (rule.priority, rule.cap, rule.cooldown_ms, list(settings.plan.rules)) == (5, 4, 7 * DAY_MS, ["hurry"])
    assert settings.plan is settings.plan, "compiled once"


def test_what_is_shown_reads_back(config: Path) -> None:
    config.write_text(RIGHT)
    loaded = load(config, environ={})
    config.with_name("again.toml").write_text(as_toml(loaded))
    assert load(config.with_name("again.toml"), environ={}).settings == loaded.settings
    assert f'when = "purchases >= 3"  # {config}, line 2, column 1' in as_toml(loaded)


def test_every_wrong_condition_is_refused_with_its_place_and_what_to_write(config: Path) -> None:
    config.write_text(WRONG)
    assert refused(config) == [
        Problem("segments.vip.when: 'spnd' is no field of the portrait", "shop.toml, line 2, column 1, character 1 of the condition", "did you mean spend?"),
        Problem("segments.vip.stay: 'spend' is a number, not a condition", "shop.toml, line 3, column 1", "compare it with something, for example with >"),
        Problem("triggers.hurry.when: the bracket is not closed with )", "shop.toml, line 5, column 1, the end of the condition", "write )"),
        Problem("triggers.off.when: = is no operator", "shop.toml, line 7, column 1, character 14 of the condition", "write =="),
        Problem("action.lost_after: a user is at risk before being lost", "shop.toml, line 10, column 1", "make lost_after longer than at_risk_after"),
    ]


def test_a_variable_and_a_flag_are_named() -> None:
    wrong = {"CLICKSCORE_SEGMENTS__VIP__WHEN": "true && spnd > 1", "CLICKSCORE_TRIGGERS__GO__WHN": "true"}
    assert refused(None, "triggers.go.when=stage == 3", **wrong) == [
        Problem(
            "segments.vip.when: 'spnd' is no field of the portrait",
            "environment variable CLICKSCORE_SEGMENTS__VIP__WHEN, character 9 of the condition",
            "did you mean spend?",
        ),
        Problem(
            "CLICKSCORE_TRIGGERS__GO__WHN names no setting",
            "environment variable CLICKSCORE_TRIGGERS__GO__WHN",
            "did you mean CLICKSCORE_TRIGGERS__GO__WHEN?",
        ),
        Problem("triggers.go.when: a text is never equal to a number", "flag --set triggers.go.when, character 7 of the condition"),
    ]


def test_a_table_without_its_condition_or_with_an_empty_one_is_told_what_one_looks_like(config: Path) -> None:
    config.write_text('[segments.vip]\nstay = "true"\n[triggers.Go]\nwhen = "true"\n[triggers.go]\nwhen = ""\nholdut = 0.5\n')
    assert refused(config) == [
        Problem("'when' is missing in [segments.vip]", "shop.toml, line 1, column 1", 'add when = "spend > 500.0"'),
        Problem(
            "triggers.Go: 'Go' is no name for this",
            "shop.toml, line 3, column 1",
            "use up to 32 small letters, digits and single underscores, with a letter first",
        ),
        Problem(
            'triggers.go.when is "": string should have at least 1 character', "shop.toml, line 6, column 1", 'write for example when = "purchase.p > 0.2"'
        ),
        Problem("unknown key 'holdut' in [triggers.go]", "shop.toml, line 7, column 1", "did you mean 'holdout'?"),
    ]


def test_the_schema_takes_what_loading_takes() -> None:
    jsonschema.validate(tomllib.loads(RIGHT), json_schema())
    with pytest.raises(jsonschema.ValidationError, match="when"):
        jsonschema.validate({"segments": {"vip": {"stay": "true"}}}, json_schema())


@pytest.mark.parametrize("name", ["Vip", "1st", "a-b", "", "a" * 33, "a__b"])
def test_a_name_that_cannot_stand_in_a_condition_is_refused(name: str) -> None:
    for table in ("segments", "triggers"):
        with pytest.raises(ValidationError):
            Settings.model_validate({table: {name: {"when": "true"}}})
