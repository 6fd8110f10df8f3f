"""The role `deliver`: one thread for each destination, and the loop's thread that watches over them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.delivery.courier import Courier
from worker.delivery.request.writing import Writer
from worker.delivery.sending.exchange import Exchange
from worker.errors import ConfigurationError, Problem
from worker.log.contract import Log
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

WAIT_S = 0.2  # of a courier without anything to do; also how long a wish to stop may go unnoticed
CLOSE_WITHIN_S = 5.0  # beyond the time limit of a request


def deliver_group(settings: Settings, destination: str) -> str:
    """The consumer group of one destination's couriers."""
    return f"{settings.service.group}.deliver.{destination}"


@dataclass(slots=True)
class _Run:
    """One destination's thread, and what it died of."""

    thread: threading.Thread
    died_of: list[BaseException] = field(default_factory=list)


class Deliveries:
    """The delivering members of one process, as one role of its loop."""

    def __init__(self, log: Log, settings: Settings, member: str, clock: Clock, happened: Happenings, patience: Patience) -> None:
        """Open every destination; raises ConfigurationError for what cannot be read of them."""
        self._stopping = threading.Event()
        self._died = threading.Event()
        self._told = False
        self._runs: list[_Run] = []
        self._settings = settings
        opened = opened_destinations(settings)
        for name, (writer, exchange) in opened.items():
            destination = settings.destinations[name]
            happened.destination_opened(name, destination.form, destination.rules)
            group = deliver_group(settings, name)

            def start(name: str = name, group: str = group, writer: Writer = writer, exchange: Exchange = exchange) -> Courier:
                turns = patience.call("join", lambda: log.turns(group, [settings.topics.triggers], member, on_gap="skip"))
                return Courier(name, settings, log, turns, exchange, writer, clock, happened, patience, random.Random())

            limit_s = destination.timeout_ms / 1000 + CLOSE_WITHIN_S
            self._runs.append(self._run_of(name, start, limit_s))
        for run in self._runs:
            run.thread.start()

    def turn(self, wait_s: float) -> None:
        """Look after the threads, for wait_s; raises what one of them has died of."""
        if self._died.wait(wait_s) if wait_s > 0 else self._died.is_set():
            self._told = True
            raise self._died_of()

    def close(self) -> None:
        """Let every courier finish what is under way, commit and leave its group; raises what one of them has died of, if that was not told yet."""
        self._stopping.set()
        for run in self._runs:
            run.thread.join()
        if self._died.is_set() and not self._told:
            raise self._died_of()

    def _died_of(self) -> BaseException:
        return next(run.died_of[0] for run in self._runs if run.died_of)

    def _run_of(self, name: str, start: Callable[[], Courier], finish_within_s: float) -> _Run:
        def work() -> None:
            try:
                courier = start()
                try:
                    while not self._stopping.is_set():
                        courier.step(WAIT_S)
                    courier.finish(finish_within_s)
                finally:
                    courier.close()
            except BaseException as error:  # noqa: BLE001 - it is raised again in the loop's thread
                run.died_of.append(error)
                self._died.set()

        run = _Run(threading.Thread(target=work, name=f"deliver-{name}", daemon=True))
        return run


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
