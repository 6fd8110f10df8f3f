"""Where Kafka is found, in which order, and what is said where it is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.demo.programs import COPIES, JAVA_17, Programs
from worker.demo.broker import Image, Jars, Running, find, sources

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0  # only reached when something is broken


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def test_a_running_broker_comes_before_all_others(programs: Programs) -> None:
    programs.environ |= {"KAFKA_BOOTSTRAP": "somewhere:9092", "KAFKA_HOME": "nowhere"}
    assert programs.find() == Running("somewhere:9092")


def test_an_unpacked_kafka_comes_before_maven(programs: Programs, tmp_path: Path) -> None:
    java = programs.add("java", JAVA_17)
    programs.add("mvn", COPIES)
    (tmp_path / "kafka/libs").mkdir(parents=True)
    (tmp_path / "kafka/libs/kafka_2.13-3.9.0.jar").touch()
    programs.environ["KAFKA_HOME"] = str(tmp_path / "kafka")
    assert programs.find() == Jars(str(java), f"{tmp_path}/kafka/libs/*")
    assert not programs.calls.exists()


def test_a_kafka_home_that_is_none_is_refused_and_not_passed_over(programs: Programs, tmp_path: Path) -> None:
    programs.add("java", JAVA_17)
    programs.environ["KAFKA_HOME"] = str(tmp_path)
    assert f"KAFKA_HOME is no unpacked Kafka: its folder libs has no kafka_*.jar\n  where: {tmp_path}\n  to do: " in programs.missing()


def test_jars_are_fetched_once(programs: Programs) -> None:
    java = programs.add("java", JAVA_17)
    programs.add("mvn", COPIES)
    said: list[str] = []
    expected = Jars(str(java), f"{programs.cache}/kafka-4.1.1/*")
    assert find(programs.environ, cache=programs.cache, say=said.append) == find(programs.environ, cache=programs.cache, say=said.append) == expected
    assert len(said) == 1
    assert "fetching Kafka 4.1.1 with Maven" in said[0]
    assert programs.calls.read_text() == "once\n"
    assert programs.cached() == ["kafka-4.1.1"]


def test_java_home_comes_before_the_path(programs: Programs, tmp_path: Path) -> None:
    programs.add("java", "exit 1")
    (tmp_path / "jdk").mkdir()
    java = Programs(tmp_path / "jdk").add("java", JAVA_17)
    programs.environ["JAVA_HOME"] = str(tmp_path / "jdk")
    assert sources.find_java(programs.environ) == str(java)


# ---- what is missing


def test_missing_java_and_engine_are_named_with_what_to_do(programs: Programs) -> None:
    message = programs.missing()
    assert "no Java on the PATH; no docker on the PATH, no podman on the PATH" in message
    assert "install Java 17 and Maven" in message
    assert "KAFKA_BOOTSTRAP" in message
    assert "KAFKA_HOME" in message


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'java version \"1.8.0_392\"' >&2", "is Java 8, and Kafka needs 17 or newer"),
        ("echo 'openjdk version \"11.0.21\"' >&2", "is Java 11, and Kafka needs 17 or newer"),
        ("echo 'No Java runtime present' >&2; exit 1", "does not say its version but: No Java runtime present"),
    ],
)
def test_a_java_that_will_not_do_is_named(programs: Programs, script: str, said: str) -> None:
    java = programs.add("java", script)
    assert f"{java} {said}" in programs.missing()


def test_missing_maven_is_named(programs: Programs) -> None:
    programs.add("java", JAVA_17)
    programs.add("docker", "exit 1")
    assert "no Maven (mvn) on the PATH to fetch Kafka with; docker is there, but its engine does not answer, no podman" in programs.missing()


def test_a_failed_download_is_told_in_mavens_words_and_leaves_nothing(programs: Programs) -> None:
    programs.add("java", JAVA_17)
    programs.add("mvn", f"{COPIES}\necho '[ERROR] Network is unreachable'; exit 1")
    message = programs.missing()
    assert "Maven could not fetch Kafka 4.1.1; it said: [ERROR] Network is unreachable" in message
    assert programs.cached() == []


def test_a_download_without_end_is_ended(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DOWNLOAD_WITHIN_S", 0.2)
    programs.add("java", JAVA_17)
    programs.add("mvn", 'echo $$ > "$CALLS"; sleep 1000').write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
    assert "Maven could not fetch Kafka 4.1.1; it said: nothing for" in programs.missing()
    assert programs.cached() == []


def test_an_interrupted_download_leaves_no_half_folder_behind(programs: Programs) -> None:
    programs.add("java", JAVA_17)
    programs.add("mvn", f"{COPIES}\nkill -KILL $PPID")  # whoever called mvn
    script = "import os, pathlib\nfrom worker.demo.broker import find\nfind(os.environ, cache=pathlib.Path(os.environ['CACHE']))"
    environment = {**programs.environ, "CACHE": str(programs.cache), "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == -signal.SIGKILL
    assert [name for name in programs.cached() if name == "kafka-4.1.1"] == []
    assert len(programs.cached()) == 1  # what the dead one was at
    programs.add("mvn", COPIES)
    assert isinstance(programs.find(), Jars)
    assert programs.cached() == ["kafka-4.1.1"]


def test_of_several_at_once_one_downloads_and_all_have_it(programs: Programs) -> None:
    programs.add("java", JAVA_17)
    programs.add("mvn", COPIES)
    found: list[sources.Source] = []
    threads = [Thread(target=lambda: found.append(programs.find())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(found) == 4
    assert programs.calls.read_text() == "once\n"


def test_a_container_is_the_last_resort(programs: Programs) -> None:
    docker = programs.add(
        "docker", 'case "$1 $2" in "info --format") echo answers;; "image inspect") cat "$CALLS" 2> /dev/null;; pull*) echo there > "$CALLS";; esac'
    )
    assert programs.find() == Image(str(docker))
    programs.calls.write_text("not there\n")
    programs.add("docker", 'case "$1 $2" in "info --format") echo answers;; *) exit 1;; esac')
    assert "docker could not fetch apache/kafka:4.1.1" in programs.missing()


def test_the_cache_is_the_checkouts_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path)
    assert sources.cache_folder({"HOME": "/home"}) == Path("/home/.cache/clickscore")
    assert sources.cache_folder({"HOME": "/home", "XDG_CACHE_HOME": "/cache"}) == Path("/cache/clickscore")
    (tmp_path / ".venv").mkdir()
    assert sources.cache_folder({"HOME": "/home"}) == tmp_path / ".venv"
