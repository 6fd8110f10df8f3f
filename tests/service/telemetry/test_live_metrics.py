"""What the metrics of a working worker say: every one of the specification, in bounds, and true."""

from __future__ import annotations

import json
import math
import subprocess
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from tests.service.bench import Bench, settings_of, shop_lines
from worker.core.labels.decisions import EVENT, Scored
from worker.core.labels.examples import Example
from worker.core.learning.drift import Drift
from worker.core.learning.evaluation import Evaluation
from worker.core.learning.window import columns_of, matured
from worker.log.contract import Message
from worker.log.errors import Fenced, LogFull
from worker.service.queries.treatment import treatments
from worker.service.queries.uplift import effects
from worker.service.telemetry import monitor
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.specification import ARMS, BY_NAME, KNOWN, LABELS, METRICS, PREFIX
from worker.settings import Settings

ACTION: dict[str, Any] = {
    "segments": {"regulars": {"when": "sessions >= 2 && days_since_seen < 1.0"}},
    "triggers": {"visit": {"when": "sessions >= 1", "holdout": 0.4, "window": "2 d"}},
}


@pytest.fixture(scope="module")
def lived() -> Bench:
    """A worker that has seen everything once: broken events, a broken example, a fenced turn, a log that was away, a whole shop."""
    bench = Bench(settings_of(**ACTION))
    lines = shop_lines(users=600, days=12)
    bench.send([line.replace(b'"user_id"', b'"consent":"granted","user_id"') if number % 3 else line for number, line in enumerate(lines)])
    bench.log.append(bench.settings.topics.examples, [Message(b"{}", b"purchase", partition=0)])
    bench.faults["commit"] = [None, LogFull("for a moment"), None, Fenced("another has it")]
    loop = bench.loop()
    bench.drain(loop, step_s=5)
    bench.log.append(bench.settings.topics.models, [Message(b"{}", b"purchase", partition=0)])
    for _ in range(5):
        bench.clock.at_s += 20
        loop.turn()
    return bench


