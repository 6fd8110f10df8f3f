"""A run continued from a snapshot is the unbroken run; what cannot be continued is refused with a reason."""

from __future__ import annotations

import zlib
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.drawn_examples import EXAMPLES, LAYOUT, TABLE_SIZE, TARGET, example, settings
from worker.core.labels.examples import Example
from worker.core.learning.snapshot import Snapshot, SnapshotError, meaning
from worker.core.learning.trainer import Trainer
from worker.core.scoring import calibration


def trainer(**changes: Any) -> Trainer:
    return Trainer(TARGET, settings(**changes), TABLE_SIZE, LAYOUT)


def trained() -> Trainer:
    made = trainer()
    made.learn_many([example([1 + i % 7, 20 + i % 3], outcome=i % 4 == 0, cause=i % 2) for i in range(50)], {0: 50})
    return made


@given(
    examples=st.lists(EXAMPLES, max_size=40),
    cut=st.integers(0, 40),
    optimizer=st.sampled_from(["ftrl", "adagrad", "sgd"]),
    scheme=st.sampled_from(["maturity", "fake_negative"]),
)
def test_restore_a_run_continued_from_a_snapshot_gives_the_bytes_of_the_unbroken_run(examples: list[Example], cut: int, optimizer: str, scheme: str) -> None:
    chosen = {"optimizer": optimizer, "scheme": scheme}
    whole, first = trainer(**chosen), trainer(**chosen)
    with patch.object(calibration, "OUTCOMES_NEEDED", 1):  # so that so few examples move it
        whole.learn_many(examples, {0: 40})
        first.learn_many(examples[:cut], {0: cut})
        again = Trainer.from_snapshot(TARGET, settings(**chosen), TABLE_SIZE, LAYOUT, Snapshot.decode(first.snapshot().encode()))
        again.learn_many(examples[cut:], {0: 40})
    assert again.snapshot().encode() == whole.snapshot().encode()
    assert (again.scorecard().weights == whole.scorecard().weights).all()
    assert (again.scorecard().calibration == whole.scorecard().calibration).all()


def test_a_restored_trainer_returns_to_what_was_restored() -> None:
    made = trained()
    again = Trainer.from_snapshot(TARGET, settings(), TABLE_SIZE, LAYOUT, made.snapshot())
    again.model.weights[1] = np.nan
    again.learn(example([1]))
    made.learn(example([1]))
    assert again.returns == 1
    assert again.snapshot().encode() == made.snapshot().encode()


def test_a_snapshot_does_not_change_when_learning_goes_on() -> None:
    made = trained()
    snapshot = made.snapshot()
    before = snapshot.encode()
    made.learn_many([example([1], outcome=True)] * 5, {0: 55})
    assert snapshot.encode() == before


def test_scorers_get_the_trainers_scorecard_without_a_trainer() -> None:
    made = trained()
    ours, theirs = Snapshot.decode(made.snapshot().encode()).scorecard(made.settings.abstain_below), made.scorecard()
    assert (ours.weights == theirs.weights).all()
    assert (ours.calibration == theirs.calibration).all()
    for name in ("target", "version", "layout", "intercept", "warming_up", "base_rate"):
        assert getattr(ours, name) == getattr(theirs, name)


@given(st.lists(st.integers(1, 5_000), unique=True, max_size=50), st.data())
def test_every_float_comes_back_to_the_bit(bins: list[int], data: st.DataObject) -> None:
    floats = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=len(bins), max_size=len(bins))
    arrays = {name: np.array(data.draw(floats)) for name in ("weights", "z", "n")}
    made = Snapshot("t", "1", 5_001, meaning(settings()), {"learned": 3}, np.array(sorted(bins), dtype=np.int32), arrays)
    back = Snapshot.decode(made.encode())
    assert back.bins.tolist() == sorted(bins)
    assert {name: array.tobytes() for name, array in back.arrays.items()} == {name: array.tobytes() for name, array in arrays.items()}
    assert back.encode() == made.encode()


def test_a_touched_bin_takes_no_more_bytes_than_the_docs_say() -> None:
    chance = np.random.default_rng(0)
    bins = np.sort(chance.choice(np.arange(1, 100_000), 20_000, replace=False)).astype(np.int32)
    arrays = {name: chance.normal(size=len(bins)) for name in ("weights", "z", "n")}
    value = Snapshot("t", "1", 100_000, meaning(settings()), {"learned": 3}, bins, arrays).encode()
    assert len(value) / len(bins) < 24


# ---- refusals


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "churn"}, "the snapshot is of target purchase, not of churn"),
        ({"layout": "2-other"}, "its bins have layout 1-abcd, this program's have 2-other"),
        ({"table_size": 128}, "its bins have layout"),
        ({"settings": settings(optimizer="sgd")}, "it was learned with optimizer = 'ftrl', the configuration has 'sgd'"),
        ({"settings": settings(horizon="8 d")}, "it was learned with horizon_ms = 604800000, the configuration has 691200000"),
        ({"settings": settings(outcome="add_to_cart")}, "it was learned with outcome = 'purchase'"),
    ],
)
def test_a_snapshot_of_something_else_is_refused(changes: dict[str, Any], said: str) -> None:
    asked = {"target": TARGET, "settings": settings(), "table_size": TABLE_SIZE, "layout": LAYOUT, **changes}
    with pytest.raises(SnapshotError, match=said):
        Trainer.from_snapshot(asked["target"], asked["settings"], asked["table_size"], asked["layout"], trained().snapshot())


def test_a_changed_learning_rate_is_learned_on_with() -> None:
    again = Trainer.from_snapshot(TARGET, settings(alpha=0.2), TABLE_SIZE, LAYOUT, trained().snapshot())
    again.learn(example([1]))
    assert again.learned == 51


def test_a_newer_form_is_refused_by_number() -> None:
    header, _, rest = trained().snapshot().encode().partition(b"\n")
    newer = orjson.dumps({**orjson.loads(header), "schema": 3}) + b"\n" + rest
    with pytest.raises(SnapshotError, match="has form 3, this program reads form 2"):
        Snapshot.decode(newer)


def test_the_form_before_is_read_as_one_without_a_level() -> None:
    made = trained()
    header, _, rest = made.snapshot().encode().partition(b"\n")
    old = orjson.loads(header) | {"schema": 1}
    del old["numbers"]["level"]
    body = orjson.dumps(old) + b"\n" + rest[:-4]
    again = Trainer.from_snapshot(TARGET, settings(), TABLE_SIZE, LAYOUT, Snapshot.decode(body + zlib.crc32(body).to_bytes(4, "little")))
    assert again.snapshot().encode() == made.snapshot().encode()


@given(st.data())
def test_damage_anywhere_is_noticed(data: st.DataObject) -> None:
    value = bytearray(trained().snapshot().encode())
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SnapshotError):
        Snapshot.decode(bytes(value))


@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda length: trained().snapshot().encode()[:length]))
def test_what_is_no_snapshot_is_refused(value: bytes) -> None:
    with pytest.raises(SnapshotError):
        Snapshot.decode(value)
