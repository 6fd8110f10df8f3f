"""`clickscore topics`: makes what is missing, leaves the rest, and every command that `check` advises mends what it stands under."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.kafka_commands import Shop, run, said
from worker.log.kafka.administration import Administration, NewTopic, TopicFacts
from worker.log.kafka.connection import Connection
from worker.service.kafka_topics import Checked, check, kafka_plan
from worker.settings import Settings

TOOLS = ("kafka-topics", "kafka-configs")


@pytest.fixture
def shop(tmp_path: Path, fresh_name: Callable[[str], str]) -> Shop:
    return Shop(tmp_path, fresh_name)


@pytest.fixture
def cluster(bootstrap: str) -> Iterator[Administration]:
    administration = Administration(Connection(bootstrap))
    yield administration
    administration.close()


def test_what_is_missing_is_created_and_a_second_run_changes_nothing(
    bootstrap: str, shop: Shop, cluster: Administration, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("topics", "create", "--bootstrap", bootstrap, "--partitions", "3", "--config", shop.file)
    cluster.make([NewTopic(shop.names["events"], 3, {"retention.ms": "86400000"})])
    assert run(*line) == 0
    told = said(capsys)[0].splitlines()
    assert [text.split()[0] for text in told] == ["is", *["created"] * 7]
    first = cluster.facts(shop.names.values())
    assert run(*line) == 0
    assert [text[:8] for text in said(capsys)[0].splitlines()] == ["is there"] * 8
    assert cluster.facts(shop.names.values()) == first
    made = {short: first[name] for short, name in shop.names.items()}
    assert {short: (made[short].partitions, made[short].settings["cleanup.policy"]) for short in made} == {
        "events": (3, "delete"),
        "scores": (3, "compact,delete"),
        "profiles": (3, "compact"),
        "examples": (3, "delete"),
        "models": (1, "compact"),
        "segments": (3, "compact"),
        "triggers": (3, "delete"),
        "deadletter": (3, "delete"),
    }
    assert made["events"].settings["retention.ms"] == "86400000"  # it was there
    assert made["deadletter"].settings["retention.ms"] == made["examples"].settings["retention.ms"] == str(30 * 86_400_000)
    assert made["scores"].settings["retention.ms"] == str(90 * 86_400_000)


def test_other_partitions_than_are_there_are_refused(bootstrap: str, shop: Shop, cluster: Administration, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.make([NewTopic(shop.names["profiles"], 2, {"cleanup.policy": "compact"})])
    assert run("topics", "create", "--bootstrap", bootstrap, "--partitions", "4", "--config", shop.file) == 78
    assert "the topics have 2 partitions, asked for were 4" in said(capsys)[1]
    assert list(cluster.facts(shop.names.values())) == [shop.names["profiles"]]
    assert run("topics", "create", "--bootstrap", bootstrap, "--config", shop.file) == 0  # of the events the number is taken from what is there
    assert cluster.facts([shop.names["events"]])[shop.names["events"]].partitions == 2


def tools(folder: Path) -> Path:
    """The tools under the names that the advice has."""
    folder.mkdir()
    for name, rest in (*((tool, f"{Path(__file__).with_name('kafka_tools.py')} {tool}") for tool in TOOLS), ("clickscore", "-m worker")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {rest} "$@"\n')
        script.chmod(0o755)
    return folder


def test_every_command_that_it_advises_mends_what_it_stands_under(
    bootstrap: str, shop: Shop, cluster: Administration, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = shop.names
    cluster.make(
        [
            NewTopic(names["events"], 3, {}),
            NewTopic(names["scores"], 1, {"cleanup.policy": "compact,delete"}),
            NewTopic(names["profiles"], 5, {"cleanup.policy": "compact"}),
            NewTopic(names["models"], 1, {"cleanup.policy": "compact,delete", "unclean.leader.election.enable": "true"}),
            NewTopic(names["examples"], 3, {"min.insync.replicas": "2"}),
        ]
    )
    line = ("topics", "check", "--bootstrap", bootstrap, "--config", shop.file)
    assert run(*line) == 78
    told = said(capsys)[0]
    advised = list(dict.fromkeys(re.findall(r"^ +\$ (.*?)(?:  \(.*)?$", told, re.MULTILINE)))
    assert {command.split()[0] for command in advised} == {"kafka-topics", "kafka-configs", "clickscore"}
    assert len(advised) == 7  # the topics of segments and triggers are missing too, and not needed yet
    path = f"{tools(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CLICKSCORE_CONFIG": str(shop.file), "PYTHONPATH": str(Path(__file__).parents[2])}
    for command in (one.removesuffix(" creates what is missing") for one in advised):
        done = subprocess.run(command, shell=True, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert run(*line) == 0
    told = said(capsys)[0]
    assert [text.split()[0] for text in told.splitlines() if not text.startswith((" ", "note"))] == ["right"] * 8
    assert told.count("one replica") == 1
    assert "note   all topics" in told


def test_for_programs_it_is_json(bootstrap: str, shop: Shop, cluster: Administration, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.make([NewTopic(shop.names["models"], 1, {"cleanup.policy": "compact"})])
    assert run("topics", "check", "--bootstrap", bootstrap, "--json", "--config", shop.file) == 78
    found = {entry["topic"]: entry for entry in json.loads(said(capsys)[0])}
    assert [found[shop.names[short]]["there"] for short in ("events", "models")] == [False, True]
    models = found[shop.names["models"]]
    assert (models["partitions"], models["cleanup_policy"], models["max_message_bytes"], models["min_insync_replicas"]) == (1, "compact", 1048588, 1)
    [wrong] = models["wrong"]
    assert wrong["command"] == (
        f"kafka-configs --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {shop.names['models']} "
        "--add-config max.message.bytes=16777216"
    )


def test_without_a_cluster_it_says_that_it_needs_one(tmp_path: Path, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("topics", "check", "--config", shop.file) == 2
    assert "an embedded log makes its topics by itself" in " ".join(said(capsys)[1].split())


# ---- clusters of several brokers, which no test starts


class Large(Administration):
    """A cluster whose topics are as planned, with three copies, but for what a test changes."""

    def __init__(self, settings: Settings, **changed: str) -> None:
        super().__init__(Connection("broker:9092"))
        defaults = {"retention.ms": "-1", "retention.bytes": "-1", "min.insync.replicas": "2", "max.message.bytes": "1048588", "segment.bytes": "1"}
        defaults |= {"delete.retention.ms": "86400000"}
        plan = kafka_plan(settings, 2)
        changes = {key.replace("_", "."): value for key, value in changed.items()}
        self.all = {topic.name: TopicFacts(topic.partitions, 3, {**defaults, **topic.settings, **changes}) for topic in plan}

    def settings_of(self, names: object) -> dict[str, dict[str, str]]:
        return {name: dict(facts.settings) for name, facts in self.all.items()}

    def facts(self, names: object) -> dict[str, TopicFacts]:
        return self.all

    def topics(self, names: object = None) -> dict[str, object]:  # type: ignore[override]
        from worker.log.kafka.cluster import _topic

        return {name: _topic(name, facts.partitions, dict(facts.settings)) for name, facts in self.all.items()}


def checked_with(**changed: str) -> dict[str, Checked]:
    settings = Settings.model_validate({"kafka": {"bootstrap": "broker:9092", "security_protocol": "SSL"}})
    return {checked.name: checked for checked in check(Large(settings, **changed), settings)}


def test_three_copies_and_two_acknowledgements_are_right() -> None:
    assert [checked for checked in checked_with().values() if checked.wrong or checked.warnings] == []


def test_one_acknowledgement_of_three_is_wrong_and_the_command_logs_in() -> None:
    [problem] = checked_with(min_insync_replicas="1")["clickscore.scores"].wrong
    assert "only one broker has" in problem.what
    assert problem.todo == (
        "kafka-configs --bootstrap-server broker:9092 --command-config client.properties --alter --entity-type topics "
        "--entity-name clickscore.scores --add-config min.insync.replicas=2"
    )


def test_a_short_retention_and_a_large_segment_are_told() -> None:
    short, large = checked_with(retention_ms="60000"), checked_with(segment_bytes="1073741824")
    assert "less than a day" in short["clickstream.events"].warnings[0].what
    assert short["clickscore.profiles"].warnings == ()
    assert [name for name, checked in large.items() if checked.warnings] == ["clickscore.profiles", "clickscore.models", "clickscore.segments"]
