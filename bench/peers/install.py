"""Peers' environments: one a peer, in a folder that is not committed, made once from pinned requirements. Failing to install is a result, not a fault."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from worker.demo.broker.sources import find_java

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build" / "bench" / "peers"
WITHIN_S = 500.0
CONNECTOR = "org.apache.flink:flink-sql-connector-kafka:4.0.1-2.0"


class NotInstalled(Exception):
    """A peer that does not install here, and the last line of why."""


def environment(name: str) -> Path:
    """The Python of a peer's environment, with what requirements/NAME.txt pins by hash."""
    folder, requirements = BUILT / name, HERE / "requirements" / f"{name}.txt"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not (stamp.exists() and stamp.read_bytes() == requirements.read_bytes()):
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(requirements))
        shutil.copy(requirements, stamp)
    return python


def streams() -> list[str]:
    """The command of the Kafka Streams peer, compiled by Maven; its arguments follow."""
    folder, source = BUILT / "streams", HERE / "streams"
    main, libraries, stamp = folder / "target" / "classes", folder / "target" / "libs", folder / "Job.built"
    given = b"".join(path.read_bytes() for path in (source / "pom.xml", source / "src/main/java/Job.java"))
    if not (stamp.exists() and stamp.read_bytes() == given):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        _run("mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "compile", "dependency:copy-dependencies", f"-DoutputDirectory={libraries}")
        stamp.write_bytes(given)
    return [find_java(os.environ), "-Xmx512m", "-cp", f"{main}:{libraries}/*", "Job"]


def flink_connector() -> Path:
    """Flink's connector to Kafka, which its Python package does not hold."""
    folder = BUILT / "flink-connector"
    _, name, version = CONNECTOR.split(":")
    jar = folder / f"{name}-{version}.jar"
    if not jar.exists():
        _run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={CONNECTOR}", f"-DoutputDirectory={folder}")
    return jar


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
    if done.returncode:
        said = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        wrong = [line for line in said if "error" in line.lower()]
        raise NotInstalled((wrong or said or ["no word of why"])[-1].strip()[:200])
