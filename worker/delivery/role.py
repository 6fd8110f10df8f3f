"""The role `deliver`: one thread for each destination, and the loop's thread that watches over them."""

from __future__ import annotations

import random
import threading
import time

from worker.delivery.courier import Courier
from worker.delivery.minding import Minder
from worker.delivery.request.writing import Writer
from worker.delivery.sending.exchange import Exchange
from worker.errors import ClickscoreError, ConfigurationError, Problem
from worker.log.contract import Log
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

LEAVE_S = 30.0  # to leave a group at the end, beyond what finishing may take
TOLD_SHARE = 0.25  # of the silence that ends the worker: from here on readiness and the log tell of it
LOOKED_LATE_S = 1.0  # who looks later than this stood still as well (SIGSTOP, a machine that slept): the silence was not the thread's alone


def deliver_group(settings: Settings, destination: str) -> str:
    """The consumer group of one destination's couriers."""
    return f"{settings.service.group}.deliver.{destination}"


class DeliveryHangs(ClickscoreError):
    """A destination's thread gives no sign of life. Nobody can end a thread from outside: the process is what can be started anew."""


class Deliveries:
    """The delivering members of one process, as one role of its loop."""

    def __init__(self, log: Log, settings: Settings, member: str, clock: Clock, happened: Happenings, patience: Patience) -> None:
        """Open every destination; raises ConfigurationError for what cannot be read of them."""
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._told = False
        self._clock, self._happened = clock, happened
        self._minders: list[Minder] = []
        for name, (writer, exchange) in opened_destinations(settings).items():
            destination = settings.destinations[name]
            happened.destination_opened(name, destination.form, destination.rules)
            group = deliver_group(settings, name)

            def begin(minder: Minder, name: str = name, group: str = group, writer: Writer = writer, exchange: Exchange = exchange) -> Courier:
                waiting = patience.of_thread(self._stopping.is_set, minder.sign)
                turns = waiting.call("join", lambda: log.turns(group, [settings.topics.triggers], member, on_gap="skip"))
                return Courier(name, settings, log, turns, exchange, writer, clock, happened, waiting, random.Random())

            self._minders.append(Minder(name, destination.timeout_ms / 1000, begin, self._stopping, self._ended, clock, happened))
        self._silence = Silence(self._minders, settings.endpoint.stalled_after_ms / 1000, clock, happened)
        for minder in self._minders:
            minder.start()

    def turn(self, wait_s: float) -> None:
        """Look after the threads, for wait_s; raises what one of them has died of, and DeliveryHangs for one that has been silent for too long."""
        if self._ended.wait(wait_s) if wait_s > 0 else self._ended.is_set():
            self._told = True
            raise self._died_of()
        try:
            self._silence.look()
        except DeliveryHangs:
            self._told = True
            raise

    def close(self) -> None:
        """Let every courier finish what is under way, commit and leave its group; raises what kept one of them from it, if that was not told yet.

        One that hangs is not waited for without end: what it did not commit is sent again by the next worker.
        """
        self._stopping.set()
        until_s = time.monotonic() + max(minder.finish_s for minder in self._minders) + LEAVE_S
        for minder in self._minders:
            if not minder.join(0.0 if minder.name in self._silence.hanging else max(0.0, until_s - time.monotonic())):
                self._silence.hanging.add(minder.name)
        if self._told:
            return
        if self._ended.is_set():
            raise self._died_of()
        for minder in self._minders:
            if minder.name in self._silence.hanging:
                raise hangs(minder, "does not end")

    def _died_of(self) -> BaseException:
        return next(minder.died_of for minder in self._minders if minder.died_of is not None)


class Silence:
    """How long threads have given no sign of life, as the loop's thread sees it."""

    def __init__(self, minders: list[Minder], limit_s: float, clock: Clock, happened: Happenings) -> None:
        self._minders, self._limit_s, self._clock, self._happened = minders, limit_s, clock, happened
        self._looked_s = clock.elapsed_s()
        self._signs = [0 for _ in minders]
        self._silent_s = [0.0 for _ in minders]
        self._told: set[str] = set()
        self.hanging: set[str] = set()

    def look(self) -> None:
        """Compare with the last look; raises DeliveryHangs for who has been silent for the limit."""
        now_s = self._clock.elapsed_s()
        passed_s, self._looked_s = min(now_s - self._looked_s, LOOKED_LATE_S), now_s
        for number, minder in enumerate(self._minders):
            if minder.signs != self._signs[number] or minder.resting:
                self._signs[number], self._silent_s[number] = minder.signs, 0.0
                self._told.discard(minder.name)
                continue
            self._silent_s[number] += passed_s
            silent_s = self._silent_s[number]
            if silent_s >= self._limit_s:
                self.hanging.add(minder.name)
                raise hangs(minder, f"has given no sign of life for {silent_s:.0f} s")
            if silent_s >= TOLD_SHARE * self._limit_s and minder.name not in self._told:
                self._told.add(minder.name)
                self._happened.destination_silent(minder.name, silent_s, minder.at)


def hangs(minder: Minder, how: str) -> DeliveryHangs:
    """The error about a thread that hangs."""
    todo = "start the worker again: what was not committed is sent again under the same ids; where it is says what it waits for"
    return DeliveryHangs(f"the thread that delivers to {minder.name} {how}", f"destinations.{minder.name}, at {minder.at}", todo)


def opened_destinations(settings: Settings) -> dict[str, tuple[Writer, Exchange]]:
    """By name, what writes the requests of each enabled destination and what makes them. Raises ConfigurationError with all that is wrong."""
    opened: dict[str, tuple[Writer, Exchange]] = {}
    problems: list[Problem] = []
    for name, destination in settings.destinations.items():
        if not destination.enabled:
            continue
        try:
            exchange = Exchange(destination.url, destination.allowed, destination.timeout_ms / 1000, destination.ca_file)
            opened[name] = Writer(destination), exchange
        except OSError as error:
            what = f"destinations.{name}: {error.strerror or error}"
            problems.append(Problem(what, str(error.filename or destination.ca_file), "check secret_file, token_file and ca_file, and who may read them"))
        except ValueError as error:
            problems.append(Problem(f"destinations.{name}: {error}", destination.secret_file or destination.token_file))
    if not opened and not problems:
        problems.append(Problem("the role deliver has no destination", "[destinations.NAME]", "name one in the configuration; docs/delivery.md shows how"))
    if problems:
        raise ConfigurationError(problems)
    return opened
