"""Where a worker dies, and how: installed into a worker's process by the nursery before it becomes `clickscore`. The product knows nothing of it.

A plan is {"role", "step", "turn"}: in its turn-th turn that has input, at this step, the process sends itself a signal (SIGKILL, or another in "signal").
"""

from __future__ import annotations

import math
import resource
import signal
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypedDict

import confluent_kafka

from worker.log.kafka.kafka_python import publisher as kafka_python_publisher
from worker.log.kafka.turns import KafkaTurns
from worker.service.scoring import collecting, scorer
from worker.service.training import trainer

STEPS = (
    "after poll",
    "after the work",
    "after send",
    "after the first produce",
    "after flush",
    "after the positions",
    "before commit",
    "in commit",
    "after commit",
    "after the turn",
)
IN_COMMIT_S = 0.002  # by then the request is on its way, more often than not


class Plan(TypedDict, total=False):
    """When and how."""

    role: str  # "scorer" or "trainer"
    step: str
    turn: int
    signal: int
    action: str  # "starve": instead of a signal, no more memory can be had from here on


def install(plan: Plan | None, aging: bool = False) -> None:
    """Prepare this process. Without `aging` an idle partition does not grow older: how much it did would depend on the wall clock alone."""
    if not aging:
        scorer.IDLE_AFTER_S = math.inf
    if plan:
        deaths = Deaths(plan)
        if plan["role"] == "scorer":
            deaths.watch_scorer()
        else:
            deaths.watch_trainer()
        deaths.watch_producers()


class Deaths:
    """Counts turns, and acts at the planned step of the planned one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._turn = 0

    def begin(self) -> None:
        """One more turn with input."""
        self._turn += 1

    def due(self, step: str) -> bool:
        """Whether this is the planned moment."""
        return step == self._plan["step"] and self._turn == self._plan["turn"]

    def at(self, step: str) -> None:
        """Act if it is."""
        if not self.due(step):
            return
        self._turn = -(10**9)  # once: a turn whose commit is tried again passes here again
        if self._plan.get("action") == "starve":
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        else:
            # To this very thread: a stop that another thread is woken for comes a moment later, and by then the commit may be on its way.
            signal.pthread_kill(threading.get_ident(), self._plan.get("signal", signal.SIGKILL))

    def watch_scorer(self) -> None:
        """Its turns begin with a poll that found something."""
        begin, at = self.begin, self.at

        def collected(polled: Any) -> None:
            if polled.records:
                begin()
                at("after poll")

        _after(collecting.Collector, "collect", collected)
        _after(scorer.Scorer, "_work", lambda turns: at("after the work") if turns else None)
        _after(scorer.Scorer, "_send", lambda _: at("after send"))
        _after(scorer.Scorer, "_turn", lambda _: at("after the turn"))

    def watch_trainer(self) -> None:
        """Its turns begin with the first examples after a snapshot."""
        begin, at, learned = self.begin, self.at, trainer.Trainers._learn
        open_turn = [False]

        @wraps(learned)
        def learn(self: Any, partition: int, records: Any) -> None:
            if not open_turn[0]:
                open_turn[0] = True
                begin()
            at("after poll")
            learned(self, partition, records)
            at("after the work")

        trainer.Trainers._learn = learn  # type: ignore[method-assign]
        commit, send = KafkaTurns.commit, KafkaTurns.send

        def sent(turns: Any, topic: str, messages: Any) -> None:
            send(turns, topic, messages)
            if _is_trainers(f"{turns._group}.{turns._member}"):
                at("after send")

        def committed(turns: Any, offsets: Any) -> None:
            commit(turns, offsets)
            if _is_trainers(f"{turns._group}.{turns._member}"):
                at("after the turn")
                open_turn[0] = False

        for name, wrapper in (("send", sent), ("commit", committed)):
            setattr(KafkaTurns, name, wrapper)

    def watch_producers(self) -> None:
        """The steps of a transaction, of the planned role's producer only."""
        ours: Any = kafka_python_publisher
        theirs: Any = confluent_kafka
        ours.KafkaProducer, ours.enqueue = watched(ours.KafkaProducer, self), _with_a_first_one(ours.enqueue)
        theirs.Producer = _with_a_first_produce(watched(theirs.Producer, self))

    def concerns(self, transactional_id: str) -> bool:
        """Whether this producer is the planned role's."""
        return _is_trainers(transactional_id) == (self._plan["role"] == "trainer")


def _is_trainers(transactional_id: str) -> bool:
    return ".trainer." in transactional_id


def _after(kind: Any, name: str, then: Callable[[Any], None]) -> None:
    """Call `then` with every result of a function of a class or module."""
    method = getattr(kind, name)

    @wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        then(result)
        return result

    setattr(kind, name, wrapper)


def watched(kind: Any, deaths: Deaths) -> Any:
    """A producer class of either library, with the steps of a transaction as moments of death. Both name them alike, but for handing over a record."""

    class Watched(kind):  # type: ignore[misc]
        def __init__(self, *settings: Any, **configs: Any) -> None:
            super().__init__(*settings, **configs)
            name = configs.get("transactional_id") or settings[0].get("transactional.id")
            self.mine = deaths.concerns(name)
            self.first = True

        def _step(self, step: str) -> None:
            if self.mine:
                deaths.at(step)

        def begin_transaction(self) -> Any:
            self.first = True
            return super().begin_transaction()

        def flush(self, *args: Any, **kwargs: Any) -> Any:
            result = super().flush(*args, **kwargs)
            self._step("after flush")
            return result

        def send_offsets_to_transaction(self, *args: Any, **kwargs: Any) -> Any:
            result = super().send_offsets_to_transaction(*args, **kwargs)
            self._step("after the positions")
            return result

        def commit_transaction(self, *args: Any, **kwargs: Any) -> Any:
            self._step("before commit")
            if self.mine and deaths.due("in commit"):
                threading.Thread(target=super().commit_transaction, args=args, kwargs=kwargs, daemon=True).start()
                threading.Event().wait(IN_COMMIT_S)
                self._step("in commit")
            result = super().commit_transaction(*args, **kwargs)
            self._step("after commit")
            return result

        def dies_with_the_first(self) -> bool:
            first, self.first = self.first, False
            return bool(first and self.mine and deaths.due("after the first produce"))

        def die_with_the_first(self) -> None:
            super().flush()  # on its way for sure: the broker has an open transaction with one record
            self._step("after the first produce")

    return Watched


def _with_a_first_produce(kind: Any) -> Any:
    """librdkafka's producer takes records one by one."""

    class First(kind):  # type: ignore[misc]
        def produce(self, *args: Any, **kwargs: Any) -> None:
            dies = self.dies_with_the_first()
            super().produce(*args, **kwargs)
            if dies:
                self.die_with_the_first()

    return First


def _with_a_first_one(enqueue: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """To kafka-python's producer we hand all of them at once."""

    @wraps(enqueue)
    def first(producer: Any, records: Any) -> Any:
        if records and producer.dies_with_the_first():
            enqueue(producer, records[:1])
            producer.die_with_the_first()
        return enqueue(producer, records)

    return first
