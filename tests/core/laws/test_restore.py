"""Law 5, restore: a profile rebuilt from its changelog equals the live one byte for byte, and whatever cannot be read is refused in words."""

from __future__ import annotations

import base64
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.runs import COMPLETE, Run, example_key, profile_rows, restored, run, scorecards
from tests.core.shops import DAY_MS, START_MS, Value, cuts, shop, shops
from worker.core.labels.decisions import EVENT
from worker.core.labels.examples import Example
from worker.core.profiles import layout as at
from worker.core.scoring.slots import LAYOUT, SLOTS
from worker.core.state.changelog import Restored, StateRefused
from worker.core.state.decision_records import form
from worker.core.state.sparse_rows import BITMAP


@settings(max_examples=30)
@given(shops(), st.randoms(use_true_random=False))
def test_a_rebuilt_profile_equals_the_live_one(values: list[Value], chance: random.Random) -> None:
    live = run(values, cuts(chance, len(values), 20), finish=False)
    again = restored(live)
    assert profile_rows(again) == profile_rows(live.pipeline)
    assert (again.watermark.value, again.state.held, again.state.labels) == (
        live.pipeline.watermark.value,
        live.pipeline.state.held,
        live.pipeline.state.labels,
    )
    assert [(held.seen) for held in again.watermark.held] == [held.seen for held in live.pipeline.watermark.held]
    assert len(again.decisions) == len(live.pipeline.decisions)


@settings(max_examples=20)
@given(shops(40), st.integers(0, 20 * DAY_MS))
def test_a_restored_pipeline_falls_silent_like_the_live_one(values: list[Value], elapsed_ms: int) -> None:
    live = run(values, finish=False)
    again = Run(restored(live))
    for one in (live, again):
        one.scores.clear()
        one.examples.clear()
        one.take(one.pipeline.idle(elapsed_ms, scorecards()))
    assert again.scores == live.scores
    assert sorted(map(example_key, again.examples)) == sorted(map(example_key, live.examples))


SPARSE = base64.b64encode(bytes(BITMAP)).decode()  # all numbers are 0
ROW = base64.b64encode(np.zeros(at.WIDTH).tobytes()).decode()
SHORT = base64.b64encode(np.zeros(at.WIDTH - 1).tobytes()).decode()

