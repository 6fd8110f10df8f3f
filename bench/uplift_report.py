"""Three rules whose truth is known, and what `clickscore report` says of them: the picture of docs/uplift.md.

A simulated shop lives for two days with a worker on an embedded log: events go in, the triggers that the worker fires come back and change what users
buy. The same seed gives the same figures.
    python -m bench.uplift_report FOLDER [--picture FILE]
leaves the log, its configuration and the report in the folder.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worker.configuration import load
from worker.log.contract import Message
from worker.log.embedded import EmbeddedLog
from worker.service.assembly import build_loop
from worker.service.loop import Loop, Stop
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import create_topics
from worker.settings import Settings

START_MS, HOUR_MS, SEED = 1_780_272_000_000, 3_600_000, 11  # 1 June 2026, 00:00 UTC
USERS, HOURS, CONVERSION = 12_000, 36, 0.12


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, whom it is for, and what a message of it truly does: so much is added to the chance to buy."""

    device: str
    share: float  # of users
    effect: float


RULES = {"basket": Rule("phone", 0.5, 0.06), "welcome": Rule("desktop", 0.4, 0.0), "winback": Rule("tablet", 0.1, 0.04)}
CONFIGURATION = """\
seed = 11
[targets.purchase]
horizon = "1 d"
[silence]
marks = []
[action]
quiet_from = "00:00"
quiet_until = "00:00"
[service]
roles = ["scorer"]
member = "m"
log_level = "error"
""" + "".join(
    f"[triggers.{name}]\nwhen = \"device == '{rule.device}'\"\nholdout = 0.2\nwindow = \"6 h\"\n" for name, rule in RULES.items()
)  # fmt: skip


class Clock:
    """The shop's time: it moves when the shop moves it."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        """Unix time."""
        return self.ms

    def elapsed_s(self) -> float:
        """Since the epoch."""
        return self.ms / 1000

    def sleep(self, duration_s: float) -> None:
        """Nobody waits here."""


class Shop:
    """The users, and the worker who writes to them."""

    def __init__(self, path: Path, settings: Settings, users: int = USERS) -> None:
        self._clock, self._settings, self._users = Clock(), settings, users
        self._log = EmbeddedLog(path, clock_ms=self._clock.now_ms)
        create_topics(self._log, settings)
        happened = Happenings(open_logger(settings.service, io.StringIO()), Metrics(settings.targets), self._clock)
        self._loop: Loop = build_loop(self._log, settings, self._clock, happened, Stop(happened))
        self._triggers = self._log.tail(settings.topics.triggers, self._log.end_offsets(settings.topics.triggers))

    def live(self) -> None:
        """Each hour some users come, are perhaps written to, and perhaps buy two hours later."""
        rng, names, rules = np.random.default_rng(SEED), list(RULES), list(RULES.values())
        buying: list[list[str]] = [[], []]
        for hour in range(HOURS):
            self._clock.ms = START_MS + hour * HOUR_MS
            first, last = (self._users * min(now, HOURS - 10) // (HOURS - 10) for now in (hour, hour + 1))
            of = dict(
                zip((f"u{number:05}" for number in range(first, last)), rng.choice(len(names), last - first, p=[rule.share for rule in rules]), strict=True)
            )
            bought = [(user, "purchase", "") for user in buying.pop(0)]
            self._send([*bought, *((user, "page_view", rules[of[user]].device) for user in of), ("clock", "page_view", "")])
            fired = set(self._fired())
            draws = rng.random(len(of))
            chance = [CONVERSION + rules[rule].effect * (user in fired) for user, rule in of.items()]
            buying.append([user for user, draw, likely in zip(of, draws, chance, strict=True) if draw < likely])
        self._loop_ends()

    def _send(self, events: list[tuple[str, str, str]]) -> None:
        topic, messages = self._settings.topics.events, []
        for user, name, device in events:
            event = {"event": name, "user_id": user, "timestamp": self._clock.ms, "consent": "granted", **({"device": device} if device else {})}
            messages.append(Message(json.dumps(event).encode(), user.encode()))
        self._log.append(topic, messages)
        while self._log.committed(self._settings.service.group, topic) != self._log.end_offsets(topic):
            self._loop.turn()

    def _fired(self) -> Iterator[str]:
        while polled := self._triggers.poll(5_000, 0.0):
            yield from (record["user_id"] for record in (json.loads(one.value or b"") for one in polled) if record["result"] == "fired")

    def _loop_ends(self) -> None:
        self._triggers.close()
        self._log.close()


def main() -> None:
    """Simulate, report, and perhaps draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path, default=None, help="write the report's page as PNG, with Chromium")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    log, config, page = (chosen.folder / name for name in ("shop.db", "clickscore.toml", "report.html"))
    for old in chosen.folder.glob("shop.db*"):
        old.unlink()
    config.write_text(CONFIGURATION)
    Shop(log, load(config, environ={}).settings).live()
    subprocess.run(
        [sys.executable, "-m", "worker", "report", "--embedded", "shop.db", "--config", "clickscore.toml", "--out", "report.html"],
        cwd=chosen.folder,
        check=True,
    )
    if chosen.picture is not None:
        draw(page, chosen.picture)


def draw(page: Path, picture: Path) -> None:
    """The page as a PNG of 1,200 by 860 pixels."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("no chromium on the PATH; on Debian: apt-get install chromium")
    flags = "--headless=new --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars --window-size=1200,860".split()
    subprocess.run([program, *flags, f"--screenshot={picture.resolve()}", page.resolve().as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main()
