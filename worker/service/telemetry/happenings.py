"""What happened, in the past tense: each function writes the log line and moves the metrics together, so that neither is forgotten.

No event's body and no user's id is logged from info on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.service.clock import Clock
from worker.service.telemetry.committed import Committed
from worker.service.telemetry.delivering import DeliveryHappenings, Expiring
from worker.service.telemetry.learning import LearningHappenings
from worker.service.telemetry.logging import Logger, place_of
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.scoring_metrics import ScoringMetrics
from worker.service.telemetry.specification import NO_REASON
from worker.service.watch import Watch

if TYPE_CHECKING:
    from worker.core.event_time.outage import Outage
    from worker.core.privacy.requests import Request

REPORT_EVERY_S = 10.0  # between two lines that say how it goes


@dataclass(slots=True)
class _Sum:
    """What the next line on progress will say."""

    since_s: float
    events: int = 0
    scores: int = 0
    examples: int = 0
    learned: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


class Happenings(LearningHappenings, DeliveryHappenings):
    """The log and the metrics of one worker, and what is to be seen of it from outside."""

    def __init__(self, log: Logger, metrics: Metrics, clock: Clock, watch: Watch | None = None) -> None:
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._watch = watch or Watch(clock)
        self._sum = _Sum(clock.elapsed_s())
        self._scoring = ScoringMetrics(metrics, clock)
        self._restoring = 0
        self._expiring: dict[str, Expiring] = {}
        self._failing: set[str] = set()  # destinations whose thread was started anew and has not worked for long
        log.counted = self._line_written

    def _line_written(self, level: str, held_back: bool) -> None:
        self._metrics.add("log_lines_held_back_total" if held_back else "log_lines_total", 1, level)

    # ---- the process

    def worker_started(self, roles: Sequence[str], log: str, member: str, endpoint: str) -> None:
        """The worker begins."""
        self._log.info("worker started", roles=list(roles), log=log, member=member, endpoint=endpoint or "off")

    def stop_requested(self, signal: str) -> None:
        """A signal asks the worker to end."""
        self._log.info("stopping", signal=signal)

    def worker_stopped(self) -> None:
        """Everything was finished and published."""
        self._progress(final=True)
        self._log.say_held_back(everything=True)
        self._log.info("worker stopped")

    def progressed(self) -> None:
        """The loop has come round, and had nothing to do or got it done."""
        self._metrics.set("last_progress_timestamp_seconds", self._clock.now_ms() / 1000)
        self._watch.progressed()
        self._scoring.progressed()
        if self._clock.elapsed_s() - self._sum.since_s >= REPORT_EVERY_S:
            self._progress()

    def _progress(self, final: bool = False) -> None:
        self._log.say_held_back()
        now_s, so_far = self._clock.elapsed_s(), self._sum
        self._sum = _Sum(now_s)
        if not (so_far.events or so_far.scores or so_far.examples or so_far.learned or so_far.dead_letters or so_far.dropped):
            return
        rate = so_far.events / max(now_s - so_far.since_s, 1e-3)
        more = {name: dict(counts) for name, counts in (("dead_letters", so_far.dead_letters), ("dropped", so_far.dropped)) if counts}
        seconds = "" if final else f" in {now_s - so_far.since_s:.0f} s"
        self._log.info(f"scored{seconds}", events=so_far.events, events_s=round(rate), scores=so_far.scores, learned=so_far.learned, **more)

    def endpoint_failed(self, error: Exception) -> None:
        """A request could not be answered, or a connection not be taken."""
        self._log.error("endpoint failed", error=type(error).__name__, at=place_of(error))

    # ---- the log below

    def log_opened(self, where: str, client: str) -> None:
        """The cluster was reached, its topics are as they should be, and this client library moves the records."""
        self._log.info("log opened", log=where, client=client)

    def log_unavailable(self, what: str, error: Exception, pause_s: float) -> None:
        """The log could not do something now; it will be asked again."""
        self._metrics.add("log_retries_total", 1)
        self._watch.log_left(f"{what}: {str(error).splitlines()[0]}")
        self._log.warning("log unavailable", during=what, error=str(error).splitlines()[0], again_in_s=round(pause_s, 2))

    def log_answered(self, what: str, tries: int, after_s: float) -> None:
        """It did it at last."""
        self._watch.log_came_back()
        self._log.info("log answers again", during=what, tries=tries, after_s=round(after_s, 1))

    def turn_fenced(self, role: str, error: Exception) -> None:
        """Another worker owns the partitions of this turn; what it did is forgotten, and the state read back."""
        self._metrics.add("turns_fenced_total", 1, role)
        if role == "scorer":
            self._watch.partitions_lost(self._watch.partitions)
        self._log.warning("turn given up", role=role, error=str(error).splitlines()[0])

    def input_skipped(self, role: str, topic: str, partition: int, offsets: int) -> None:
        """Retention took records before they were read."""
        self._metrics.add("offsets_skipped_total", offsets, role)
        self._log.warning("input skipped", topic=topic, partition=partition, offsets=offsets)

    def topic_cleaned(self, topic: str, removed: int, took_s: float) -> None:
        """Superseded records were removed."""
        self._log.debug("topic cleaned", topic=topic, removed=removed, took_s=round(took_s, 2))

    def cleaning_put_off(self, topic: str, error: Exception) -> None:
        """A topic could not be cleaned now; the next time will do."""
        self._log.info("cleaning put off", topic=topic, error=str(error).splitlines()[0])

    # ---- partitions

    def rebalanced(self, role: str, gained: int, lost: int) -> None:
        """A member's share of the partitions has changed."""
        self._metrics.add("rebalances_total", 1, role)
        self._log.info("partitions shared out", role=role, gained=gained, lost=lost)

    def restores_began(self, partitions: int) -> None:
        """So many partitions are to be read back now, one after another."""
        self._restoring = partitions
        self._metrics.set("restoring_partitions", partitions)

    def restore_progressed(self, partition: int, records: int, total: int, took_s: float) -> None:
        """A part of a partition's changelog has been read back."""
        rate = records / max(took_s, 1e-3)
        left_s = (total - records) / max(rate, 1e-3)
        self._metrics.set("restore_remaining_records", max(0, total - records))
        self._watch.restore_progressed(partition, max(0, total - records))
        self._log.info("restoring", partition=partition, records=records, of=total, records_s=round(rate), left_s=round(left_s))

    def partition_restored(self, partition: int, records: int, users: int, decisions: int, took_s: float) -> None:
        """A partition's state is whole again."""
        self._metrics.set("restore_remaining_records", 0)
        self._watch.partition_restored(partition)
        self._metrics.observe_one("restore_duration_seconds", took_s)
        self._restoring = max(0, self._restoring - 1)
        self._metrics.set("restoring_partitions", self._restoring)
        self._log.info("partition restored", partition=partition, users=users, decisions=decisions, records=records, took_s=round(took_s, 2))

    def partition_lost(self, partition: int) -> None:
        """Another worker has taken a partition over."""
        self._watch.partitions_lost([partition])
        self._log.info("partition given up", partition=partition)

    def assignment_changed(self, partitions: Collection[int]) -> None:
        """This worker now owns these partitions, and all of them are restored."""
        self._scoring.assignment_changed(partitions)

    def lag_seen(self, offsets: Mapping[int, int], newest_ms: Mapping[int, int]) -> None:
        """A look at how many offsets of each partition are unread, and at the time of writing of the last record that was read."""
        self._scoring.lag_seen(offsets, newest_ms)

    # ---- scoring

    def turn_committed(self, done: Committed) -> None:
        """A turn's scores, state, examples and positions are published."""
        metrics, turns, so_far = self._metrics, done.turns.values(), self._sum
        events = silent = examples = voided = 0
        for turn in turns:
            events, silent, voided = events + turn.events, silent + turn.silent, voided + turn.voided
            examples += len(turn.examples)
            for reason, count in turn.dropped.items():
                if count:
                    metrics.add("events_dropped_total", count, reason)
                    so_far.dropped[reason] += count
            for reason, count in turn.forgotten.items():
                metrics.add("profile_evictions_total", count, reason)
            for (rule, result, why), count in turn.outcomes.items():
                metrics.add("triggers_total", count, rule, result, why or NO_REASON)
            for (segment, change), count in turn.memberships.items():
                metrics.add("segment_changes_total", count, segment, change)
        metrics.add("events_read_total", done.read)
        metrics.add("events_scored_total", events)
        metrics.add("scores_total", events, "event")
        metrics.add("scores_total", silent, "silence")
        metrics.add("outcomes_voided_total", voided)
        for step, took_s in done.step_s.items():
            metrics.observe_one("turn_duration_seconds", took_s, step)
        metrics.set("turn_events", done.read)
        metrics.observe_one("commit_duration_seconds", done.step_s["commit"], "scorer")
        self._watch.turn_committed(done.turns)
        self._scoring.turn_committed(done)
        so_far.events += events
        so_far.scores += events + silent
        so_far.examples += examples
        self._log.debug("turn committed", read=done.read, events=events, silent=silent, examples=examples, took_ms=_total_ms(done.step_s))

    def dead_letters_written(self, reasons: Counter[str]) -> None:
        """Records that are no events went to the dead letters."""
        for reason, count in reasons.items():
            self._metrics.add("deadletter_total", count, reason)
        self._sum.dead_letters += reasons
        self._log.debug("dead letters written", **reasons)

    def requests_carried_out(self, partition: int, requests: Sequence[Request]) -> None:
        """Users were forgotten, suppressed or let in again, as they asked; each request has its receipt."""
        now_ms, kinds = self._clock.now_ms(), Counter(request.kind for request in requests)
        for kind, count in kinds.items():
            self._metrics.add("privacy_requests_total", count, kind)
        for request in requests:
            self._metrics.observe_one("privacy_request_delay_seconds", max(0, now_ms - request.time_ms) / 1000)
        self._watch.users_erased({request.user_id for request in requests if request.erases})
        if kinds:
            self._log.info("requests carried out", partition=partition, **{kind.lower(): count for kind, count in kinds.items()})

    def request_refused(self, partition: int, offset: int, why: str) -> None:
        """A record among the requests is none. It stays where it is, for who has written it; nobody else will look at it again."""
        self._metrics.add("privacy_requests_refused_total", 1)
        self._log.warning("request refused", partition=partition, offset=offset, why=why)

    def topic_swept(self, topic: str, removed: int, took_s: float) -> None:
        """Records of erased users were removed from an embedded log."""
        self._log.info("topic swept", topic=topic, removed=removed, took_s=round(took_s, 2))

    def outage_found(self, partition: int, outage: Outage) -> None:
        """The input had been away; outcomes that it cuts are void, and teach nothing."""
        self._metrics.add("outages_total", 1)
        start, end = (datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds") for at_ms in (outage.start_ms, outage.end_ms))
        self._log.warning("outage found", partition=partition, start=start, end=end, expected_minutes=round(outage.expected_minutes))

    def examples_learned(self, target: str, count: int) -> None:
        """A trainer has learned."""
        self._metrics.add("examples_learned_total", count, target)
        self._sum.learned += count


def _total_ms(step_s: Mapping[str, float]) -> int:
    return round(1000 * sum(step_s.values()))