PARTITION = json.dumps({"schema": 1, "watermark_ms": 5, "outages": {}, "held": []}).encode()
BINS = base64.b64encode(bytes(4 * len(SLOTS))).decode()
DECISION: dict[str, object] = {
    "schema": 1,
    "layout": LAYOUT,
    "time_ms": START_MS,
    "offset": 5,
    "mark": -1,
    "draw": 0.25,
    "final_ms": START_MS,
    "weight": 1.0,
    "models": ["a@1"],
    "bins": BINS,
    "raw": [0.1],
    "p": [0.1],
    "outcome": [0],
    "announced": [0],
}
PACKED = b'{"schema":2,"layout":"%s","models":["a@1"],"packed":"%s"}' % (LAYOUT.encode(), base64.b64encode(bytes(form(1).itemsize)))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (b"u:u1", {"schema": 3, "layout": 1, "sparse": SPARSE}, "newer program"),
        (b"u:u1", {"schema": 2, "layout": at.LAYOUT_VERSION + 1, "columns": at.WIDTH, "sparse": SPARSE}, "layout 2"),
        (b"u:u1", {"schema": 2, "layout": 1, "columns": at.WIDTH - 1, "sparse": SPARSE}, f"{at.WIDTH - 1} numbers"),
        (b"u:u1", {"schema": 2, "layout": 1, "columns": at.WIDTH, "sparse": SPARSE[:-4]}, "cut short"),
        (b"u:u1", {"schema": 2, "layout": 1, "columns": at.WIDTH, "sparse": "B" + SPARSE[1:]}, "not those that it names"),
        (b"u:u1", {"schema": 2, "layout": 1, "columns": str(at.WIDTH), "sparse": SPARSE}, "cannot be read"),
        (b"u:u1", {"schema": 2, "layout": 1, "columns": at.WIDTH, "sparse": None}, "cannot be read"),
        (b"u:u1", b'{"schema":2,"layout":1,"columns":%d,"sparse":"!"}' % at.WIDTH, "cannot be read"),
        (b"u:u1", {"schema": 1, "layout": at.LAYOUT_VERSION + 1, "row": ROW}, "layout 2"),
        (b"u:u1", {"schema": 1, "layout": 1, "row": SHORT}, f"{at.WIDTH - 1} numbers"),
        (b"u:u1", {"schema": 1, "layout": 1, "row": ROW[:-3]}, "cannot be read"),
        (b"u:u1", {"schema": 1, "layout": 1, "row": "no base64!"}, "cannot be read"),
        (b"u:u1", {"schema": 1, "layout": 1, "row": None}, "cannot be read"),
        (b"u:u1", {"schema": 1, "layout": 1}, "cannot be read"),
        (b"u:u1", {"schema": "x", "layout": 1, "row": ROW}, "cannot be read"),
        (b"u:u1", {"schema": 1, "layout": None, "row": ROW}, "cannot be read"),
        (b"u:u1", [1], "cannot be read"),
        (b"u:u1", b'{"schema":1,"layout":1,"ro', "cannot be read: not JSON"),
        (b"u:u1", b"", "cannot be read: not JSON"),
        (b"d:u1:5.-1", {"schema": 9}, "newer program"),
        (b"d:u1:5.-1", PACKED[:-6] + b'"}', "do not belong together"),
        (b"d:u1:5.-1", PACKED.replace(b'"packed":"', b'"packed":"!'), "cannot be read"),
        (b"d:u1:5.-1", PACKED.replace(b'["a@1"]', b"[]"), "no list of names"),
        (b"d:u1:5.-1", PACKED.replace(b'["a@1"]', b'"a@1"'), "no list of names"),
        (b"d:u1:5.-1", PACKED.replace(b'["a@1"]', b'["a@1","b@1"]'), "do not belong together"),
        (b"d:u1:5.-1", PACKED.replace(b',"packed"', b',"wrapped"'), "cannot be read"),
        (b"d:u1:5.-1", {"schema": 1, "layout": LAYOUT}, "cannot be read"),
        (b"d:u1:5.-1", b"\xff", "cannot be read: not JSON"),
        (b"d:u1:5.-1", 7, "cannot be read"),
        (b"d:u1:5.-1", DECISION | {"bins": BINS[:-4]}, "cannot be read"),
        (b"d:u1:5.-1", DECISION | {"p": [0.1, 0.2]}, "cannot be read"),
        (b"d:u1:5.-1", DECISION | {"draw": "0.5"}, "cannot be read"),
        (b"d:u1:5.-1", DECISION | {"time_ms": 1.5}, "cannot be read"),
        (b"l:12", b"hats", "cannot be read"),
        (b"l:hats", b'"hats"', "cannot be read"),
        (b"p:", {"schema": 2}, "newer program"),
        (b"p:", b"{", "cannot be read: not JSON"),
        (b"p:", b'"x"', "cannot be read"),
        (b"p:", {"schema": 1}, "cannot be read"),
        (b"p:", {"schema": 1, "watermark_ms": 5, "outages": {}, "held": [[1, "!", 0]]}, "cannot be read"),
        (b"p:", {"schema": 1, "watermark_ms": "5", "outages": {}, "held": []}, "cannot be read"),
        (b"x:u1", b"{}", "unknown kind"),
        (b"", b"{}", "unknown kind"),
        (None, b"{}", "unknown kind"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_in_words(key: bytes | None, value: object, words: str) -> None:
    with pytest.raises(StateRefused, match=words) as refused:
        Restored().apply(key, value if isinstance(value, bytes) else json.dumps(value).encode())
    assert refused.value.problems[0].todo


@pytest.mark.parametrize(
    ("name", "value"), [("raw", 0.0), ("p", 1.0), ("p", float("nan")), ("level", float("inf")), ("weight", 0.0), ("outcome", 5), ("bins", 65_535)]
)
def test_a_decision_with_a_value_that_cannot_be_is_refused_with_its_key(name: str, value: float) -> None:
    changelog = Restored()
    changelog.apply(b"u:u1", json.dumps({"schema": 1, "layout": 1, "row": ROW}).encode())
    changelog.apply(b"d:u1:5.-1", json.dumps(DECISION).encode())
    assert len(changelog.decision_columns({"u1": 0}, ["a"]).rows) == 1
    damaged = np.frombuffer(changelog.decisions[b"d:u1:5.-1"].packed, form(1)).copy()
    damaged[name] = value
    changelog.apply(b"d:u1:6.-1", PACKED[: PACKED.rindex(b":") + 2] + base64.b64encode(damaged.tobytes()) + b'"}')
    with pytest.raises(StateRefused, match="a value that its field cannot have") as refused:
        changelog.decision_columns({"u1": 0}, ["a"])
    assert refused.value.key == b"d:u1:6.-1"
    assert "u1" not in str(refused.value)
    assert len(changelog.decision_columns({}, ["a"]).rows) == 0


@pytest.mark.parametrize("damage", [{"version": 99}, {"levels": 3, "version": None}, {"outages": [["x"]]}])
def test_what_is_known_of_outages_is_refused_where_it_cannot_be_read(damage: dict[str, object]) -> None:
    done = run(shop(8, 50))
    record = json.loads(done.changelog[b"p:"])
    done.changelog[b"p:"] = json.dumps(record | {"outages": record["outages"] | damage}).encode()
    with pytest.raises(StateRefused, match="outages"):
        restored(done)


def test_what_a_tombstone_removes_is_gone_and_a_decision_of_another_layout_is_let_go() -> None:
    changelog = Restored()
    row = json.dumps({"schema": 1, "layout": 1, "row": ROW}).encode()
    for key, value in (
        *((b"u:a", row), (b"u:b", row), (b"u:a", None), (b"u:never", None), (b"d:never:1.-1", None)),
        *((key, json.dumps(DECISION).encode()) for key in (b"d:b:5.-1", b"d:b:6.-1", b"d:b:7.-1")),
        *((b"p:", PARTITION), (b"p:", None)),
        *((b"d:b:6.-1", None), (b"d:b:7.-1", json.dumps(DECISION | {"layout": "0-other", "bins": "?"}).encode())),
    ):
        changelog.apply(key, value)
    assert list(changelog.profiles) == ["b"]
    assert changelog.partition == {}
    assert list(changelog.decisions) == [b"d:b:5.-1"]


@pytest.mark.parametrize("names", [("churn", "cart"), ("cart", "churn", "intent", "purchase"), ("intent",)])
def test_pending_decisions_outlive_a_change_of_targets(names: tuple[str, ...]) -> None:
    values = shop(8, 600)
    old = COMPLETE.model_copy(update={"targets": {name: target for name, target in COMPLETE.targets.items() if name != "cart"}})
    new = COMPLETE.model_copy(update={"targets": {name: COMPLETE.targets[name] for name in names}})
    before = run(values[:400], settings=old, finish=False)
    carried_on = run(values, [400, 200], settings=old)
    after = Run(restored(before, new))
    after.take(after.pipeline.turn(values[400:], range(400, 600), scorecards(new)))
    after.take(after.pipeline.finish(scorecards(new)))

    def of_old_decisions(examples: list[Example]) -> set[tuple[object, ...]]:
        return {
            (example.decision_id, example.target, example.outcome, example.p, example.model)
            for example in examples
            if example.target in names and example.model.startswith(example.target) and example.decision_id in pending
        }

    decisions = before.pipeline.decisions
    live = decisions.serial > 0
    pending = {f"0-{offset}" if mark == EVENT else f"0-{offset}.{mark + 1}" for offset, mark in zip(decisions.offset[live], decisions.mark[live], strict=True)}
    assert len(pending) > 100
    expected = of_old_decisions(carried_on.examples[len(before.examples) :])
    assert len(expected) > 20
    assert of_old_decisions(after.examples) == expected
