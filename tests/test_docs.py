"""Every command of README and docs runs, in order, and prints what the page says that it prints.

A page is one shell session in a folder of its own. It finds there what a reader would have by then:
- `events.jsonl`, a file of events (a small synthetic shop; its latest users carry the names that the pages use), and
- `clickscore-demo.db`, the log that `clickscore demo` leaves behind (here: that small shop, scored).
- a Kafka broker at localhost:9092 (here: that of the test run, where each page has topics and a group of its own, whose prefix is taken off what is printed).
`make` targets are looked up in the Makefile instead of being run: they would run this test.

In a `console` block, lines after "$ " are commands and the others their output, of which the fixed part must be printed: numbers may differ, what
follows a comma or a bracket may differ, and lines about a user or a user's points are data. "…" stands for lines left out.
In a `sh` block every line is a command. Commands that need data from elsewhere stand indented, on the page on quality alone: their options are checked.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from worker.demo.shop import Shop, ShopSettings
from worker.log.embedded import EmbeddedLog

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[+−-]?<?\d[\d.,:]*|(?<= )–(?= |$)")
DATA = re.compile(r"u\d{6}|×\d|^\s+(points\b|[+−]\d)")
DEADLINE_S = 120
BROKER = "localhost:9092"  # what pages say for the test's broker
TOPICS = {
    "EVENTS": "clickstream.events",
    **{name.upper(): f"clickscore.{name}" for name in ("scores", "profiles", "examples", "models", "segments", "triggers", "deadletter")},
}


@dataclass
class Command:
    """A command of a page and what the page shows of its output."""

    text: str
    shown: list[str] = field(default_factory=list)


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(language, body) for language, body in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(page: Path) -> list[Command]:
    found: list[Command] = []
    for language, body in blocks(page):
        lines = body.splitlines()
        if language == "sh":
            found += [Command(text) for text in joined(lines, quotes=True)]
        elif language == "console":
            assert lines[0].startswith("$ "), f"{page.name}: a console block begins with a command, not with {lines[0]!r}"
            for line in joined(lines):
                if line.startswith("$ "):
                    found.append(Command(line[2:]))
                else:
                    found[-1].shown.append(line)
    return found


def joined(lines: list[str], quotes: bool = False) -> Iterator[str]:
    """Lines that end in a backslash, or within quotes, with those that go on from them; without empty lines and remarks."""
    held = ""
    for line in lines:
        held += line
        if held.endswith("\\") or (quotes and held.count("'") % 2):
            held += "\n"
        else:
            if held.strip() and not held.startswith("# "):
                yield held
            held = ""
    assert not held, f"unfinished: {held}"


def pattern(line: str) -> str:
    """What must be printed for a shown line, as a regular expression; empty for a line of data."""
    fixed = re.split(r", |\(|…", line)[0]
    if DATA.search(line) or not fixed.strip():
        return ""
    words = [r"\s+".join(map(re.escape, part.split())) for part in NUMBER.split(fixed)]
    return r"^\s*" + r"\s*\S+\s*".join(words) + (r"\s*$" if fixed == line else "")


def missing(command: Command, printed: str) -> list[str]:
    """The shown lines that were not printed, in their order."""
    rest, absent = printed.splitlines(), []
    for line in command.shown:
        wanted = pattern(line)
        at = next((number for number, text in enumerate(rest) if re.search(wanted, text)), None) if wanted else -1
        if at is None:
            absent.append(line)
        else:
            rest = rest[at + 1 :]
    return absent


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pages begin with, and bin/ with the project's own command and the Python of this test."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "bin").mkdir()
    for name, rest in (("clickscore", " -m worker"), ("python", "")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{rest} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    start = folder / "start"
    start.mkdir()
    (start / "events.jsonl").write_bytes(sample())
    clickscore, variables = str(folder / "bin" / "clickscore"), environment(folder / "bin")
    subprocess.run([clickscore, "send", "events.jsonl", "--embedded", "clickscore-demo.db"], cwd=start, env=variables, check=True, timeout=DEADLINE_S)
    worker = subprocess.Popen([clickscore, "run", "--embedded", "clickscore-demo.db"], cwd=start, env=variables)
    try:
        until_scored(start / "clickscore-demo.db")
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(DEADLINE_S) == 0
    return folder


def sample() -> bytes:
    """A shop's events; the users that the pages name are its latest ones under another name."""
    data = b"\n".join(value for value, _ in Shop(ShopSettings(users=500, days=10)).stream()) + b"\n"
    named = dict.fromkeys(re.findall(r"\bu\d{6}\b", "\n".join(command.text for page in PAGES for command in commands(page))))
    present = dict.fromkeys(reversed(re.findall(rb'"user_id":"(u\d{6})"', data)))  # the latest first: models know something by then
    for user, stranger in zip([name for name in named if name.encode() not in present], present, strict=False):
        data = data.replace(b'"' + stranger + b'"', b'"' + user.encode() + b'"')
    return data


def until_scored(path: Path) -> None:
    """Wait until every event of the log is scored: each new score is a reason to look again."""
    log = EmbeddedLog(path, create=False)
    tail = log.tail("clickscore.scores", log.start_offsets("clickscore.scores"))
    for _ in range(5 * DEADLINE_S):
        tail.poll(5_000, 0.2)
        if log.committed("clickscore", "clickstream.events") == log.end_offsets("clickstream.events"):
            break
    else:
        raise AssertionError("the sample was not scored in time")
    log.close()


