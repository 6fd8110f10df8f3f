"""`clickscore config`: what is printed reads back, what is wrong ends with 78, and a terminal gets a table."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from worker.configuration import load

ROOT = Path(__file__).parents[2]
CONFIGURED = """\
reasons = 5
[events.names]
kauf = "purchase"
"in.korb" = "add_to_cart"
[targets.cart]
outcome = "add_to_cart"
horizon = "90 min"
[targets.churn]
enabled = false
[outage]
declared = [["2020-12-24T18:00:00Z", "2020-12-27T08:00:00Z"]]
[embedded]
path = 'tab\\and "quote".db'
"""


def clickscore(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "worker", *arguments], cwd=cwd, env=environment, check=False, capture_output=True, text=True)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "clickscore.toml").write_text(CONFIGURED)
    return tmp_path


def test_what_show_prints_reads_back_as_the_same_settings(shop: Path) -> None:
    shown = clickscore("config", "show", "--set", "seed=4", cwd=shop, CLICKSCORE_SERVICE__TURN_EVENTS="7")
    assert (shown.returncode, shown.stderr) == (0, "")
    (shop / "again.toml").write_text(shown.stdout)
    expected = load(shop / "clickscore.toml", ["seed=4"], environ={"CLICKSCORE_SERVICE__TURN_EVENTS": "7"}).settings
    assert load(shop / "again.toml", environ={}).settings == expected
    assert list(expected.targets) == ["purchase", "intent", "cart"]


def test_show_says_where_each_value_was_written(shop: Path) -> None:
    lines = clickscore("config", "show", "--set", "seed=4", cwd=shop, CLICKSCORE_SERVICE__TURN_EVENTS="7").stdout.splitlines()
    for line in [
        "seed = 4  # flag --set seed",
        "turn_events = 7  # environment variable CLICKSCORE_SERVICE__TURN_EVENTS",
        "reasons = 5  # clickscore.toml, line 1, column 1",
        'horizon = "90 min"  # clickscore.toml, line 7, column 1',
        "enabled = false  # clickscore.toml, line 9, column 1",
        "port = 9108  # default",
    ]:
        assert line in lines


def test_a_terminal_gets_a_table(shop: Path) -> None:
    reader, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-m", "worker", "config", "show"], cwd=shop, env=environment, stdout=terminal, stderr=subprocess.PIPE)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(reader, 65536):
            shown += chunk
    except OSError:  # Linux ends a terminal that nobody writes to any more with EIO
        pass
    os.close(reader)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, b"")
    text = re.sub(r"\x1b\[[\d;]*m", "", shown.decode())
    assert re.search(r"^key +value +from", text)
    assert re.search(r'targets\.cart\.horizon +"90 min" +clickscore\.toml, line 7, column 1', text)
    assert re.search(r"targets\.churn\.enabled +false +clickscore\.toml, line 9, column 1", text)
    assert re.search(r"endpoint\.port +9108 +default", text)


def test_check_looks_at_the_named_file_alone(shop: Path) -> None:
    (shop / "other.toml").write_text("seed = 3\n")
    checked = clickscore("config", "check", "other.toml", cwd=shop, CLICKSCORE_SEED="wrong")
    assert (checked.returncode, checked.stdout) == (0, "other.toml: right; 1 values given, targets purchase, intent, churn\n")


def test_check_without_a_file_looks_at_what_would_be_read(shop: Path) -> None:
    assert clickscore("config", "check", cwd=shop).stdout == "configuration: right; 8 values given, targets purchase, intent, cart\n"
    assert clickscore("config", "check", cwd=shop, CLICKSCORE_SEED="wrong").returncode == 78


def test_a_wrong_file_ends_with_78_and_says_what_where_and_what_to_do(shop: Path) -> None:
    (shop / "wrong.toml").write_text('[targets.purchase]\nhorizn = "14 d"\nhorizon = "0 d"\n')
    checked = clickscore("config", "check", "wrong.toml", cwd=shop)
    assert (checked.returncode, checked.stdout) == (78, "")
    assert checked.stderr == (
        "Error: unknown key 'horizn' in [targets.purchase]\n  where: wrong.toml, line 2, column 1\n  to do: did you mean 'horizon'?\n"
        'Error: targets.purchase.horizon is "0 d"\n  where: wrong.toml, line 3, column 1\n  to do: write more than zero, for example "7 d"\n'
    )


def test_a_wrong_option_ends_with_2(shop: Path) -> None:
    assert clickscore("config", "show", "--st", "seed=1", cwd=shop).returncode == 2


def test_schema_is_json(shop: Path) -> None:
    assert json.loads(clickscore("config", "schema", cwd=shop).stdout)["properties"]["topics"] == {"$ref": "#/$defs/TopicSettings"}


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "configuration.md").read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("clickscore")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = f'set -e\nclickscore() {{ "{sys.executable}" -m worker "$@"; }}\n' + "\n".join(commands)
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert len(commands) >= 3
    assert (run.returncode, run.stderr) == (0, "")


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    shown = clickscore("config", "show", cwd=tmp_path, CLICKSCORE_KAFKA__SASL_PASSWORD="swordfish", CLICKSCORE_KAFKA__TLS_KEY_PASSWORD="halibut")
    assert shown.stdout.count('"(hidden)"') == 2
    assert "swordfish" not in shown.stdout + shown.stderr
    assert "halibut" not in shown.stdout + shown.stderr
