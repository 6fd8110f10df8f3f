"""`clickscore send`: every line of the file is in the log, under its user's key."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.commands.service_files import clickscore, shop_lines
from worker.log.embedded import EmbeddedLog


def values(file: Path) -> list[bytes | None]:
    log = EmbeddedLog(file, create=False)
    found = [record.value for p in range(log.partition_count("clickstream.events")) for record in log.read("clickstream.events", p)]
    log.close()
    return found


def test_it_says_how_many_went_where_and_which_the_worker_will_refuse(worked_on: Path) -> None:
    said = (worked_on / "sent.txt").read_text()
    assert f"sent {len(shop_lines()) + 1:,} events to shop.db" in said
    assert "dead letters" in said
    assert values(worked_on / "shop.db") == [*shop_lines(), b"not json"]


def test_standard_input_goes_into_a_log_with_as_many_partitions_as_asked_for(tmp_path: Path) -> None:
    done = clickscore("send", "-", "--embedded", "new.db", "--partitions", "4", cwd=tmp_path, text=gzip.compress(b"\n".join(shop_lines())))
    assert done.returncode == 0, done.stderr
    assert sorted(value or b"" for value in values(tmp_path / "new.db")) == sorted(shop_lines())
    again = clickscore("send", "-", "--embedded", "new.db", "--partitions", "3", cwd=tmp_path)
    assert again.returncode == 78
    assert "has 4 partitions" in again.stderr


def test_a_file_that_breaks_off_says_how_much_of_it_was_sent(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"\n".join(shop_lines()))[:-2_000])
    done = clickscore("send", "cut.gz", "--embedded", "new.db", cwd=tmp_path)
    assert done.returncode == 1
    assert "cut off" in done.stderr
    sent = values(tmp_path / "new.db")
    assert sent == shop_lines()[: len(sent)]
    assert f"sent {len(sent):,} events" in done.stdout


def test_a_missing_file_makes_no_log(tmp_path: Path) -> None:
    done = clickscore("send", "nothing.jsonl", "--embedded", "new.db", cwd=tmp_path)
    assert done.returncode == 1
    assert "no such file" in done.stderr
    assert not (tmp_path / "new.db").exists()
