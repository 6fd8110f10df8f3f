"""`clickscore run`: works until it is told to stop, and refuses with words and the right code what it cannot do."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.commands.service_files import CONFIGURATION, clickscore, shop_lines
from worker.core.events.decoding import decode
from worker.log.embedded import EmbeddedLog


def test_sigterm_ends_it_with_all_that_was_scored_and_learned_published(worked_on: Path) -> None:
    said = [json.loads(line) for line in (worked_on / "run.txt").read_text().splitlines()]
    happened = [line["event"] for line in said]
    assert happened[0] == "worker started"
    assert happened[-1] == "worker stopped"
    assert "stopping" in happened
    log = EmbeddedLog(worked_on / "shop.db", create=False)
    scores = [record.value or b"" for record in log.read("clickscore.scores", 0)]
    learned = log.committed("clickscore.trainer", "clickscore.examples")
    models = {record.key for record in log.read("clickscore.models", 0)}
    log.close()
    events = {event_id for event_id in decode(shop_lines())[0].event_id if event_id}
    assert sum(b'"cause":"event"' in score for score in scores) == len(events)
    assert learned[1] > 0
    assert b"intent" in models


def test_a_port_that_is_taken_ends_it_with_78(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = clickscore("run", "--embedded", "shop.db", "--endpoint-port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert refused.returncode == 78
    assert "--endpoint-port" in refused.stderr


def test_roles_that_do_not_exist_end_it_with_78_and_name_the_flag(tmp_path: Path) -> None:
    refused = clickscore("run", "--embedded", "shop.db", "--roles", "scorer,judge", cwd=tmp_path)
    assert refused.returncode == 78
    assert "--roles" in refused.stderr
    assert not (tmp_path / "shop.db").exists()


def test_a_file_that_is_no_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("a letter")
    (tmp_path / "clickscore.toml").write_text(CONFIGURATION)
    refused = clickscore("run", "--embedded", "shop.db", cwd=tmp_path)
    assert refused.returncode == 78
    assert (tmp_path / "shop.db").read_text() == "a letter"
    assert "to do:" in refused.stderr
