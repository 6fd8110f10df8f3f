"""A broker keeps its data and ends when it should; what is said where it does not start."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from tests.demo.programs import Programs
from worker.demo.broker import Broker, BrokerFailed, BrokerOptions, Image, Jars, Listener, keeper
from worker.demo.broker.process import START_TRIES, free_ports
from worker.demo.broker.properties import LOOPBACK, server_properties
from worker.demo.broker.readiness import has_controller

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0  # only reached when something is broken


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# ---- what it is told


def test_own_properties_win_and_a_listener_may_advertise_another_address(tmp_path: Path) -> None:
    options = BrokerOptions((Listener("PROXIED", "PLAINTEXT", "elsewhere:1"),), properties={"auto.create.topics.enable": "true", "a": "b\\c"})
    lines = server_properties(options, {"PLAINTEXT": 1, "CONTROLLER": 2, "PROXIED": 3}, tmp_path, "0.0.0.0").splitlines()
    assert "listeners=PLAINTEXT://0.0.0.0:1,CONTROLLER://0.0.0.0:2,PROXIED://0.0.0.0:3" in lines
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:1,PROXIED://elsewhere:1" in lines
    assert [line for line in lines if line.startswith("auto.create")] == ["auto.create.topics.enable=true"]
    assert "a=b\\\\c" in lines


def test_ports_are_all_different() -> None:
    names = tuple(str(number) for number in range(200))
    assert len(set(free_ports(names).values())) == len(names)


# ---- whether it answers

ONE_BROKER = struct.pack(">ii", 1, 1) + struct.pack(">ih4sih", 7, 4, b"host", 9092, -1)


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (ONE_BROKER + struct.pack(">ii", 7, 0), True),
        (ONE_BROKER + struct.pack(">ii", -1, 0), False),  # no controller yet
        (struct.pack(">iiii", 1, 0, 7, 0), False),  # a controller that lets no broker work yet
        (struct.pack(">iiii", 2, 0, 7, 0), False),  # not our answer
        (b"", False),
        (b"HTTP/1.1 400", False),
    ],
)
def test_a_broker_is_ready_once_it_names_a_controller(answer: bytes, ready: bool) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:

        def respond() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(struct.pack(">i", len(answer)) + answer)

        thread = Thread(target=respond)
        thread.start()
        assert has_controller(LOOPBACK, server.getsockname()[1], PATIENCE_S) == ready
        thread.join(PATIENCE_S)


# ---- the process


def test_a_broker_keeps_its_address_and_data_over_stop_kill_and_pause(own_broker: Broker, topic_name: str) -> None:
    bootstrap, first = own_broker.bootstrap, own_broker.pid
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic_name, 1, 1)])
    admin.close()
    write(bootstrap, topic_name, b"before the stop")
    own_broker.restart()
    assert gone(first)
    assert not gone(own_broker.pid)
    write(bootstrap, topic_name, b"before the kill")
    own_broker.kill()
    assert not own_broker.running
    with pytest.raises(BrokerFailed, match="does not run"):
        own_broker.pause()
    own_broker.start()
    assert own_broker.bootstrap == bootstrap
    assert read(bootstrap, topic_name) == [b"before the stop", b"before the kill"]
    port = own_broker.ports["PLAINTEXT"]
    own_broker.pause()
    assert not has_controller(LOOPBACK, port, 0.3)
    own_broker.resume()
    until(lambda: has_controller(LOOPBACK, port, PATIENCE_S))
    own_broker.pause()
    last = own_broker.pid
    own_broker.stop()  # a frozen one too
    assert gone(last)
    assert (own_broker.folder / "data/.kafka_cleanshutdown").exists()  # it had the time to write everything out


def test_a_second_start_of_a_running_broker_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerFailed, match="runs already"):
        broker.start()
    assert broker.running


def write(bootstrap: str, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, allow_auto_create_topics=False)
    producer.send(topic, value, partition=0).get(PATIENCE_S)
    producer.close()


def read(bootstrap: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", allow_auto_create_topics=False)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.poll(0)
    end = consumer.end_offsets([TopicPartition(topic, 0)])[TopicPartition(topic, 0)]
    values = [next(consumer).value for _ in range(end)]
    consumer.close()
    return values


def test_a_broker_that_ends_while_it_starts_is_told_with_its_log(broker_source: Jars | Image, tmp_path: Path) -> None:
    another = Broker(broker_source, tmp_path, BrokerOptions(properties={"num.io.threads": "none"}))
    with pytest.raises(BrokerFailed) as caught:
        another.start()
    assert "num.io.threads" in str(caught.value)
    assert not another.running


def test_a_broker_that_does_not_answer_in_time_is_told_with_its_log_and_ended(programs: Programs, tmp_path: Path) -> None:
    java = programs.add("java", "")
    java.write_text('#!/bin/sh\ncase "$*" in *StorageTool*) exit 0;; esac\necho I am slow\nexec /bin/sleep 1000\n')
    broker = Broker(Jars(str(java), "none"), tmp_path / "broker")
    with pytest.raises(BrokerFailed, match=r"did not answer within 0\.3 s; the end of its log:\nI am slow"):
        broker.start(within_s=0.3)
    assert not broker.running


def test_ports_that_were_just_taken_are_chosen_anew(programs: Programs, tmp_path: Path) -> None:
    java = programs.add("java", 'case "$*" in *StorageTool*) exit 0;; esac\necho "java.net.BindException: Address already in use"; exit 1')
    broker = Broker(Jars(str(java), "none"), tmp_path / "broker")
    with pytest.raises(BrokerFailed, match="ended while it started"):
        broker.start()
    assert broker.log_file.read_text().count("Address already in use") == START_TRIES


def test_a_storage_that_cannot_be_prepared_is_told(programs: Programs, tmp_path: Path) -> None:
    java = programs.add("java", "echo The storage is full; exit 1")
    with pytest.raises(BrokerFailed, match="StorageTool could not prepare the data folder; it said:\nThe storage is full"):
        Broker(Jars(str(java), "none"), tmp_path / "broker").start()


# ---- it ends with its starter

STARTER = """\
import pathlib, sys
from worker.demo.broker import Broker, Image, Jars
broker = Broker(eval(sys.argv[1]), pathlib.Path(sys.argv[2]))
broker.start()
print(broker.pid, flush=True)
sys.stdin.read()
"""
KEEPER = """\
import os, subprocess, sys
keeper = subprocess.Popen([sys.executable, sys.argv[1], "", "", "/bin/sleep", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(int(keeper.stdout.readline()), flush=True)
if sys.argv[2] == "forked" and os.fork() == 0:
    os.close(1)  # the copy goes on, with the keeper's pipe in its hands, until its own stdin ends
sys.stdin.read()
"""


def starter(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def test_a_broker_is_gone_after_its_starter_was_killed(broker_source: Jars | Image, tmp_path: Path) -> None:
    with starter(STARTER, repr(broker_source), str(tmp_path)) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert not gone(pid)
        process.kill()
        process.wait(PATIENCE_S)
        until(lambda: gone(pid))
    assert gone(pid)


@pytest.mark.parametrize("how", ["end", "terminated", "killed", "forked"])
def test_what_is_kept_ends_however_the_starter_does(how: str) -> None:
    with starter(KEEPER, keeper.__file__, how) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        kept = int(process.stdout.readline())
        assert not gone(kept)
        if how == "end":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGKILL)
        process.wait(PATIENCE_S)
        until(lambda: gone(kept))
    assert gone(kept)


def test_a_container_is_run_and_signalled_through_its_engine(broker_source: Jars | Image, programs: Programs, tmp_path: Path) -> None:
    """As far as no engine is at hand: the one here runs the command on this machine, and sends the signals."""
    assert isinstance(broker_source, Jars)
    docker = programs.folder / "docker"
    docker.write_text(ENGINE.format(python=sys.executable, java=broker_source.java, classpath=broker_source.classpath, folder=str(tmp_path)))
    docker.chmod(0o755)
    contained = Broker(Image(str(docker)), tmp_path / "broker")
    contained.start()
    [pid_file] = tmp_path.glob("clickscore-*")
    pid = int(pid_file.read_text())
    assert contained.running
    assert not gone(pid)
    contained.kill()
    assert gone(pid)
    published = (tmp_path / "published").read_text().split()
    assert sorted(published) == sorted(f"127.0.0.1:{port}:{port}" for port in contained.ports.values())


ENGINE = """\
#!{python}
import os, pathlib, sys
folder, arguments = pathlib.Path({folder!r}), sys.argv[1:]
if arguments[0] == "kill":
    os.kill(int((folder / arguments[3]).read_text()), int(arguments[2]))
    sys.exit()
at = next(index for index, argument in enumerate(arguments) if argument.startswith("apache/kafka:"))
options, command = arguments[:at], arguments[at + 1 :]
command[command.index("-cp") + 1] = {classpath!r}
if "--name" in options:
    (folder / options[options.index("--name") + 1]).write_text(str(os.getpid()))
    (folder / "published").write_text(" ".join(after for before, after in zip(options, options[1:]) if before == "--publish"))
os.execv({java!r}, [options[options.index("--entrypoint") + 1], *command])
"""
