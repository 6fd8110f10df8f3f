"""State that must not be gone on from is refused in words: what, where in the log, and what to do; with the exit code of a wrong configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.bench import Bench, settings_of
from worker.log.contract import Message, Topic
from worker.log.embedded import EmbeddedLog
from worker.service.scoring.restore import StateUnusable, restored_pipeline


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"not JSON", "not JSON"),
        (b'{"schema":1,"layout":99,"row":""}', "layout 99"),
        (b'{"schema":7}', "newer program"),
    ],
)
def test_a_record_that_cannot_be_gone_on_from_is_named_with_its_place(tmp_path: Path, value: bytes, words: str) -> None:
    bench, log = Bench(), EmbeddedLog(tmp_path / "log")
    log.create([Topic("profiles", 2, "compact")])
    log.append("profiles", [Message(b'"a text"', b"l:7", partition=1), Message(value, b"u:anna", partition=1)])
    with pytest.raises(StateUnusable, match=words) as raised:
        restored_pipeline(log, "profiles", 1, settings_of().core, bench.clock, bench.happened)
    assert "topic profiles, partition 1, offset 1" in str(raised.value)
    assert raised.value.exit_code == 78

    log.append("profiles", [Message(None, b"u:anna", partition=1)])  # as the message says
    assert restored_pipeline(log, "profiles", 1, settings_of().core, bench.clock, bench.happened).state.labels == {7: "a text"}
    log.close()
