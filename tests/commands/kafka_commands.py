"""What the tests of commands on a real broker share: topics of a test's own, and a command run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from worker.commands.app import app
from worker.commands.errors import guarded

SHORT = ("events", "scores", "profiles", "examples", "models", "segments", "triggers", "deadletter")


class Shop:
    """A configuration whose topics and group are a test's own; `names` by their short names."""

    def __init__(self, folder: Path, fresh_name: Callable[[str], str], **kafka: str) -> None:
        self.names = {short: fresh_name(short) for short in SHORT}
        self.group = fresh_name("group")
        self.file = folder / "clickscore.toml"
        lines = [f'service = {{ group = "{self.group}", log_format = "json" }}', "endpoint = { port = 0 }", "[topics]"]
        lines += [f'{short} = "{name}"' for short, name in self.names.items()]
        self.file.write_text("\n".join([*lines, "[kafka]", *(f'{key} = "{value}"' for key, value in kafka.items())]) + "\n")


def run(*arguments: str | Path) -> int:
    """Run a command line in this process; its exit code. Every failure must be told in words, as a person would see it."""
    return guarded(lambda: typer.main.get_command(app).main([str(one) for one in arguments], prog_name="clickscore"))


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What was printed since the last call: on stdout, and on stderr."""
    captured = capsys.readouterr()
    return captured.out, captured.err
