"""A PATH of our own making, to look for Kafka where some things are and others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.demo.broker import BrokerMissing, Source, find

JAVA_17 = "echo 'openjdk version \"17.0.1\"' >&2"
COPIES = """\
for argument; do case "$argument" in -DoutputDirectory=*) libs=${argument#*=};; esac; done
echo once >> "$CALLS"
mkdir "$libs"; : > "$libs/kafka_2.13-4.1.1.jar"
"""


class Programs:
    """A PATH of our own making: programs that are shell scripts, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.calls = folder / "bin", folder / "cache", folder / "calls"
        self.folder.mkdir()
        self.environ = {"PATH": str(self.folder), "CALLS": str(self.calls)}

    def add(self, name: str, script: str) -> Path:
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n(PATH=/usr/bin:/bin\n{script}\n)")
        program.chmod(0o755)
        return program

    def find(self) -> Source:
        return find(self.environ, cache=self.cache)

    def missing(self) -> str:
        with pytest.raises(BrokerMissing) as caught:
            self.find()
        return str(caught.value)

    def cached(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir() if not path.name.endswith(".lock"))
