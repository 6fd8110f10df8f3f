"""Alerts: each fires and stays quiet as its tests for promtool say, and has a runbook whose commands, settings and metrics are real."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_generated import METRIC, known
from tools.alerting.objectives import BURNS, OBJECTIVES
from tools.alerting.rules import groups
from worker.commands.app import COMMANDS, load_command
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "runbooks"
TESTS = sorted((ROOT / "deploy" / "prometheus" / "tests").glob("*.yml"))
RULES: list[dict[str, Any]] = [rule for group in groups()["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = sorted({alert["alert"] for alert in ALERTS})
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ELSEWHERE = {"kubectl", "helm", "kafka-transactions"}
LABELS = {"window", "severity", "target", "role", "reason", "instance", "model", "outcome"}


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_quiet(path: Path, promtool: Path) -> None:
    done = subprocess.run([promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = "\n".join(path.read_text(encoding="utf-8") for path in TESTS)
    asked = re.findall(r"expr: '(?:count(?: by \(\w+\))? \()?.*?alertname=~?\"([\w|]+)\".*?exp_samples: (\[\]|\[\{)", cases)
    for name in NAMES:
        assert {found for names, found in asked if name in names.split("|")} == {"[]", "[{"}, name
    assert {name for names, _ in asked for name in names.split("|")} == set(NAMES)


def test_every_objective_has_the_four_burn_rates() -> None:
    assert [(burn.rate, burn.short_s / 60, burn.long_s / 3600) for burn in BURNS] == [(14.4, 5, 1), (6, 30, 6), (3, 120, 24), (1, 360, 72)]
    for objective in OBJECTIVES:
        burning = [alert for alert in ALERTS if alert["alert"] == objective.alert]
        assert [alert["labels"]["severity"] for alert in burning] == ["page", "page", "ticket", "ticket"]
        recorded = {name for name in RECORDED if name.startswith(f"clickscore:{objective.name}_errors:")}
        assert {name for alert in burning for name in re.findall(r"clickscore:\w+:\w+", alert["expr"])} == recorded
        assert len(recorded) == 7


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_leads_to_its_runbook(name: str) -> None:
    for alert in (alert for alert in ALERTS if alert["alert"] == name):
        assert alert["annotations"]["runbook_url"].endswith(f"/runbooks/{name}.md")
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"].endswith(".")
        assert alert["labels"]["severity"] in {"page", "ticket"}
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert re.findall(r"^#+ (.*)$", text, re.MULTILINE) == [name, "Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert f"[{name}]({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")


def test_there_is_no_runbook_without_an_alert() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted([*NAMES, "README"])


def fault(code: str) -> str:
    """What is wrong with a piece of code in a runbook; empty where nothing is."""
    first = code.split(maxsplit=1)[0]
    if first == "clickscore":
        return command_fault(code.split()[1:])
    if first in ELSEWHERE:
        return ""
    if setting := re.fullmatch(r"([a-zA-Z]+)\.([a-zA-Z_]+)(?: = .*)?", code):
        return setting_fault(setting[1], setting[2])
    wrong = [name for name in METRIC.findall(code) if not known(name)] + [name for name in re.findall(r"clickscore:\w+:\w+", code) if name not in RECORDED]
    return f"no metric: {wrong}" if wrong else ""


def command_fault(words: list[str]) -> str:
    if not words:
        return ""  # the program itself
    if words[0] not in COMMANDS:
        return f"no command: {words[0]}"
    command, words = load_command(words[0]), words[1:]
    if hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"no command: {words[0]}"
        command = command.commands[words[0]]
    options = {option for parameter in command.params for option in parameter.opts}
    return ", ".join(f"no option: {word}" for word in words if word.startswith("--") and word not in options)


def setting_fault(section: str, key: str) -> str:
    """The settings of the program and of the chart, and names of topics."""
    values = (ROOT / "deploy" / "helm" / "clickscore" / "values.yaml").read_text(encoding="utf-8")
    if re.search(rf"^{section}:\n(?:[ #].*\n|\n)*?  {key}:", values, re.MULTILINE) or f"{section}.{key}" in Settings().topics.model_dump().values():
        return ""
    fields: Any = type(getattr(Settings(), section)).model_fields if section in Settings.model_fields else {}
    names = {field.alias or name for name, field in fields.items()}
    return "" if key in names or (section, key) in {("cleanup", "policy"), ("segment", "bytes")} else f"no setting: {section}.{key}"


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_what_a_runbook_says_to_type_exists(page: Path) -> None:
    pieces = re.findall(r"`([^`]+)`", page.read_text(encoding="utf-8"))
    assert [(piece, wrong) for piece in pieces if (wrong := fault(piece))] == []


@pytest.mark.parametrize(
    "code",
    [
        "clickscore topic check",
        "clickscore topics check --broker x",
        "clickscore deadletters list --since-when x",
        "rate(clickscore_events_red_total[5m])",
        "clickscore_commit_duration_seconds",
        "clickscore:calibration:rate",
        "service.patiense",
        "networkPolicy.allowEverybody",
        "profiles.bytes",
    ],
)
def test_what_does_not_exist_is_found(code: str) -> None:
    assert fault(code)
