"""The service put together from its settings: the one place where clock, log, roles and metrics meet."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from worker.log.contract import Log
from worker.log.embedded import EmbeddedLog
from worker.service.clock import Clock, SystemClock
from worker.service.housekeeping import Housekeeping
from worker.service.loop import Deliveries, Loop, Stop
from worker.service.memory import collect_rarely
from worker.service.patience import Patience
from worker.service.privacy.erasures import Erasures
from worker.service.privacy.sweeping import sweep
from worker.service.scoring.models import Models
from worker.service.scoring.scorer import Scorer
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import open_log, place
from worker.service.training.trainer import Trainers
from worker.service.watch import Watch
from worker.settings import Settings


def member_name(settings: Settings) -> str:
    """The name under which this worker keeps its partitions over a restart."""
    return settings.service.member or socket.gethostname()


# Makes what delivers triggers, of the log, the settings, the member's name, the clock, the happenings and the patience; it lives on a floor above.
Deliver = Callable[[Log, Settings, str, Clock, Happenings, Patience], Deliveries]


def build_loop(log: Log, settings: Settings, clock: Clock, happened: Happenings, stop: Stop, deliver: Deliver | None = None) -> Loop:
    """The roles that the settings name, over a log that has its topics; `deliver` makes the role of that name.

    Scorers, trainers and destinations are groups of their own: their input is shared out apart from each other.
    """
    service, topics, member = settings.service, settings.topics, member_name(settings)
    patience = patience_of(settings, clock, happened, stop)
    scorer = trainers = None
    if "scorer" in service.roles:
        models = Models(log, settings, clock, happened, patience)
        turns = patience.call("join", lambda: log.turns(service.group, [topics.events], member, on_gap=settings.kafka.on_gap))
        erasures = Erasures(log, settings, clock, happened, patience) if settings.privacy.key else None
        scorer = Scorer(log, turns, models, settings, clock, happened, patience, erasures)
    if "trainer" in service.roles:
        group = trainer_group(settings)
        learning = patience.call("join", lambda: log.turns(group, [topics.examples], member, on_gap=settings.kafka.on_gap))
        trainers = Trainers(log, learning, group, settings, clock, happened, patience)
    deliveries = deliver(log, settings, member, clock, happened, patience) if deliver and "deliver" in service.roles else None
    return Loop(scorer, trainers, clock, happened, stop, deliveries)


def patience_of(settings: Settings, clock: Clock, happened: Happenings, stop: Stop) -> Patience:
    """How long a log that cannot be reached is asked again."""
    return Patience(clock, happened, lambda: stop.asked, settings.service.patience_ms / 1000)


def trainer_group(settings: Settings) -> str:
    """The consumer group of the trainers."""
    return f"{settings.service.group}.trainer"


class Served(Protocol):
    """What is served of a worker, until it is closed."""

    address: str

    def close(self) -> None:
        """Serve no longer."""


# Serves what there is to see of a worker; it lives on a floor above.
Serve = Callable[[Settings, Metrics, Watch, Happenings], Served]


def run_service(settings: Settings, serve: Serve, partitions: int | None = None, deliver: Deliver | None = None) -> None:
    """Run the worker until a signal asks it to end. Raises what it cannot go on from."""
    clock, service = SystemClock(), settings.service
    metrics, seen = Metrics(settings.targets), bool(settings.endpoint.port)
    watch = Watch(clock, settings.targets if seen else {})
    happened = Happenings(open_logger(service), metrics, clock, watch)
    with ExitStack() as closing:
        stop = Stop(happened)
        closing.enter_context(stop.on_signals())
        address = ""
        if seen:
            endpoint = serve(settings, metrics, watch, happened)
            closing.callback(endpoint.close)
            address = endpoint.address
        happened.worker_started(service.roles, place(settings), member_name(settings), address)
        happened.destinations_known(name for name, one in settings.destinations.items() if one.enabled)
        log = patience_of(settings, clock, happened, stop).call("open log", open_log, settings, partitions)
        closing.callback(log.close)
        loop = build_loop(log, settings, clock, happened, stop, deliver)
        collect_rarely()
        if isinstance(log, EmbeddedLog):
            # scores are compacted too, but not by us at once: who follows them wants each one
            topics = [settings.topics.profiles, settings.topics.segments, settings.topics.models]
            sweeping = partial(sweep, log, settings, clock, happened) if settings.privacy.key else None
            housekeeping = Housekeeping(log, topics, clock, happened, sweeping)
            housekeeping.start()
            closing.callback(housekeeping.close)
        else:
            happened.log_opened(place(settings), log.client.name)
        loop.run()
        happened.worker_stopped()
