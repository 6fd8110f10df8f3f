"""What is generated is committed as it is generated: rules, dashboards, permissions, topics."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.alerting.durations import promql
from tools.dashboards.build import DASHBOARDS
from tools.dashboards.panel import SELECT
from tools.generate import generated
from tools.yaml_text import yaml_text
from worker.service.telemetry.specification import BY_NAME

ROOT = Path(__file__).parents[2]
FILES = dict(generated())
PANELS = [(dashboard.name, panel) for dashboard in DASHBOARDS for panel in dashboard.as_json()["panels"] if panel["type"] != "row"]
METRIC = re.compile(r"\bclickscore_[a-z_]+")


@pytest.mark.parametrize("name", FILES)
def test_what_is_committed_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "deploy" / name).read_text(encoding="utf-8") == FILES[name], "run `make docs`"


def test_nothing_else_lies_among_the_generated() -> None:
    lie = {str(path.relative_to(ROOT / "deploy")) for folder in ("grafana/dashboards", "strimzi", "kafka") for path in (ROOT / "deploy" / folder).iterdir()}
    assert lie <= set(FILES) | {"strimzi/README.md", "kafka/README.md"}


def known(name: str) -> bool:
    """Whether the program has a metric of this name; of a histogram there are three series."""
    short = name.removeprefix("clickscore_")
    base = re.sub(r"_(bucket|sum|count)$", "", short)
    return (short in BY_NAME and BY_NAME[short].kind != "histogram") or (base != short and base in BY_NAME and BY_NAME[base].kind == "histogram")


def test_every_metric_that_is_asked_for_exists() -> None:
    named = {name for path, text in FILES.items() if path.endswith((".json", "rules.yml")) for name in METRIC.findall(text)}
    assert len(named) > 40
    assert sorted(name for name in named if not known(name)) == []


# ---- the rules of Grafana's dashboard-linter, which itself cannot be had everywhere


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_dashboard_has_the_variables_that_every_query_uses(dashboard: Any) -> None:
    content = dashboard.as_json()
    variables = {variable["name"]: variable for variable in content["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"], variables["datasource"]["label"]) == ("datasource", "prometheus", "Data source")
    for name in variables.keys() - {"datasource"}:
        variable = variables[name]
        assert (variable["type"], variable["label"], variable["multi"], variable["allValue"]) == ("query", name.title(), True, ".+")
        assert (variable["refresh"], variable["datasource"]["uid"]) == (2, "${datasource}")
    assert {"job", "instance"} <= set(variables)
    assert (content["editable"], content["uid"]) == (False, f"clickscore-{dashboard.name}")
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in content["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in content["panels"])
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=[f"{name}: {panel['title']}" for name, panel in PANELS])
def test_a_panel_says_what_it_shows_in_which_unit_of_which_workers(dashboard: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in {"none", "short", "percentunit", "s", "bytes", "ops"}
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["targets"]
    for target in panel["targets"]:
        expr = target["expr"]
        selectors = re.findall(r"\b(?:clickscore|process)_[a-z_]+(\{[^}]*\})?", expr)
        assert selectors
        assert [selector for selector in selectors if SELECT not in selector] == []
        assert set(re.findall(r"\[([^\]]+)\]", expr)) <= {"$__rate_interval"}
        counters = re.findall(r"(\w*)\s*\(\s*\w+_(?:total|bucket|sum|count)\{", expr)
        assert set(counters) <= {"rate", "increase"}
        assert len(counters) == len(re.findall(r"\w+_(?:total|bucket|sum|count)\{", expr))
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", expr) for label in labels.split(",")}
        assert named <= kept


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": [1.5, True, None], "c": {}}, "a: 1\nb:\n  - 1.5\n  - true\n  - null\nc: {}\n"),
        ({"a": "yes", "b": "plain text", "c": "a: b", "d": "1.0", "e": "", "f": "ä"}, 'a: "yes"\nb: plain text\nc: "a: b"\nd: "1.0"\ne: ""\nf: "ä"\n'),
        ({"a": "x\n  y\n\nz"}, "a: |-\n  x\n    y\n\n  z\n"),
        ([{"a": {"b": ["c"]}}, "d", []], "- a:\n    b:\n      - c\n- d\n- []\n"),
        ({"a": "{{ $value }}", "b": "http://x:9090", "c": "trailing "}, 'a: "{{ $value }}"\nb: http://x:9090\nc: "trailing "\n'),
    ],
)
def test_yaml_is_written_as_it_is_read(value: Any, text: str) -> None:
    assert yaml_text(value) == text
    assert yaml_text({"a": 1}, "one\ntwo") == "# one\n# two\na: 1\n"


def test_durations_are_written_as_promql_reads_them() -> None:
    assert [promql(each) for each in (300, 3_600, 5_400, 86_400, 1, 0.2, 90)] == ["5m", "1h", "90m", "1d", "1s", "1s", "90s"]


def test_prometheus_takes_the_rules_and_the_scraping(promtool: Path) -> None:
    for command in (["check", "rules", "deploy/prometheus/rules.yml"], ["check", "config", "--syntax-only", "deploy/compose/prometheus.yml"]):
        done = subprocess.run([promtool, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_dashboard_reads_as_json() -> None:
    assert {json.loads(FILES[f"grafana/dashboards/{dashboard.name}.json"])["title"] for dashboard in DASHBOARDS} == {each.title for each in DASHBOARDS}
