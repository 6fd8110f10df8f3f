"""A broker as a process: started, ended and disturbed on purpose. Its data, its settings and its log lie in one folder."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.demo.broker.properties import LOOPBACK, PLAINTEXT, BrokerOptions, server_properties
from worker.demo.broker.readiness import has_controller
from worker.demo.broker.sources import IMAGE, Image, Jars
from worker.errors import ClickscoreError

START_WITHIN_S, STOP_WITHIN_S, ASK_EVERY_S, ANSWER_WITHIN_S = 60.0, 30.0, 0.05, 2.0
PORTS = range(20_000, 32_000)  # below those that systems give to outgoing connections, one of which could take a port while its broker is down
PORT_TRIES, START_TRIES = 200, 3
TAIL_LINES = 25
IN_USE = "Address already in use"
JVM = ("-Xmx512m", "-Djava.awt.headless=true")
LASTING = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")  # as Kafka's own script has it
BRIEF = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # the first minute of a broker takes 40 % less of the processor
LOG4J = """\
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1} %m%n
"""


class BrokerFailed(ClickscoreError):
    """A broker did not start, or does not do what it was told; carries the end of its log."""


class Broker:
    """One broker in `folder`, which is its own: data that is there already is used again. Nothing runs before start().

    Used as a context it is started and, at the end, killed: what it holds is not needed any more. It dies with the process that started it in any case.
    """

    def __init__(self, source: Jars | Image, folder: Path, options: BrokerOptions | None = None) -> None:
        self.folder = folder.absolute()
        self.log_file = self.folder / "broker.log"
        self.ports: dict[str, int] = {}
        self.pid = 0  # of the running one, 0 when there is none; in a container that of the engine's client
        self._source, self._options = source, options or BrokerOptions()
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """HOST:PORT without encryption or login; the same after a restart."""
        return self.address(PLAINTEXT)

    @property
    def running(self) -> bool:
        """Whether its process lives, paused or not."""
        return self._keeper is not None and self._keeper.poll() is None

    def address(self, listener: str) -> str:
        """HOST:PORT of a listener by its name, on the broker itself even where it advertises another."""
        return f"{LOOPBACK}:{self.ports[listener]}"

    def start(self, within_s: float = START_WITHIN_S) -> None:
        """Start it and wait until it answers with a controller. Raises BrokerFailed with the end of its log when it does not within_s."""
        if self.running:
            raise BrokerFailed("the broker runs already", str(self.folder), "stop it first")
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOG4J)
        try:
            for tries_left in reversed(range(1 if self.ports else START_TRIES)):
                if not self._attempt(within_s, tries_left):
                    return
        except BaseException:  # Ctrl-C too
            self.kill()
            raise

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """End it in order (SIGTERM), what it holds written out; killed after within_s. Nothing where it does not run."""
        if self.running:
            self._send(signal.SIGCONT)  # a paused one would not hear
            self._send(signal.SIGTERM)
            self._ended(within_s)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut of the process. Nothing where it does not run."""
        if self._keeper is not None:
            if self.running:
                self._send(signal.SIGKILL)
            if self._keeper.stdin is not None:
                self._keeper.stdin.close()
            self._keeper.wait()
            if self._keeper.stdout is not None:
                self._keeper.stdout.close()
        self._keeper, self.pid = None, 0

    def restart(self, within_s: float = START_WITHIN_S) -> None:
        """Start it again on the same ports and data, after stop() or kill() or while it runs."""
        self.stop()
        self.start(within_s)

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay, nothing answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._send(signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines of what the broker printed."""
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        except FileNotFoundError:
            return ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    # ---- starting

    def _attempt(self, within_s: float, tries_left: int) -> bool:
        """One start; returns whether another is worth while: the ports were free a moment ago and are not any more."""
        ports = self.ports or free_ports(self._options.names)
        bind = LOOPBACK if isinstance(self._source, Jars) else "0.0.0.0"  # a container's own loopback is not ours
        (self.folder / "server.properties").write_text(server_properties(self._options, ports, self.folder / "data", bind))
        self._format()
        size_before = self.log_file.stat().st_size if self.log_file.exists() else 0
        name = f"clickscore-{uuid.uuid4().hex[:12]}" if isinstance(self._source, Image) else ""
        engine = self._source.engine if isinstance(self._source, Image) else ""
        speed = BRIEF if self._options.short_lived else LASTING
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        command = self._java(name, ports, *speed, logging, "kafka.Kafka", str(self._properties))
        with self.log_file.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), engine, name, *command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True, bufsize=0,
            )  # fmt: skip
        self.pid = int(self._answer() or 0)
        if self._answers(ports[PLAINTEXT], within_s):
            self.ports = ports
            return False
        died = not self.running
        self.kill()
        if died and tries_left and IN_USE in self.log_file.read_text(errors="replace")[size_before:]:
            return True
        what = "the Kafka broker ended while it started" if died else f"the Kafka broker did not answer within {within_s:g} s"
        raise BrokerFailed(f"{what}; the end of its log:\n{self.log_tail()}", str(self.log_file), "look for the first error in the log")

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _format(self) -> None:
        """Prepare the data folder, once."""
        if (self.folder / "data" / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        scram = [part for one in self._options.scram_credentials for part in ("--add-scram", one)]
        # -g: the first of the files may be there when an earlier attempt was interrupted. An id that begins with - would be taken for an option.
        arguments = ["kafka.tools.StorageTool", "format", "-g", f"--cluster-id={cluster}", "-c", str(self._properties), *scram]
        command = self._java("", {}, *BRIEF, *arguments)
        try:
            done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=START_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise BrokerFailed(f"Kafka's StorageTool did not prepare the data folder within {START_WITHIN_S:g} s", str(self.folder)) from None
        if done.returncode:
            said = done.stdout.decode(errors="replace")[-2_000:].strip()
            raise BrokerFailed(f"Kafka's StorageTool could not prepare the data folder; it said:\n{said}", str(self.folder))

    def _java(self, name: str, ports: dict[str, int], *arguments: str) -> list[str]:
        if isinstance(self._source, Jars):
            return [self._source.java, *JVM, "-cp", self._source.classpath, *arguments]
        # The folder has the same path inside. Docker's files would belong to root; Podman's are the user's anyway.
        inside = ["--volume", f"{self.folder}:{self.folder}", "--entrypoint", "java", *(["--name", name] if name else [])]
        user = [] if "podman" in Path(self._source.engine).name else ["--user", f"{os.getuid()}:{os.getgid()}"]
        published = [part for port in ports.values() for part in ("--publish", f"{LOOPBACK}:{port}:{port}")]
        return [self._source.engine, "run", "--rm", *user, *inside, *published, IMAGE, *JVM, "-cp", "/opt/kafka/libs/*", *arguments]

    def _answers(self, port: int, within_s: float) -> bool:
        deadline_s = time.monotonic() + within_s
        while self.running and time.monotonic() < deadline_s:
            if has_controller(LOOPBACK, port, ANSWER_WITHIN_S):
                return True
            self._ended(ASK_EVERY_S)
        return False

    # ---- the keeper

    def _send(self, number: signal.Signals) -> None:
        if not self.running or self._keeper is None or self._keeper.stdin is None:
            raise BrokerFailed("the broker does not run", str(self.folder), "start it first")
        try:
            self._keeper.stdin.write(b"%d\n" % number)
        except BrokenPipeError:
            return  # it ended just now
        self._answer()

    def _answer(self) -> bytes:
        return self._keeper.stdout.readline() if self._keeper is not None and self._keeper.stdout is not None else b""

    def _ended(self, within_s: float) -> bool:
        try:
            if self._keeper is not None:
                self._keeper.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """A port of loopback for each name, all different and free at this moment. Raises BrokerFailed where none is found."""
    held: list[socket.socket] = []
    ports: dict[str, int] = {}
    try:
        for name in names:
            held.append(bound_socket())
            ports[name] = held[-1].getsockname()[1]
    finally:
        for one in held:
            one.close()
    return ports


def bound_socket() -> socket.socket:
    """A TCP socket bound to a free port of PORTS on loopback. Raises BrokerFailed where none is found."""
    for _ in range(PORT_TRIES):
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            one.bind((LOOPBACK, random.SystemRandom().choice(PORTS)))
        except OSError:
            one.close()
            continue
        return one
    raise BrokerFailed(f"no free port was found on {LOOPBACK} between {PORTS.start} and {PORTS.stop}", todo="end what holds them")
