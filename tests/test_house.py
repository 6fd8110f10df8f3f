"""The rules of the house that a program can hold: what may import what, how long a file may be, what no committed file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
WORKER = ROOT / "worker"

# What of the project each floor may import; a package that is not named here may import all but the commands.
MAY_IMPORT = {
    "errors": set(),
    "core": {"core", "errors"},
    "log": {"log", "errors"},
    "kafka_settings": {"core", "log", "errors"},
    "endpoint_settings": {"kafka_settings", "core", "errors"},
    "destination": {"destination", "errors"},
    "delivery_settings": {"destination", "kafka_settings", "core", "errors"},
    "privacy_settings": {"kafka_settings", "core", "errors"},
    "settings": {"kafka_settings", "endpoint_settings", "delivery_settings", "privacy_settings", "core", "errors"},
    "configuration": {"configuration", "settings", "core", "errors"},
    "service": {"service", "log", "settings", "core", "errors"},
    "delivery": {"delivery", "delivery_settings", "destination", "service", "log", "settings", "core", "errors"},
}
TOP_FLOOR = {"commands", "__main__"}
CORE_LIBRARIES = {"numpy", "orjson", "river", "pydantic", "holidays"}
# A clock, the environment, files, ports, processes, logs, chance from the system, and code in disguise.
CORE_FORBIDDEN = set(
    "asyncio concurrent getpass glob http io locale logging marshal multiprocessing os pathlib pickle platform random secrets select "
    "shelve shutil signal socket sqlite3 ssl subprocess tempfile threading time urllib uuid warnings".split()
)
CORE_CALLS = {"open", "print", "input", "eval", "exec", "breakpoint"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 80

# Written in parts, so that this file does not break its own rule.
HOSTS = re.compile(
    "|".join(
        first + r"\." + last
        for first, last in [
            ("pypi", "org"), ("pythonhosted", "org"), ("pypi", "python"), ("npmjs", "(org|com)"), ("crates", "io"), ("maven", r"(org|apache\.org/maven2)"),
            ("proxy.golang", "org"), ("rubygems", "org"), ("anaconda", "org"), ("deb.debian", "org"), ("archive.ubuntu", "com"),
        ]
    ),
    re.IGNORECASE,
)  # fmt: skip
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(" + "|".join(["work", "tmp/" + "lab", "root", r"home/\w+", r"Users/\w+"]) + ")/")
INDEX_OPTIONS = re.compile(
    r"(?<![\w-])--?(" + "|".join(["index" + "-url", "extra-" + "index-url", "find" + "-links", "trusted" + "-host", "no-" + "index"]) + r")\b"
)


def modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of every module that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from worker import core` names a module as well.
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def import_faults(floor: str, source: str) -> list[str]:
    """Say what in a file of a floor the law of the four floors forbids."""
    tree, faults = ast.parse(source), []
    for line, module in modules(tree):
        top, _, rest = module.partition(".")
        ours = rest.split(".")[0]
        if module.startswith("."):
            faults.append(f"line {line}: relative import")
        elif top == "worker" and floor not in TOP_FLOOR and not ours.startswith("__"):
            allowed = MAY_IMPORT.get(floor)
            if ours in TOP_FLOOR or (allowed is not None and ours not in allowed):
                faults.append(f"line {line}: {floor} imports worker.{ours}")
        elif floor == "core" and top != "worker" and (top in CORE_FORBIDDEN or top not in CORE_LIBRARIES | sys.stdlib_module_names):
            faults.append(f"line {line}: core imports {top}")
    return faults + (core_call_faults(tree) if floor == "core" else [])


def core_call_faults(tree: ast.AST) -> list[str]:
    """Find clocks and unseeded chance that a permitted module offers, and built-ins that reach outside."""
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
            faults.append(f"line {node.lineno}: reads a clock with .{node.attr}")
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in CORE_CALLS:
            faults.append(f"line {node.lineno}: calls {node.func.id}")
        called = ast.unparse(node.func)
        if called.endswith("default_rng") and not node.args and not node.keywords:
            faults.append(f"line {node.lineno}: draws without a seed")
        if re.search(r"\brandom\.(?!default_rng|Generator|PCG64|Philox|SeedSequence)\w+$", called):
            faults.append(f"line {node.lineno}: draws from a state that all share, {called}")
    return faults


def size_faults(source: str) -> list[str]:
    faults = [f"{source.count(chr(10))} lines"] if source.count("\n") > LONGEST_FILE else []
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = [(node, (node.end_lineno or 0) - node.lineno + 1) for node in functions]
    return faults + [f"line {node.lineno}: {node.name} has {length} lines" for node, length in lengths if length > LONGEST_FUNCTION]


def committed_files() -> list[Path]:
    """List what is or would be committed; outside a repository (an unpacked release) everything that make does not make."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        made = (".venv", ".hypothesis", "build", "dist", "__pycache__")
        paths = [path for path in ROOT.rglob("*") if not any(part in made or part.endswith(("_cache", ".egg-info")) for part in path.parts)]
    return [path for path in paths if path.is_file()]


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def pins(name: str) -> list[str]:
    """Return the entries of a requirement file, each with its continuation lines."""
    return (ROOT / "requirements" / name).read_text().replace("\\\n", " ").strip().splitlines()


