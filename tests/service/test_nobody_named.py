"""A user's id is planted wherever records come from, damaged or not: no error and no line of the log shows it, and a damaged record is found all the same."""

from __future__ import annotations

import json

import orjson
import pytest

from tests.core.laws.test_restore import DECISION, ROW
from tests.service.bench import Bench, settings_of
from worker.commands.errors import guarded
from worker.core.privacy.requests import Request, RequestRefused
from worker.delivery.reading.trigger import TriggerUnreadable, read_trigger
from worker.log.contract import Message, Topic
from worker.service.scoring.restore import StateUnusable, restored_pipeline

ANNA = "anna-4711"
SETTINGS = settings_of(segments={"browsers": {"when": "sessions >= 1"}})
PROFILE = Message(json.dumps({"schema": 1, "layout": 1, "row": ROW}).encode(), f"u:{ANNA}".encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"u:{ANNA}", b"no JSON"),
        (f"u:{ANNA}", b'{"schema":7}'),
        (f"u:{ANNA}", b'{"schema":1,"layout":99,"row":""}'),
        (f"d:{ANNA}:5.-1", b"no JSON"),
        (f"d:{ANNA}:5.-1", orjson.dumps({**DECISION, "p": [7.0] * len(DECISION["p"])})),  # type: ignore[arg-type]
        (f"a:{ANNA}", b"{}"),
        (f"l:{ANNA}", b"{}"),
        (f"x:{ANNA}", b"{}"),
    ],
)
def test_state_that_is_refused_is_named_by_its_place_alone(key: str, value: bytes) -> None:
    bench = Bench()
    bench.log.create([Topic("state", 1, "compact")])
    bench.log.append("state", [PROFILE, Message(value, key.encode())])
    with pytest.raises(StateUnusable) as raised:
        restored_pipeline(bench.log, "state", 0, SETTINGS.core, bench.clock, bench.happened, SETTINGS.plan)
    assert "topic state, partition 0, offset 1" in str(raised.value)
    assert ANNA not in str(raised.value)
    assert ANNA not in bench.lines.getvalue()


@pytest.mark.parametrize("field", ["schema", "request", "request_id", "user_id", "time_ms"])
def test_what_is_no_request_is_refused_without_its_values(field: str) -> None:
    record = orjson.loads(Request("DELETE", "r", "u", 1).encode())
    with pytest.raises(RequestRefused) as refused:
        Request.decode(ANNA.encode(), orjson.dumps({**record, field: [ANNA] if field in ("request_id", "user_id") else ANNA}))
    assert ANNA not in str(refused.value)


@pytest.mark.parametrize("value", [ANNA.encode(), b'{"schema":"%s"}' % ANNA.encode(), b'{"schema":1,"result":"%s"}' % ANNA.encode()])
def test_what_is_no_trigger_is_refused_without_its_values(value: bytes) -> None:
    with pytest.raises(TriggerUnreadable) as refused:
        read_trigger(value)
    assert ANNA not in str(refused.value)


def test_what_nobody_foresaw_tells_its_place_and_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench()

    def fail() -> None:
        raise KeyError(ANNA)

    try:
        fail()
    except KeyError as error:
        bench.happened.endpoint_failed(error)
    (line,) = bench.happenings("endpoint failed")
    assert line["error"] == "KeyError"
    assert line["at"].startswith("test_nobody_named.py, line ")
    assert guarded(fail) == 1
    told = capsys.readouterr().err
    assert "unexpected KeyError" in told
    assert ANNA not in told + bench.lines.getvalue()
