"""The list of permissions: each role with just its own on a real broker. A worker scores and learns with them; with one less it says which.

The secured broker's GUEST stands for the role. He has no other permission on these topics and groups, whose names are this test's own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from tests.commands.kafka_commands import SHORT, run, said
from tests.delivery.receivers import LOOPBACK, Reply, receiver
from tests.delivery.triggers import secret_of, trigger_value
from tests.kafka.fixtures import GUEST, PASSWORD, SecureBroker
from tools.kafka_access import Access, acl_script, roles, strimzi_users
from tools.kafka_topics import WITH_ERASURE
from worker.configuration import load
from worker.core.events.deadletters import dead_letter, named
from worker.core.events.fields import LAST_TIME_MS
from worker.core.privacy.erasure import Erased
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import Request
from worker.log.contract import Log, Message
from worker.service.topics import open_log
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
KEY = "k" * 32
PATIENCE_S = 60.0  # only reached when something is broken
CONFIGURATION = """\
[targets.intent]
horizon = "1 h"
silent = false
{topics}
[service]
group = "{group}"
turn_events = 20
snapshot_examples = 10
snapshot_wait = "100 ms"
[endpoint]
port = 0
"""
LOGIN = """\
[kafka]
security_protocol = "SASL_PLAINTEXT"
sasl_mechanism = "PLAIN"
sasl_username = "guest"
"""
# A visit every two hours, for five days: decisions on intent are over in between, and learned from once nothing late can come.
EVENTS = [
    b'{"event":"%s","user_id":"u%d","timestamp":%d}' % (b"purchase" if visit % 7 == 0 else b"page_view", visit % 5, 1_700_000_000_000 + 7_200_000 * visit)
    for visit in range(60)
]


class Ground:
    """Topics and a group of a test's own, as their owner sees them and as GUEST does."""

    def __init__(self, secure: SecureBroker, folder: Path, fresh_name: Callable[[str], str], shared: str = "") -> None:
        """`shared`: a configuration of both instead of a few targets of the guest's; with privacy.key, where there are the topics of erasure too."""
        self.folder, self.secure = folder, secure
        names = {short: fresh_name(short) for short in (*SHORT, *(("privacy", "receipts") if shared else ()))}
        topics = "[topics]\n" + "".join(f'{short} = "{name}"\n' for short, name in names.items())
        group = fresh_name("group")
        self.owners, self.guests = folder / "owner.toml", folder / "guest.toml"
        self.owners.write_text(f'{topics}[service]\ngroup = "{group}"\n{shared}')
        self.guests.write_text(f'{topics}[service]\ngroup = "{group}"\n{shared}{LOGIN}' if shared else CONFIGURATION.format(topics=topics, group=group) + LOGIN)
        self.open, self.closed = secure.broker.bootstrap, secure.broker.address("SASL_PLAINTEXT")
        self.environment = {"CLICKSCORE_KAFKA__SASL_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        self.settings: Settings = load(self.owners, [], {"--bootstrap": ("kafka.bootstrap", self.open)}, environ={}).settings
        assert run("topics", "create", "--bootstrap", self.open, "--config", self.owners) == 0

    def access(self, role: str) -> list[Access]:
        (found,) = [one for one in roles(self.settings) if one.name == role]
        return list(found.access)

    def allow(self, access: Iterable[Access]) -> None:
        """Just this, to GUEST."""
        acls = []
        for one in access:
            kind = ResourceType[one.kind.replace("-", "_").upper()]
            pattern = ResourcePattern(kind, one.literal, ACLResourcePatternType.PREFIXED if one.prefixed else ACLResourcePatternType.LITERAL)
            for operation in one.operations:
                code = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()
                acls.append(ACL(f"User:{GUEST}", "*", ACLOperation[code], ACLPermissionType.ALLOW, pattern))
        with closing(KafkaAdminClient(bootstrap_servers=self.open)) as admin:
            assert not admin.create_acls(acls)["failed"]

    def send(self) -> None:
        """The events, by the owner."""
        (self.folder / "events.jsonl").write_bytes(b"\n".join(EVENTS) + b"\n")
        assert run("send", self.folder / "events.jsonl", "--bootstrap", self.open, "--config", self.owners) == 0

    def command(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """A command of GUEST's."""
        line = [sys.executable, "-m", "worker", *map(str, arguments), "--bootstrap", self.closed, "--config", str(self.guests)]
        return subprocess.Popen(line, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def log(self) -> Log:
        return open_log(self.settings)


@pytest.fixture
def ground(secure_broker: SecureBroker, tmp_path: Path, fresh_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> Ground:
    made = Ground(secure_broker, tmp_path, fresh_name)
    said(capsys)
    return made


def test_with_the_list_a_worker_scores_and_learns(ground: Ground) -> None:
    ground.allow(ground.access("clickscore-worker"))
    ground.send()
    worker = ground.command("run", "--member", "m")
    topics, deadline_s = ground.settings.topics, time.monotonic() + PATIENCE_S
    try:
        with closing(ground.log()) as log:
            scores, models = log.tail(topics.scores, "earliest"), log.tail(topics.models, "earliest")
            found = learned = 0
            while found < len(EVENTS) or not learned:
                found += sum(b'"cause":"event"' in (record.value or b"") for record in scores.poll(1_000, 0.2))
                learned += len(models.poll(10, 0))
                assert worker.poll() is None, worker.communicate()[0]
                assert time.monotonic() < deadline_s, (found, learned)
    finally:
        worker.terminate()
        ended = worker.communicate(timeout=PATIENCE_S)[0]
    assert worker.returncode == 0, ended


def test_with_the_list_triggers_are_delivered_and_what_was_refused_is_a_dead_letter(ground: Ground) -> None:
    ground.allow(ground.access("clickscore-deliverer"))
    topics, deadline_s = ground.settings.topics, time.monotonic() + PATIENCE_S
    with receiver(lambda _, request: Reply(422 if request.id.endswith("1") else 204)) as shop, closing(ground.log()) as log:
        table = f'[destinations.shop]\nurl = "{shop.url}"\nsecret = "{secret_of("a")}"\nnetworks = ["{LOOPBACK}"]\n'
        ground.guests.write_text(ground.guests.read_text() + table)
        log.append(topics.triggers, [Message(trigger_value(number, f"u{number}", expires_ms=LAST_TIME_MS), b"u%d" % number) for number in range(3)])
        worker, letters = ground.command("run", "--roles", "deliver", "--member", "m"), log.tail(topics.deadletter, "earliest")
        try:
            found = 0
            while not found or len(shop.ids()) < 3:
                found += len(letters.poll(10, 0.2))
                assert worker.poll() is None, worker.communicate()[0]
                assert time.monotonic() < deadline_s
        finally:
            worker.terminate()
            ended = worker.communicate(timeout=PATIENCE_S)[0]
    assert (worker.returncode, found) == (0, 1), ended


@pytest.mark.parametrize(
    ("kind", "short", "operation", "told"),
    [
        ("topic", "scores", "Write", "not allowed on this topic"),
        ("group", "", "Read", "not allowed on this consumer group"),
        ("transactional-id", "", "Write", "not allowed to use this transactional id"),
    ],
    ids=["scores", "group", "transactional-id"],
)
def test_without_one_of_the_list_a_worker_says_what_it_may_not(ground: Ground, kind: str, short: str, operation: str, told: str) -> None:
    name = getattr(ground.settings.topics, short) if short else ""
    mine = ground.access("clickscore-worker")
    less = [
        Access(one.kind, one.name, tuple(each for each in one.operations if each != operation), one.why) if one.kind == kind and name in one.name else one
        for one in mine
    ]
    assert less != mine
    ground.allow(less)
    ground.send()
    worker = ground.command("run", "--member", "m")
    said_by_it = worker.communicate(timeout=PATIENCE_S)[0]
    assert worker.returncode == 78, said_by_it
    error = said_by_it[said_by_it.index("Error: ") :]
    assert told in error
    assert "to do: allow" in error


def test_with_the_list_a_sender_sends_and_a_reader_reads(ground: Ground) -> None:
    ground.allow([*ground.access("clickscore-sender"), *ground.access("clickscore-reader")])
    (ground.folder / "events.jsonl").write_bytes(b"\n".join(EVENTS) + b"\n")
    for arguments in (["send", "events.jsonl"], ["tap", "scores", "--from", "earliest", "--no-follow"], ["top"], ["explain", "u1"]):
        command = ground.command(*arguments)
        told = command.communicate(timeout=PATIENCE_S)[0]
        # that there is no score yet is another thing than not being allowed to look
        assert command.returncode == 0 or (arguments[0] in ("top", "explain") and "there is no score" in told), told
    with closing(ground.log()) as log:
        assert sum(log.end_offsets(ground.settings.topics.events).values()) >= len(EVENTS)


def test_with_the_list_dead_letters_go_back(ground: Ground) -> None:
    ground.allow(ground.access("clickscore-replayer"))
    command = ground.command("deadletters", "replay", "--go")
    told = command.communicate(timeout=PATIENCE_S)[0]
    assert command.returncode == 0, told


def test_with_the_lists_users_are_erased_and_their_letters_stay_where_they_are(
    secure_broker: SecureBroker, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    ground = Ground(secure_broker, tmp_path, fresh_name, f'[privacy]\nkey = "{KEY}"\n')
    topics, request = ground.settings.topics, Request("DELETE", "r", "u1", 1)
    with closing(ground.log()) as log:
        value = Receipts(KEY.encode()).receipt(request, Erased(), 2, 0, 100)
        log.append(topics.receipts, [Message(value, b"r")])
        for offset, user in enumerate((b"u1", b"u2")):
            letter = named(dead_letter(b"{", user, topics.events, 0, offset, "invalid_json", "words"))
            log.append(topics.deadletter, [Message(letter.value, letter.key, tuple(letter.headers), 0)])
    for role, arguments, says in (
        ("clickscore-officer", ("privacy", "delete", "u3", "--request-id", "r2"), "request r2: DELETE of 1 user"),
        ("clickscore-officer", ("privacy", "receipts", "r"), "good  r: DELETE of user"),
        ("clickscore-replayer", ("deadletters", "replay", "--go"), "1 invalid_json"),
        ("clickscore-officer", ("privacy", "sweep"), "1 dead letter of erased users covered"),
    ):
        ground.allow(ground.access(role))
        command = ground.command(*arguments)
        told = command.communicate(timeout=PATIENCE_S)[0]
        assert command.returncode == 0, told
        assert says in told


def test_the_script_and_the_users_say_the_same() -> None:
    script, users = acl_script("x"), strimzi_users("x")
    for role in roles(WITH_ERASURE):
        assert script.count(f"User:{role.name} ") == len(role.access)
        assert f"name: {role.name}\n" in users
    grants = re.findall(r"--(topic|group|transactional-id) (\S+)((?: --resource-pattern-type prefixed)?) ((?:--operation \w+ ?)+)", script)
    assert len(grants) == sum(len(role.access) for role in roles(WITH_ERASURE)) == users.count("resource:")
    assert [name for _, name, _, _ in grants if "*" in name] == []
    assert users.count("patternType: prefix\n") == script.count("prefixed") > 0
    done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
