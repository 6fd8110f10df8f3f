"""`clickscore --help` lists the commands and stays quick by importing nothing heavy; the clock is not asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from worker import __version__
from worker.commands.app import COMMANDS, load_command

ROOT = Path(__file__).parents[2]
HEAVY = {"river", "pydantic", "pydantic_settings", "numpy", "scipy", "rich", "kafka", "structlog", "prometheus_client", "sqlite3"}
LIST_MODULES = "import json, sys; from worker.__main__ import main; code = main(); print(json.dumps([code, sorted(sys.modules)]))"


def modules_after(*arguments: str) -> set[str]:
    """Run the command in a process of its own and return the names of all modules that it imported."""
    run = subprocess.run([sys.executable, "-c", LIST_MODULES, *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    code, names = json.loads(run.stdout.splitlines()[-1])
    assert code == 0
    return set(names)


def test_help_lists_every_command_with_its_line() -> None:
    run = subprocess.run([sys.executable, "-m", "worker", "--help"], cwd=ROOT, check=True, capture_output=True, text=True)
    listed = {line.split()[0]: line.split(maxsplit=1)[1] for line in run.stdout.partition("Commands:\n")[2].splitlines() if line.strip()}
    assert {name: text for name, text in COMMANDS.items() if not listed.get(name, "").startswith(text[:30])} == {}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy_and_no_command(arguments: list[str]) -> None:
    names = modules_after(*arguments)
    assert "typer" in names
    assert names & HEAVY == set()
    assert [name for name in COMMANDS if f"worker.commands.{name}" in names] == []


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_of_a_command_does_not_import_what_it_works_with(name: str) -> None:
    assert modules_after(name, "--help") & {"river", "scipy", "kafka"} == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_there(name: str) -> None:
    command = load_command(name)
    assert command.name == name
    assert command.help


def test_version() -> None:
    run = subprocess.run([sys.executable, "-m", "worker", "--version"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert run.stdout == f"clickscore {__version__}\n"


def test_a_mistyped_command_is_answered_with_the_near_one() -> None:
    run = subprocess.run([sys.executable, "-m", "worker", "confg"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert "Did you mean 'config'?" in run.stderr
