"""Patience with a log: what is asked again, how often, and when that has an end."""

from __future__ import annotations

import pytest

from tests.service.bench import Bench, Clock
from worker.log.errors import LogError, LogUnavailable, RecordRefused, UnknownTopic
from worker.service.patience import Patience


class Call:
    """Fails so often, then returns 7."""

    def __init__(self, error: LogError, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return 7


def patience(limit_s: float = 60.0, stopping: bool = False) -> tuple[Patience, Clock]:
    bench = Bench()
    return Patience(bench.clock, bench.happened, lambda: stopping, limit_s), bench.clock


@pytest.mark.parametrize("error", [LogUnavailable("away"), UnknownTopic("not known to a broker that has just started")], ids=["away", "unknown topic"])
def test_what_may_pass_is_asked_again_until_it_has(error: LogError) -> None:
    patient, clock = patience()
    call = Call(error, 5)
    assert patient.call("poll", call) == 7
    assert call.calls == 6
    assert clock.slept_s == sorted(clock.slept_s)


@pytest.mark.parametrize("error", [LogUnavailable("away"), UnknownTopic("deleted")], ids=["away", "unknown topic"])
def test_patience_has_an_end(error: LogError) -> None:
    patient, clock = patience(limit_s=10.0)
    with pytest.raises(type(error)):
        patient.call("poll", Call(error, 1_000))
    assert sum(clock.slept_s) <= 10.0


def test_all_else_and_all_when_stopping_is_final_at_once() -> None:
    for patient, error in ((patience()[0], RecordRefused("too large")), (patience(stopping=True)[0], LogUnavailable("away"))):
        call = Call(error, 1_000)
        with pytest.raises(type(error)):
            patient.call("poll", call)
        assert call.calls == 1