def environment(bin_folder: Path, port: int = 0) -> dict[str, str]:
    """Small turns and frequent snapshots, so that the few events of the sample are learned from."""
    return {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(bin_folder),
        "LC_ALL": "C.UTF-8",
        "CLICKSCORE_ENDPOINT__PORT": str(port),
        "CLICKSCORE_SERVICE__TURN_EVENTS": "250",
        "CLICKSCORE_SERVICE__SNAPSHOT_EXAMPLES": "50",
    }


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def on_kafka(prefix: str) -> dict[str, str]:
    """Names of a page's own on a broker that all share."""
    return {f"CLICKSCORE_TOPICS__{name}": prefix + topic for name, topic in TOPICS.items()} | {"CLICKSCORE_SERVICE__GROUP": prefix + "clickscore"}


def run_page(listed: list[Command], folder: Path, bin_folder: Path, bootstrap: str = "") -> list[tuple[int, str]]:
    """Run the commands in one shell; exit code and output of each, up to the one at which the shell ended. `bootstrap` is what stands for BROKER."""
    port, prefix = free_port(), f"docs-{secrets.token_hex(4)}-"
    variables = environment(bin_folder, port)
    if bootstrap:
        # An embedded log that is there already has its names; a page that uses both names them in the command.
        steps_on_kafka = " ".join(f"{name}={value}" for name, value in on_kafka(prefix).items())
    steps = ["trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT"]
    for number, command in enumerate(listed):
        text = command.text.replace("9108", str(port))
        if BROKER in text:
            text = re.sub(r"(?<![\w./-])clickscore (?=.*--bootstrap)", f"{steps_on_kafka} clickscore ", text).replace(BROKER, bootstrap)
        steps.append(f"{{ {text}\n}} > .out.{number} 2>&1; echo $? > .code.{number}")
    shell = subprocess.Popen(["bash", "-c", "\n".join(steps)], cwd=folder, env=variables, start_new_session=True)
    try:
        shell.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:  # the commands that are not done say at which one it hung
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    done = [number for number in range(len(listed)) if (folder / f".code.{number}").exists()]
    printed = [(folder / f".out.{number}").read_text(errors="replace").replace(prefix, "").replace(bootstrap or BROKER, BROKER) for number in done]
    return [(int((folder / f".code.{number}").read_text()), text) for number, text in zip(done, printed, strict=True)]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_of_a_page_works_and_prints_what_is_shown(page: Path, prepared: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    listed = commands(page)
    made = [command for command in listed if re.match(r"make\b", command.text)]
    assert [command.text for command in made if command.text.removeprefix("make ") not in targets or command.shown] == []
    rest = [command for command in listed if command not in made]
    folder = tmp_path / "reader"
    shutil.copytree(prepared / "start", folder)
    bootstrap = request.getfixturevalue("bootstrap") if any(BROKER in command.text for command in rest) else ""
    ran = run_page(rest, folder, prepared / "bin", bootstrap) if rest else []
    wrong = [f"$ {command.text}\nexit code {code}\n{output}" for command, (code, output) in zip(rest, ran, strict=False) if code]
    assert wrong == []
    assert len(ran) == len(rest), f"the session ended, or was ended after {DEADLINE_S} s, at: {rest[len(ran)].text}"
    unsaid = [f"{line!r} of $ {command.text}\n{output}" for command, (_, output) in zip(rest, ran, strict=True) for line in missing(command, output)]
    assert unsaid == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_has_a_known_language_and_reads_as_such(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(blocks(page)), "every fence stands at the left margin, and is closed"
    for language, body in blocks(page):
        assert language in {"console", "sh", "toml", "json", "yaml"}, f"{language!r} is no language that this test knows"
        if language == "toml":
            assert tomllib.loads(body)
        elif language == "json":
            assert all(isinstance(json.loads(line), dict) for line in body.splitlines())


def test_commands_within_sentences_exist() -> None:
    known = set(re.findall(r'^    "([a-z]+)": "', (ROOT / "worker" / "commands" / "app.py").read_text(encoding="utf-8"), re.MULTILINE))
    named = {(page.name, name) for page in PAGES for name in re.findall(r"`clickscore ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert named
    assert {pair for pair in named if pair[1] not in known} == set()


def test_commands_that_need_data_from_elsewhere_stand_indented_and_name_real_options(prepared: Path) -> None:
    """Only the page on quality has such commands: the data that it judges is not part of the project."""
    indented = [(page.name, line) for page in PAGES for line in re.findall(r"^    +((?:\$ )?clickscore .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)]
    assert {name for name, _ in indented} <= {"quality.md"}
    for _, line in indented:
        names = re.findall(r"^(?:\$ )?clickscore ((?:[\w.-]+ )*?)(?=--|$)", line)[0].split()
        help_text = subprocess.run([str(prepared / "bin" / "clickscore"), *names, "--help"], env=environment(prepared / "bin"), capture_output=True, check=True)
        assert [option for option in re.findall(r"--[a-z-]+", line) if option not in help_text.stdout.decode()] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset|href)="([^"#]+)"', text)
    assert [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()] == []


def test_the_command_on_the_path_is_the_projects_own() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"] == {"clickscore": "worker.__main__:main"}
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["readme"] == "README.md"


@pytest.mark.parametrize(
    ("shown", "printed", "absent"),
    [
        ("3 of 9,736 users", "5 of 12 users", False),
        ("3 of 9,736 users", "5 of 12 shops", True),
        ("purchase    events   15,655    3.0 %  –", "purchase events 2 <0.01 %  0.5", False),
        ("sent 4 events to shop.db in 2.9 s (38,567/s)", "sent 9 events to other.db in 1.0 s (1/s)", True),
        ("chance  lift  user", "chance  user", True),
        ("99 %  2.3×  u002681  silence", "", False),
    ],
)
def test_shown_lines_are_compared_by_their_fixed_part(shown: str, printed: str, absent: bool) -> None:
    assert bool(missing(Command("", [shown]), printed)) is absent
