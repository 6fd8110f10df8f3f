"""Where Kafka comes from, in this order: a running one (KAFKA_BOOTSTRAP), an unpacked one (KAFKA_HOME), jars from Maven, a container."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.errors import ClickscoreError

KAFKA, SCALA, LOG4J = "4.1.1", "2.13", "2.24.3"
JAVA_LEAST = 17  # of brokers 4.0 and newer
FOLDER = f"kafka-{KAFKA}"
IMAGE = f"apache/kafka:{KAFKA}"
DOWNLOAD_WITHIN_S, ANSWER_WITHIN_S = 300.0, 20.0
CHECKOUT = Path(__file__).parents[3]
REMEDY = (
    f"install Java {JAVA_LEAST} and Maven (Debian and Ubuntu: apt-get install default-jre-headless maven), "
    "or name a running broker in KAFKA_BOOTSTRAP (HOST:PORT), or the folder of an unpacked Kafka in KAFKA_HOME"
)
POM = f"""\
<project><modelVersion>4.0.0</modelVersion><groupId>clickscore</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_{SCALA}</artifactId><version>{KAFKA}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J}</version></dependency>
</dependencies></project>
"""


class BrokerMissing(ClickscoreError):
    """No Kafka can be had on this machine; says what was looked for, what was missing, and what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A broker that somebody else runs, at HOST:PORT; it cannot be stopped or restarted by us."""

    bootstrap: str


@dataclass(frozen=True, slots=True)
class Jars:
    """A Java and the class path of a Kafka broker."""

    java: str
    classpath: str


@dataclass(frozen=True, slots=True)
class Image:
    """A container engine (the path of docker or podman) that answers."""

    engine: str


Source = Running | Jars | Image


def find(environ: Mapping[str, str] = os.environ, *, cache: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Source:
    """The first Kafka there is. May download 43 MB once, into `cache` (cache_folder() without one), and tells `say` before it does.

    Raises BrokerMissing where there is none, or where KAFKA_HOME is set and is none.
    """
    if bootstrap := environ.get("KAFKA_BOOTSTRAP"):
        return Running(bootstrap)
    if home := environ.get("KAFKA_HOME"):
        return _unpacked(Path(home), environ)
    reasons = []
    try:
        java = find_java(environ)
        return Jars(java, f"{maven_jars(cache or cache_folder(environ), environ, say)}/*")
    except BrokerMissing as missing:
        reasons.append(missing.problems[0].what)
    try:
        return container_image(environ, say)
    except BrokerMissing as missing:
        reasons.append(missing.problems[0].what)
    raise BrokerMissing("there is no Kafka broker and none can be started: " + "; ".join(reasons), todo=REMEDY)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where jars are kept: in the checkout's .venv if there is one, else in the user's cache folder."""
    if (CHECKOUT / ".venv").is_dir():
        return CHECKOUT / ".venv"
    return Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache") / "clickscore"


def find_java(environ: Mapping[str, str]) -> str:
    """The path of the Java in JAVA_HOME, else on the PATH. Raises BrokerMissing where there is none, or it is too old."""
    home = environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else environ.get("PATH", os.defpath))
    if java is None:
        raise BrokerMissing(f"no Java in JAVA_HOME, {home}" if home else "no Java on the PATH", todo=REMEDY)
    said = _said_by([java, "-version"], environ)
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None:
        raise BrokerMissing(f"{java} does not say its version but: {said[-200:].strip() or 'nothing'}", todo=REMEDY)
    if int(version[1]) < JAVA_LEAST:
        raise BrokerMissing(f"{java} is Java {version[1]}, and Kafka needs {JAVA_LEAST} or newer", todo=REMEDY)
    return java


def container_image(environ: Mapping[str, str], say: Callable[[str], None]) -> Image:
    """Kafka's image in docker or podman, whichever answers first; fetched the first time. Raises BrokerMissing where there is none."""
    reasons = []
    for name in ("docker", "podman"):
        engine = shutil.which(name, path=environ.get("PATH", os.defpath))
        if engine is None:
            reasons.append(f"no {name} on the PATH")
        elif _said_by([engine, "info", "--format", "answers"], environ).strip() != "answers":
            reasons.append(f"{name} is there, but its engine does not answer")
        elif not _has_image(engine, environ, say):
            reasons.append(f"{name} could not fetch {IMAGE}")
        else:
            return Image(engine)
    raise BrokerMissing(", ".join(reasons), todo=REMEDY)


def _has_image(engine: str, environ: Mapping[str, str], say: Callable[[str], None]) -> bool:
    look = [engine, "image", "inspect", "--format", "there", IMAGE]
    if _said_by(look, environ).strip() == "there":
        return True
    say(f"fetching {IMAGE} (once) …")
    _said_by([engine, "pull", IMAGE], environ, DOWNLOAD_WITHIN_S)
    return _said_by(look, environ).strip() == "there"


def _unpacked(home: Path, environ: Mapping[str, str]) -> Jars:
    libs = home / "libs"
    if not any(libs.glob("kafka_*.jar")):
        raise BrokerMissing("KAFKA_HOME is no unpacked Kafka: its folder libs has no kafka_*.jar", str(home), "unpack a Kafka there, or unset KAFKA_HOME")
    return Jars(find_java(environ), f"{libs}/*")


def _said_by(command: list[str], environ: Mapping[str, str], within_s: float = ANSWER_WITHIN_S) -> str:
    try:
        done = subprocess.run(command, env=dict(environ), check=False, capture_output=True, timeout=within_s)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


# ---- Maven


def maven_jars(cache: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The folder of Kafka's jars within `cache`, filled by Maven the first time.

    It appears under its name only when it is complete, however many fill it at once and whenever they are interrupted.
    Raises BrokerMissing where Maven is missing or fails, with the end of what it said.
    """
    jars = cache / FOLDER
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn", path=environ.get("PATH", os.defpath))
    if maven is None:
        raise BrokerMissing("no Maven (mvn) on the PATH to fetch Kafka with", todo=REMEDY)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{FOLDER}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, so that no killed one leaves it behind
        if not jars.is_dir():
            for interrupted in cache.glob(f".{FOLDER}.part-*"):
                shutil.rmtree(interrupted, ignore_errors=True)
            part = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.part-", dir=cache))
            try:
                say(f"fetching Kafka {KAFKA} with Maven into {jars} (43 MB, once) …")
                _copy_dependencies(maven, part, environ)
                (part / "libs").rename(jars)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return jars


def _copy_dependencies(maven: str, folder: Path, environ: Mapping[str, str]) -> None:
    (folder / "pom.xml").write_text(POM)
    command = [maven, "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'libs'}"]
    said = ""
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, env=dict(environ), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DOWNLOAD_WITHIN_S)
        if done.returncode == 0 and (folder / "libs" / f"kafka_{SCALA}-{KAFKA}.jar").is_file():
            return
        said = done.stdout.decode(errors="replace")
    lines = [line for line in said.splitlines() if line.strip()]
    why = " | ".join(line.strip() for line in lines[:3]) or f"nothing for {DOWNLOAD_WITHIN_S:.0f} s"
    raise BrokerMissing(f"Maven could not fetch Kafka {KAFKA}; it said: {why[:600]}", todo=f"check the network, then try again; or {REMEDY}")
