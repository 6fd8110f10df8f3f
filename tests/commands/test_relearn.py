"""`clickscore relearn`: tried out, handed over, and taken over by the worker that runs; and what it says of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.kafka_commands import run, said
from tests.commands.test_privacy import LINES, Worked
from worker.core.learning.relearned import is_relearned
from worker.service.assembly import trainer_group

EARLY = json.loads(LINES[0])["user_id"]  # windows of decisions have closed by the end


@pytest.fixture
def worked(tmp_path: Path) -> Iterator[Worked]:
    worked = Worked(tmp_path)
    yield worked
    worked.log.close()


def relearn(worked: Worked, *arguments: str) -> int:
    return run("relearn", *arguments, "--embedded", worked.path, "--config", worked.file)


def marks(worked: Worked) -> int:
    topic = worked.settings.topics.examples
    return sum(is_relearned(record.key) for partition in range(worked.log.partition_count(topic)) for record in worked.log.read(topic, partition))


def test_from_a_dry_run_to_a_model_in_force(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    assert relearn(worked) == 0
    assert said(capsys)[0] == "No trainer has learned anything yet: there is nothing to learn anew.\n"
    worked.turns(6)
    assert worked.command("delete", EARLY) == 0
    worked.turns(3)
    said(capsys)
    assert relearn(worked, "--dry-run") == 0
    told = said(capsys)[0]
    counts = {name: (int(read), int(erased)) for name, read, erased in re.findall(r"(\w+): (\d+) examples read, (\d+) of erased users passed over", told)}
    positions = worked.log.committed(trainer_group(worked.settings), worked.settings.topics.examples)
    assert {name: read for name, (read, _) in counts.items()} == dict(zip(worked.settings.targets, positions.values(), strict=True))
    assert sum(erased for _, erased in counts.values()) > 0
    assert len(re.findall(r"log-loss on the latest \d+: 0\.\d{4}, of the model that runs 0\.\d{4}", told)) == len(counts)
    assert told.endswith("A dry run: nothing was changed.\n")
    assert marks(worked) == 0

    assert relearn(worked, "--wait", "1 ms") == 0
    assert "Handed over, and not taken within 1 ms: purchase, intent, churn." in said(capsys)[0]
    assert marks(worked) == len(counts)
    worked.turns(3)
    assert worked.lines.getvalue().count("relearned model taken over") == len(counts)
    assert relearn(worked, "--wait", "soon") == 2
    assert "is not a duration" in said(capsys)[1]
