"""The demo, played: the shop's events go into an embedded log, workers score and learn from them, and what they publish is held against the truth.

The log that all this goes through lies in the system's folder for temporary files until the end, and takes some hundred megabytes there. What stays
is a small one with the last score of every user and the dead letters, for `clickscore explain`, `top` and `tap`.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from types import FrameType

from worker.core.settings import written
from worker.demo.shop import Shop, ShopSettings
from worker.demo.watch import Watch
from worker.demo.workers import Workers
from worker.errors import ClickscoreError
from worker.log.contract import Log, Message, Record, Topic
from worker.log.embedded import EmbeddedLog
from worker.log.errors import LogError, LogUnavailable
from worker.service.clock import SystemClock
from worker.service.sender import send_lines
from worker.service.topics import create_topics
from worker.settings import EmbeddedSettings, ServiceSettings, Settings
from worker.views.live import View

AHEAD = 4_000  # events that may wait for the scorer: enough for its next turn
TURN_EVENTS = 2_000
CLOCK_EVENTS = 500  # the shop's clock goes on in steps of so many events
WAIT_S, STATE_EVERY_S = 0.02, 0.1
READ_AT_ONCE, WRITTEN_AT_ONCE = 10_000, 2_000
CLEAN_EVERY_S, CLEAN_CHANGES = 3.0, 60_000
SCORE_BYTES = 64 << 20  # of scores stay in the working log: twenty times what the demo lags behind in reading them
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MARK = Topic("clickscore.demo")  # a log with this topic is a demo's, and may be replaced by the next one


@dataclass(frozen=True, slots=True)
class Demo:
    """What to play. `rate` is events a second, None as fast as they are scored; `keep` the file in which the scores stay."""

    shop: ShopSettings
    keep: Path
    rate: float | None = None


def play(demo: Demo, view: View) -> Watch:
    """Play the demo to its end, or until q, Ctrl-C, SIGTERM or the terminal's end; returns what was seen of it.

    The kept file is written unless there is no score.
    Raises ClickscoreError where the kept file would replace what is no demo's.
    """
    refuse_to_replace(demo.keep)
    watch = Watch(demo.shop)
    with tempfile.TemporaryDirectory(prefix="clickscore-demo-") as folder, asked_to_end() as asked:
        settings = settings_of(Path(folder) / "demo.db")
        with closing(working_log(settings)) as log:
            tail = log.tail(settings.topics.scores, "earliest")
            with Workers(settings, demo.shop.start_ms) as workers, cleaning(log, settings):
                stage = _Stage(watch, view, workers, lambda: tail.poll(READ_AT_ONCE, WAIT_S), asked)
                watch.stopped = not stage.play(demo, log, settings.topics.events)
            while records := tail.poll(READ_AT_ONCE, 0):
                watch.published(records)
            view.show(watch.state())
            if watch.latest:
                keep(demo.keep, watch.latest.values(), log, settings)
    return watch


def settings_of(path: Path) -> Settings:
    """The defaults, but for the pace: days pass in seconds here, so that models are published after seconds instead of a minute."""
    service = ServiceSettings(turn_events=TURN_EVENTS, snapshot_wait=written("1 s"), log_level="error", log_format="json", member="demo")
    return Settings(embedded=EmbeddedSettings(path=str(path)), service=service)


def working_log(settings: Settings) -> EmbeddedLog:
    """The log with its topics, as any worker makes them but for the scores, of which only the latest megabytes stay."""
    log = EmbeddedLog(settings.embedded.path)
    log.create([Topic(settings.topics.scores, retention_bytes=SCORE_BYTES)])
    create_topics(log, settings)
    return log


@contextmanager
def cleaning(log: Log, settings: Settings) -> Iterator[None]:
    """Keep the log small meanwhile, as a worker's housekeeping does, but at the pace of the demo."""
    ended = Event()

    def clean() -> None:
        scores, profiles, cleaned_at = settings.topics.scores, settings.topics.profiles, 0
        while not ended.wait(CLEAN_EVERY_S):
            with suppress(LogUnavailable):  # the next time will do
                log.cleanup(scores)
                written_by_now = sum(log.end_offsets(profiles).values())
                if written_by_now - cleaned_at >= CLEAN_CHANGES:
                    log.cleanup(profiles)
                    cleaned_at = written_by_now

    thread = Thread(target=clean, name="cleaning", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Stage:
    """Sends, and looks at what comes of it."""

    def __init__(self, watch: Watch, view: View, workers: Workers, scores: Callable[[], list[Record]], asked: Callable[[], bool]) -> None:
        self._watch, self._view, self._workers, self._scores, self._asked = watch, view, workers, scores, asked
        self._state_due_s = 0.0

    def play(self, demo: Demo, log: Log, topic: str) -> bool:
        """All days of the shop, no faster than they are scored; returns whether it came to the end."""
        self._view.show(self._watch.state())
        lines = 0
        for sent in send_lines(log, topic, self._lines(demo.shop), SystemClock(), demo.rate):
            lines = sent.lines
            while not self._ended and lines - self._watch.read > AHEAD:
                self._look()
            self._look()
            if self._ended:
                return False
        while not self._ended and self._watch.read < lines:
            self._look()
        return self._watch.read == lines

    @property
    def _ended(self) -> bool:
        return self._view.ended or self._asked()

    def _lines(self, shop: ShopSettings) -> Iterator[bytes]:
        for chunk in Shop(shop).chunks():
            self._watch.sent(chunk)
            arrival_ms, values = chunk.arrival_ms.tolist(), iter(chunk.values)
            for start in range(0, len(chunk), CLOCK_EVENTS):
                self._workers.reach(arrival_ms[min(start + CLOCK_EVENTS, len(chunk)) - 1])
                yield from islice(values, CLOCK_EVENTS)

    def _look(self) -> None:
        """Take in what there is, wait a moment if there is nothing, and show it."""
        self._watch.reported(self._workers.reports())
        self._watch.published(self._scores())
        if self._watch.read and time.monotonic() >= self._state_due_s:
            self._view.show(self._watch.state())
            self._state_due_s = time.monotonic() + STATE_EVERY_S


@contextmanager
def asked_to_end() -> Iterator[Callable[[], bool]]:
    """Whether a signal of ENDING has asked to end; what is going on is finished first. A second one ends at once."""
    asked = []
    before = {number: signal.getsignal(number) for number in ENDING}

    def note(number: int, _: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---- the kept file


def refuse_to_replace(path: Path) -> None:
    """Raise ClickscoreError unless there is nothing, or what an earlier demo kept."""
    if not path.exists():
        if not path.parent.is_dir():
            raise ClickscoreError("the folder for the demo's scores does not exist", str(path.parent), "create it, or name another file with --keep")
        return
    try:
        with closing(EmbeddedLog(path, create=False)) as log:
            ours = MARK.name in log.topics()
    except LogError:
        ours = False
    if not ours:
        raise ClickscoreError("the file is there already, and no demo has written it", str(path), "name another file with --keep")


def keep(path: Path, scores: Iterable[Record], log: Log, settings: Settings) -> None:
    """Write the last scores, and the dead letters of `log`, into a log of their own at `path`."""
    topics = settings.topics
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with closing(EmbeddedLog(fresh)) as kept:
        create_topics(kept, settings)
        kept.create([MARK])
        _copy(kept, topics.scores, sorted(scores, key=lambda record: record.offset))
        _copy(kept, topics.deadletter, log.read(topics.deadletter, 0))
    fresh.replace(path)


def _copy(log: Log, topic: str, records: Iterable[Record]) -> None:
    rest = iter(records)
    while step := list(islice(rest, WRITTEN_AT_ONCE)):
        log.append(topic, [Message(record.value, record.key, record.headers) for record in step])