def series(bench: Bench) -> dict[str, list[tuple[dict[str, str], float]]]:
    """By metric, what its series say; of a histogram how many values it has counted."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in bench.metrics.registry.collect():
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            spec = BY_NAME.get(name) or BY_NAME.get(name.removesuffix("_count"))
            if spec:
                found.setdefault(spec.name, []).append((sample.labels, sample.value))
    return found


def test_every_metric_of_the_specification_is_seen(lived: Bench) -> None:
    found = series(lived)
    assert [spec.name for spec in METRICS if not found.get(spec.name) and spec.part != "delivery"] == []  # those are seen where something is delivered


def test_what_happened_is_counted(lived: Bench) -> None:
    found = series(lived)
    unmoved = {spec.name for spec in METRICS if spec.kind != "gauge" and spec.name in found and not any(value for _, value in found[spec.name])}
    # nothing of this has happened: nobody asked to be erased, the input was never away, nobody was fast enough, no weights went bad, no retention took anything
    assert unmoved == {
        "outages_total",
        "outcomes_voided_total",
        "offsets_skipped_total",
        "profile_evictions_total",
        "model_returns_total",
        "examples_skipped_total",
        "privacy_requests_total",
        "privacy_requests_refused_total",
        "privacy_request_delay_seconds",
    }


def test_no_label_takes_a_value_that_is_not_bounded(lived: Bench) -> None:
    for name, values in series(lived).items():
        spec = BY_NAME[name]
        for labels, _ in values:
            assert labels.keys() == set(spec.labels)
            for label, value in labels.items():
                configured = {
                    "target": tuple(lived.settings.targets),
                    "partition": ("0",),
                    "rule": tuple(ACTION["triggers"]),
                    "segment": tuple(ACTION["segments"]),
                }
                bounds = configured.get(label, spec.reasons if label == "reason" else LABELS[label].values)
                assert value in bounds or label in ("version", "python"), f"{name}: {label}={value}"


def test_segments_and_triggers_are_counted_as_they_are_published(lived: Bench) -> None:
    topics, action = lived.settings.topics, {"regulars": set[str]()}
    triggers = Counter(
        (r["rule"], r["result"], r.get("reason", "none")) for r in (json.loads(record.value or b"") for record in lived.log.read(topics.triggers, 0))
    )
    changes: Counter[tuple[str, str]] = Counter()
    for record in lived.log.read(topics.segments, 0):
        said = json.loads(record.value or b"")
        changes.update((name, change) for change in ("entered", "left") for name in said[change])
        (action["regulars"].add if "regulars" in said["segments"] else action["regulars"].discard)(said["user_id"])
    assert triggers
    assert {key: lived.metric("triggers_total", rule=key[0], result=key[1], reason=key[2]) for key in triggers} == triggers
    assert {key: lived.metric("segment_changes_total", segment=key[0], change=key[1]) for key in changes} == changes
    assert {change for _, change in changes} == {"entered", "left"}
    assert lived.metric("segment_members", segment="regulars") == len(action["regulars"])


def test_users_of_a_rule_are_told_by_arm_as_the_log_has_them(lived: Bench) -> None:
    (effect,) = effects(lived.log, lived.settings)
    totals = effect.totals
    assert totals.treated > totals.holdout > totals.judged_holdout > 0
    told = {(arm, known): lived.metric("uplift_users", rule="visit", arm=arm, known=known) for arm in ARMS for known in KNOWN}
    assert told == {
        ("treated", "assigned"): totals.treated,
        ("treated", "judged"): totals.judged_treated,
        ("treated", "converted"): totals.converted_treated,
        ("holdout", "assigned"): totals.holdout,
        ("holdout", "judged"): totals.judged_holdout,
        ("holdout", "converted"): totals.converted_holdout,
    }


def test_nothing_vanishes(lived: Bench) -> None:
    assert lived.metric("events_read_total") == lived.metric("events_scored_total") + lived.total("events_dropped") + lived.total("deadletter") > 2_900


def test_who_reads_finds_every_score_counted_and_none_twice() -> None:
    bench = Bench()
    bench.send(shop_lines())
    loop = bench.loop()
    for turns in range(1, 4):
        loop.turn()
        assert bench.metric("end_to_end_latency_seconds_count") == bench.metric("events_read_total") == 60 * turns
        for target in bench.settings.targets:
            assert bench.metric("score_probability_count", target=target) == bench.total("scores") > 0
            assert bench.metric("label_delay_seconds_count", target=target) == sum(
                bench.metric("examples_total", target=target, outcome=outcome) for outcome in ("happened", "absent")
            )


@pytest.mark.parametrize("lengths", [[50], [3, 1, 0, 20, 7, 19], [1] * 50])
def test_a_sample_is_the_same_whatever_the_turns(lengths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "ALL_AT_FIRST", 0)
    monkeypatch.setattr(monitor, "EVERY", 7)
    observed: list[list[int]] = []
    monkeypatch.setattr(Drift, "observe", lambda _, bins, p, time_ms: observed.append([*bins[:, 0], *p[:, 0].astype(int), *time_ms]))
    looking = monitor.Monitor(Metrics(Settings().targets), {"purchase": False})
    rows = np.arange(1, 51)
    for part in np.split(rows, np.cumsum(lengths)[:-1]):
        times = np.repeat(part, 2)  # every other score is a silent one
        mark = np.tile([EVENT, 0], len(part)).astype(np.int64)
        bins, p = np.where(mark == EVENT, times, 0)[:, None].astype(np.int32), np.where(mark == EVENT, times, 0.5)[:, None]
        looking.take(Scored(times, times, times, mark, bins, p, p, ("",), (0.0,)))
        if len(part) % 2:
            looking.look()
    looking.look()
    sample = [1, 8, 15, 22, 29, 36, 43, 50]
    assert sorted(chain.from_iterable(observed)) == sorted(3 * sample)


def test_measures_of_quality_are_those_of_a_replay(lived: Bench) -> None:
    """The examples are read from the log and judged by the class that judges replays."""
    records = [record for partition in range(3) for record in lived.log.read(lived.settings.topics.examples, partition)]
    examples = [Example.decode(record.value or b"") for record in records if record.value != b"{}"]
    for target in lived.settings.targets:
        mine = [example for example in examples if example.target == target]
        for facts, name in zip(matured(mine), ("event", "silence"), strict=True):
            evaluation = Evaluation()
            evaluation.observe(columns_of(facts))
            quality = evaluation.window.quality()
            labels = {"target": target, "cause": name}
            assert lived.metric("judged_decisions", **labels) == quality.n >= 20
            assert lived.metric("log_loss", **labels, model="published") == pytest.approx(quality.log_loss)
            assert lived.metric("log_loss", **labels, model="raw") == pytest.approx(quality.raw_log_loss)
            assert lived.metric("log_loss_baseline", **labels) == pytest.approx(quality.baseline_log_loss)
            for measure, value in (("roc_auc", quality.auc), ("calibration_ratio", quality.calibration_ratio)):
                told = lived.metrics.registry.get_sample_value(PREFIX + measure, labels)
                assert told == (None if math.isnan(value) else pytest.approx(value))  # nothing is said where nothing is known
            assert lived.metric("calibration_bin_observed", **labels, bin="1") == pytest.approx(quality.calibration[0].true)


def test_who_was_treated_is_told_as_the_examples_have_it(lived: Bench) -> None:
    records = [record for partition in range(3) for record in lived.log.read(lived.settings.topics.examples, partition)]
    examples = [one for one in (Example.decode(record.value or b"") for record in records if record.value != b"{}") if isinstance(one, Example)]
    told = treatments(lived.log, lived.settings)
    for target in lived.settings.targets:
        known = [one for one in examples if one.target == target and one.treated is not None]
        for cause, name in enumerate(("event", "silence")):
            mine = [one for one in known if one.cause == cause]
            assert told[target, name].n == len(mine) > 20
            share = sum(one.weight for one in mine if one.treated) / sum(one.weight for one in mine)
            assert lived.metric("treated_ratio", target=target, cause=name) == pytest.approx(share)
            for treated, says in ((True, "yes"), (False, "no")):
                group = [one for one in mine if one.treated is treated]
                came = sum(one.weight for one in group if one.outcome)
                labels = {"target": target, "cause": name, "treated": says}
                assert lived.metric("treatment_decisions", **labels) == len(group)
                ratio = lived.metrics.registry.get_sample_value(f"{PREFIX}treatment_calibration_ratio", labels)
                assert ratio == (pytest.approx(sum(one.weight * one.p for one in group) / came) if came else None)


def test_promtool_finds_nothing_to_say_of_a_working_worker(lived: Bench, promtool: Path) -> None:
    checked = subprocess.run([promtool, "check", "metrics"], input=generate_latest(lived.metrics.registry), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_trainer_that_takes_over_judges_what_was_judged_before(lived: Bench) -> None:
    labels = {"target": "purchase", "cause": "event"}
    before = lived.metric("log_loss", **labels, model="published"), lived.metric("judged_decisions", **labels)
    lived.happened.target_lost("purchase")
    assert "purchase" not in {labels.get("target") for labels, _ in series(lived)["log_loss"]}
    loop = lived.loop()
    loop.turn()
    lived.clock.at_s += 20
    loop.turn()
    assert (lived.metric("log_loss", **labels, model="published"), lived.metric("judged_decisions", **labels)) == pytest.approx(before)


def test_lag_is_told_in_records_and_seconds_and_ends_at_zero() -> None:
    bench = Bench(settings_of(service={"turn_events": 50}))
    bench.send(shop_lines())
    bench.clock.at_s += 30
    loop = bench.loop()
    loop.turn()
    assert bench.metric("lag_records", partition="0") == len(shop_lines()) - 50
    assert bench.metric("lag_seconds", partition="0") == pytest.approx(30, abs=1)
    bench.clock.at_s += 100  # the worker hangs, and it still grows
    assert bench.metric("lag_seconds", partition="0") == pytest.approx(130, abs=1)
    bench.drain(loop)
    bench.clock.at_s += 2
    loop.turn()
    assert (bench.metric("lag_records", partition="0"), bench.metric("lag_seconds", partition="0")) == (0, 0)
    bench.clock.at_s += 3600  # nothing came for an hour, and then one event: it has not waited for an hour
    loop.turn()
    bench.send(shop_lines()[:51])
    bench.clock.at_s += 2
    loop.turn()
    assert bench.metric("lag_records", partition="0") == 1
    assert bench.metric("lag_seconds", partition="0") <= 2


def test_a_partition_given_up_leaves_no_series() -> None:
    bench = Bench(partitions=2)
    bench.send(shop_lines())
    bench.drain(bench.loop())
    bench.clock.at_s += 2
    bench.loop().turn()
    partitions = {labels["partition"] for name in ("lag_records", "lag_seconds", "watermark_timestamp_seconds") for labels, _ in series(bench)[name]}
    assert partitions == {"0", "1"}
    bench.happened.assignment_changed({1})
    for name in ("lag_records", "lag_seconds", "watermark_timestamp_seconds"):
        assert {labels["partition"] for labels, _ in series(bench)[name]} == {"1"}
    assert bench.metric("assigned_partitions") == 1
    bench.happened.lag_seen({0: 7}, {})  # a late word of what is gone
    assert {labels["partition"] for labels, _ in series(bench)["lag_records"]} == {"1"}


def test_a_restore_is_told_while_it_lasts() -> None:
    bench = Bench()
    bench.happened.restores_began(2)
    bench.happened.restore_progressed(0, 40, 100, 1.0)
    assert (bench.metric("restoring_partitions"), bench.metric("restore_remaining_records")) == (2, 60)
    bench.happened.partition_restored(0, 100, 10, 5, 2.5)
    assert (bench.metric("restoring_partitions"), bench.metric("restore_remaining_records")) == (1, 0)
    assert bench.metric("restore_duration_seconds_sum") == 2.5
