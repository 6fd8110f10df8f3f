"""The list of metrics, the page and the registry say the same, and machines accept them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from prometheus_client import generate_latest

from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.reference import page
from worker.service.telemetry.specification import LABELS, METRICS, PREFIX

PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"
UNITS = ("_seconds", "_bytes", "_records", "_events", "_partitions", "_decisions", "_scores", "_total", "_ratio")
NO_UNIT = set(  # counts, ratios and measures that have none
    """build_info profiles example_backlog model_version model_warming_up weight_norm base_rate log_loss log_loss_baseline roc_auc roc_auc_estimated
    roc_auc_expected_now calibration_error calibration_bin_predicted calibration_bin_observed score_probability feature_drift_psi
    score_drift_psi segment_members uplift_users destination_enabled delivery_circuit_state""".split()
)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_registry_holds_what_is_specified() -> None:
    families = {family.name: family for family in Metrics(["purchase"]).registry.collect() if family.name.startswith(PREFIX)}
    listed = {PREFIX + spec.name.removesuffix("_total"): spec for spec in METRICS}
    assert families.keys() == listed.keys()
    assert {name: (family.type, family.documentation) for name, family in families.items()} == {name: (s.kind, s.says) for name, s in listed.items()}


def test_every_name_ends_in_its_unit_and_every_text_is_a_sentence() -> None:
    assert [spec.name for spec in METRICS if spec.name not in NO_UNIT and not spec.name.endswith(UNITS)] == []
    assert [spec.name for spec in METRICS if (spec.kind == "counter") != spec.name.endswith("_total")] == []
    assert [spec.name for spec in METRICS if not spec.says.endswith(".")] == []


def test_every_label_is_bounded() -> None:
    assert {label for spec in METRICS for label in spec.labels} == LABELS.keys()
    assert [name for name, label in LABELS.items() if bool(label.values) == bool(label.bound)] == []


def test_what_counts_begins_at_zero() -> None:
    text = generate_latest(Metrics(["purchase", "churn"]).registry).decode()
    assert re.search(r'^clickscore_deadletter_total\{reason="invalid_json"\} 0.0$', text, re.MULTILINE)
    assert re.search(r'^clickscore_examples_total\{outcome="absent",target="churn"\} 0.0$', text, re.MULTILINE)
    assert re.search(r'^clickscore_turn_duration_seconds_count\{step="poll"\} 0.0$', text, re.MULTILINE)


def test_promtool_finds_nothing_to_say_of_a_new_worker(promtool: Path) -> None:
    text = generate_latest(Metrics(["purchase"]).registry)
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
