"""What is done to the stand, which alert that must raise, and how it is mended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tools.drill.stand import Stand

QUICK = '{window="1m"}'  # of the burn rates the quickest: the slow ones end hours later, which here are minutes


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong while the block of `during` is open, and the alerts that must see it."""

    says: str
    mended: str
    alerts: tuple[str, ...]
    during: Callable[[Stand], Iterator[None]]
    within_s: float = 120


def poisoned(stand: Stand) -> Iterator[None]:
    """Every fifth record is no JSON."""
    stand.feeder.rubbish = True
    yield
    stand.feeder.rubbish = False


def overloaded(stand: Stand) -> Iterator[None]:
    """Scorers get no processor time for seconds, again and again."""
    for _ in range(3):
        for number, pause_s in ((signal.SIGSTOP, 4.0), (signal.SIGCONT, 2.0)):
            for scorer in stand.scorers:
                scorer.send(number)
            time.sleep(pause_s)
    yield


def one_dead(stand: Stand) -> Iterator[None]:
    """One worker is killed and not started again."""
    stand.scorers[1].send(signal.SIGKILL)
    yield
    stand.scorers[1].start()


def all_dead(stand: Stand) -> Iterator[None]:
    """All are."""
    for worker in stand.workers:
        worker.send(signal.SIGKILL)
    yield
    for worker in stand.workers:
        worker.start()


def broker_away(stand: Stand) -> Iterator[None]:
    """The broker answers nobody."""
    stand.broker.pause()
    yield
    stand.broker.resume()


def destination_away(stand: Stand) -> Iterator[None]:
    """Every webhook is answered with 503."""
    stand.receiver.failing = True
    yield
    stand.receiver.failing = False


def commit_held(stand: Stand) -> Iterator[None]:
    """Triggers wait for a destination, and as it takes them the broker answers nobody: what was delivered cannot be committed."""
    stand.receiver.failing = True
    stand.prometheus.unanswered({"some wait": "clickscore_delivery_queue_records > 10"}, 60)
    stand.broker.pause()
    stand.receiver.failing = False
    yield
    stand.broker.resume()


def destination_refuses(stand: Stand) -> Iterator[None]:
    """Every third webhook is answered with 400."""
    stand.receiver.refusing = True
    yield
    stand.receiver.refusing = False


def deliverer_dead(stand: Stand) -> Iterator[None]:
    """Nobody delivers."""
    stand.deliverer.send(signal.SIGKILL)
    yield
    stand.deliverer.start()


def changelog_held(stand: Stand) -> Iterator[None]:
    """A scorer has to read its state back, and somebody holds a transaction open on the changelog."""
    held = stand.hold_transaction()
    for scorer in stand.scorers:
        scorer.send(signal.SIGKILL)
        scorer.start()
    yield
    held.abort_transaction()
    held.close()


def trainer_dead(stand: Stand) -> Iterator[None]:
    """Nobody learns."""
    stand.trainer.send(signal.SIGKILL)
    yield
    stand.trainer.start()


def purchases_lost(stand: Stand) -> Iterator[None]:
    """The shop's tracking loses every purchase, and the models stay as they are: the trainer judges, and publishes none."""
    stand.trainer.send(signal.SIGKILL)
    stand.trainer.start(CLICKSCORE_SERVICE__SNAPSHOT_WAIT="1 d", CLICKSCORE_SERVICE__SNAPSHOT_EXAMPLES="10000000")
    stand.feeder.without_purchases = True
    yield
    stand.feeder.without_purchases = False
    stand.trainer.send(signal.SIGKILL)
    stand.trainer.start()


FAULTS = (
    Fault("Every fifth record is no JSON", "the records are right again", ("ClickscoreDeadLetters",), poisoned),
    Fault("Scorers are stopped (SIGSTOP) for 4 of 6 s, three times", "they go on", (f"ClickscoreFreshnessBurn{QUICK}",), overloaded),
    Fault("One of four workers is killed (SIGKILL)", "it is started again", (f"ClickscoreAvailabilityBurn{QUICK}",), one_dead),
    Fault("All workers are killed", "they are started again", ("ClickscoreNoWorkers",), all_dead),
    Fault("The broker is stopped (SIGSTOP)", "it goes on", ("ClickscoreNoProgress",), broker_away),
    Fault(
        "The receiver of webhooks answers 503 to all",
        "it takes them again",
        ("ClickscoreDestinationAway", "ClickscoreTriggersNearExpiry"),
        destination_away,
    ),
    Fault("The broker is stopped (SIGSTOP) as a destination takes what has waited", "it goes on", ("ClickscoreDeliveryStuck",), commit_held),
    Fault("The receiver of webhooks answers 400 to every third", "it takes them again", ("ClickscoreTriggersUndelivered",), destination_refuses),
    Fault("The worker that delivers is killed", "it is started again", ("ClickscoreNoDeliverers",), deliverer_dead),
    Fault("Scorers are killed, and somebody holds a transaction open on the changelog", "it is aborted", ("ClickscoreRestoreStuck",), changelog_held),
    Fault("The trainer is killed", "it is started again", ("ClickscoreModelStale",), trainer_dead, 240),
    Fault(
        "The shop's tracking loses every purchase, and the trainer publishes no model",
        "they come again, and it does",
        ('ClickscoreCalibrationBurn{window="1m", target="purchase"}', 'ClickscoreLogLossWorseThanBaseRate{target="purchase"}'),
        purchases_lost,
        600,  # the measures look back on 20,000 decisions, most of them of the time before
    ),
)


@contextmanager
def provoked(fault: Fault, stand: Stand) -> Iterator[None]:
    """The fault, as long as the block lasts."""
    steps = fault.during(stand)
    next(steps)
    try:
        yield
    finally:
        next(steps, None)