def test_imports_point_down_only() -> None:
    faults = {}
    for path in python_files("worker"):
        relative = path.relative_to(WORKER)
        found = import_faults(relative.parts[0].removesuffix(".py"), path.read_text())
        if found:
            faults[str(relative)] = found
    assert not faults


@pytest.mark.parametrize(
    ("floor", "source"),
    [
        ("core", "import time"),
        ("core", "from os import environ"),
        ("core", "def f():\n    import logging"),
        ("core", "import kafka"),
        ("core", "from prometheus_client import Counter"),
        ("core", "from worker.log import contract"),
        ("core", "from worker import service"),
        ("core", "import worker.settings"),
        ("core", "from ..log import contract"),
        ("core", "import random"),
        ("core", "from datetime import datetime\nx = datetime.now()"),
        ("core", "import datetime\nx = datetime.date.today()"),
        ("core", "import numpy as np\nx = np.random.default_rng()"),
        ("core", "import numpy as np\nx = np.random.random(3)"),
        ("core", "x = open('file')"),
        ("log", "from worker.core.events.decoding import decode"),
        ("log", "import worker.service.loop"),
        ("service", "from worker.commands.app import app"),
        ("service", "from worker.configuration import load"),
        ("settings", "from worker.configuration import load"),
        ("delivery_settings", "from worker.delivery.role import Deliveries"),
        ("destination", "from worker.service.clock import Clock"),
        ("demo", "from worker.commands import app"),
    ],
)
def test_the_import_law_sees(floor: str, source: str) -> None:
    assert import_faults(floor, source)


@pytest.mark.parametrize(
    ("floor", "source"),
    [
        ("core", "from datetime import datetime, UTC\nx = datetime.fromtimestamp(0, UTC)"),
        ("core", "import numpy as np\nx = np.random.default_rng(3)"),
        ("core", "from worker.core import events\nfrom worker.errors import ClickscoreError\nfrom worker import __version__"),
        ("log", "import sqlite3, time\nfrom worker.errors import ClickscoreError"),
        ("service", "import time\nfrom worker.log import contract"),
        ("commands", "from worker.service import loop"),
    ],
)
def test_the_import_law_permits(floor: str, source: str) -> None:
    assert import_faults(floor, source) == []


def test_files_and_functions_fit_a_reader() -> None:
    faults = {str(path.relative_to(ROOT)): found for path in python_files("worker", "tests", "bench", "tools") if (found := size_faults(path.read_text()))}
    assert not faults


def test_the_size_rule_sees_both() -> None:
    long_function = "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION
    assert size_faults(long_function) == [f"line 1: f has {LONGEST_FUNCTION + 1} lines"]
    assert size_faults("x = 1\n" * (LONGEST_FILE + 1)) == [f"{LONGEST_FILE + 1} lines"]


def test_nothing_committed_names_a_registry_or_a_machine() -> None:
    faults = []
    for path in committed_files():
        text = path.read_bytes().decode("utf-8", "replace")
        for rule in (HOSTS, MACHINE_PATHS, INDEX_OPTIONS):
            faults += [f"{path.relative_to(ROOT)}: {match[0]}" for match in rule.finditer(text)]
    assert not faults


def test_the_registry_rule_sees() -> None:
    assert HOSTS.search("https://" + "pypi" + ".org/simple")
    assert MACHINE_PATHS.search("cd /" + "work/main")
    assert INDEX_OPTIONS.search("pip install --" + "index-url x")
    assert not MACHINE_PATHS.search("https://example.com/work/in/progress and clickscore/work/x")


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    entries = pins(name)
    assert entries
    assert [entry for entry in entries if not re.fullmatch(r"[a-z0-9-]+==[\w.]+(?: ; [^@:/]+?)?(?:\s+--hash=sha256:[0-9a-f]{64})+", entry)] == []


def test_the_pins_are_what_the_project_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [Requirement(text) for text in project["project"]["dependencies"] + project["build-system"]["requires"]]
    pinned = {entry.split("==")[0]: re.split(r"[ ;]", entry.split("==")[1])[0] for entry in pins("run.txt")}
    assert [str(one) for one in wanted if one.name not in pinned or not one.specifier.contains(pinned[one.name])] == []
    assert set(pins("run.txt")) <= set(pins("test.txt"))


def test_the_coverage_bar_stands() -> None:
    assert "--cov-fail-under=95" in (ROOT / "Makefile").read_text()
