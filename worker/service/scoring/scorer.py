"""The scorer: events in; scores, segments, triggers, state, examples and dead letters out, with the positions of the input, in one transaction a turn.

A turn reads top to bottom in Scorer._turn():
    1 poll: what has come since the last turn (collecting.py)
    2 drop the state of partitions that were lost, restore that of those that were gained
    3 each partition through its pipeline, with the scorecards of now; a partition without input grows older; requests to be forgotten are carried out
    4 send everything, 5 commit it with the positions; only then is it counted
A pipeline that has worked on a turn is ahead of the log until that commit. Where it cannot be made, all pipelines are dropped and restored.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from worker.core.events.deadletters import dead_letter, named
from worker.core.events.decoding import decode
from worker.core.labels.decisions import EVENT
from worker.core.pipeline import DeadLetter, Pipeline, Turn
from worker.core.scoring.scorecard import Scorecards
from worker.log.contract import Headers, Log, Message, Polled, Record, TopicPartition, Turns
from worker.log.errors import Fenced, MemberReplaced
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.privacy.erasures import Erasures
from worker.service.scoring.collecting import Collector
from worker.service.scoring.models import Models
from worker.service.scoring.restore import restored_pipeline
from worker.service.telemetry.committed import Committed
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.trace import context_of, trace_contexts
from worker.service.topics import target_partitions
from worker.settings import Settings

LAG_EVERY_S = 1.0
NO_OFFSET = -1  # of a score in silence: no event caused it
IDLE_AFTER_S = 1.0  # without input, a partition grows older in steps of this
AGE_WRITTEN_EVERY_S = 60.0  # when nothing but its age has changed


class Scorer:
    """The scoring member of one process. For one thread."""

    def __init__(
        self,
        log: Log,
        turns: Turns,
        models: Models,
        settings: Settings,
        clock: Clock,
        happened: Happenings,
        patience: Patience,
        erasures: Erasures | None = None,
    ) -> None:
        """Without `erasures` nobody can be forgotten by request, and no request is read."""
        self._log = log
        self._turns = turns
        self._models = models
        self._settings = settings
        self._clock = clock
        self._happened = happened
        self._patience = patience
        self._erasures = erasures
        self._topics = settings.topics
        self._collector = Collector(self._poll, clock, settings.service)
        self._every = settings.service.emission == "every"
        self._letters_named = settings.erases_by_compaction
        self._example_partition = target_partitions(settings)
        self.pipelines: dict[int, Pipeline] = {}
        self.restored = False  # whether the latest turn began with a restore
        self._aged_s: dict[int, float] = {}  # by partition: until when its silence has been counted
        self._written_s: dict[int, float] = {}  # by partition: when its state was last published
        self._newest_ms: dict[int, int] = {}  # by partition: when the last record that was read had been written
        self._lag_told_s = -math.inf

    def turn(self, wait_s: float) -> bool:
        """One turn, waiting at most wait_s for events; returns whether there were any. Raises MemberReplaced, LogUnavailable when stopping."""
        try:
            busy = self._turn(wait_s)
        except MemberReplaced:
            raise
        except Fenced as error:
            self._turns.abort()
            self.pipelines.clear()
            self._happened.turn_fenced("scorer", error)
            return True
        self._tell_lag()
        return busy

    def close(self) -> None:
        """Leave the group; the next owner goes on where the last commit ended."""
        self._turns.close()

    def _turn(self, wait_s: float) -> bool:
        began_s = self._clock.elapsed_s()
        polled = self._collector.collect(wait_s)
        read = sum(map(len, polled.records.values()))
        polled_s = self._clock.elapsed_s()
        self._follow(polled)
        if polled.lost & polled.records.keys():  # by a rebalance between two polls of this turn: before any pipeline has worked on it
            self._turns.abort()
            return True

        restored_s = self._clock.elapsed_s()
        scorecards = self._models.current()
        if read:
            self._turns.prepare(polled.next_offsets)
        turns = self._work(polled, scorecards, full=read >= self._settings.service.turn_events)
        if not turns:
            return False
        scored_s = self._clock.elapsed_s()
        letters = self._send(turns, polled)
        sent_s = self._clock.elapsed_s()
        self._patience.call("commit", self._turns.commit, polled.next_offsets)
        ended_s = self._clock.elapsed_s()

        for partition in turns:
            self._written_s[partition] = ended_s
        self._happened.turn_committed(
            Committed(
                turns,
                read,
                letters,
                [record.timestamp_ms for records in polled.records.values() for record in records],
                {
                    "poll": polled_s - began_s,
                    "restore": restored_s - polled_s,
                    "score": scored_s - restored_s,
                    "send": sent_s - scored_s,
                    "commit": ended_s - sent_s,
                },
                self.pipelines,
                scorecards,
                self._settings.targets,
            )
        )
        if letters:
            self._happened.dead_letters_written(letters)
        if self._erasures:
            self._erasures.committed()
        for partition, turn in turns.items():
            for outage in turn.outages:
                self._happened.outage_found(partition, outage)
        return read > 0

    # ---- 1 poll

    def _poll(self, limit: int, wait_s: float) -> Polled:
        return self._patience.call("poll", self._turns.poll, limit, wait_s)

    # ---- 2 partitions come and go

    def _follow(self, polled: Polled) -> None:
        if polled.lost or polled.gained:
            self._happened.rebalanced("scorer", len(polled.gained), len(polled.lost))
        for name in polled.lost | polled.gained:  # what is gained anew was someone else's meanwhile: what we knew of it is stale
            self._newest_ms.pop(name.partition, None)
            if self.pipelines.pop(name.partition, None):
                self._happened.partition_lost(name.partition)
        for name, offsets in polled.skipped.items():
            self._happened.input_skipped("scorer", name.topic, name.partition, offsets)
        owned = self._turns.assignment()
        missing = [name.partition for name in sorted(owned) if name.partition not in self.pipelines]
        self.restored = bool(missing)
        if missing:
            self._happened.restores_began(len(missing))
        for partition in missing:
            self.pipelines[partition] = self._patience.call("restore", self._restore, partition)
            self._aged_s[partition] = self._written_s[partition] = self._clock.elapsed_s()
        if self._erasures:
            self._erasures.follow(missing, self.pipelines)
        if missing or polled.lost:
            self._happened.assignment_changed({name.partition for name in owned})

    def _tell_lag(self) -> None:
        """Now and then, and not by the turn: a look at every partition is not free."""
        now_s = self._clock.elapsed_s()
        if now_s - self._lag_told_s >= LAG_EVERY_S:
            self._lag_told_s = now_s
            self._happened.lag_seen({name.partition: offsets for name, offsets in self._turns.lag().items()}, self._newest_ms)

    def _restore(self, partition: int) -> Pipeline:
        settings = self._settings
        return restored_pipeline(self._log, self._topics.profiles, partition, settings.core, self._clock, self._happened, settings.plan, settings.pseudonyms)

    # ---- 3 score

    def _work(self, polled: Polled, scorecards: Scorecards, full: bool) -> dict[int, Turn]:
        """The turn of each partition that has something to publish."""
        now_s, now_ms = self._clock.elapsed_s(), self._clock.now_ms()
        turns: dict[int, Turn] = {}
        erasures = self._erasures
        if erasures:
            erasures.look()
        for name in sorted(self._turns.assignment()):
            partition, pipeline = name.partition, self.pipelines[name.partition]
            records, due = polled.records.get(name), erasures is not None and erasures.due(partition)
            if records:
                admitted = erasures.admitted(partition, records, pipeline) if erasures else records
                keyed, keyless = _told_apart(admitted, self._settings.events.names)
                turn = pipeline.turn([record.value for record in keyed], [record.offset for record in keyed], scorecards, now_ms)
                turn.read = len(records)
                turn.dropped["suppressed"] += len(records) - len(admitted)
                turn.dead_letters += [DeadLetter(record.offset, record.value, "null_key", "the record has no key") for record in keyless]
                turns[partition] = turn
                self._newest_ms[partition] = records[-1].timestamp_ms
            elif due or (not full and now_s - self._aged_s[partition] >= IDLE_AFTER_S):
                turn = pipeline.idle(int((now_s - self._aged_s[partition]) * 1000), scorecards)
                if due or len(turn.changes) > 1 or turn.scores or turn.examples or now_s - self._written_s[partition] >= AGE_WRITTEN_EVERY_S:
                    turns[partition] = turn
            else:
                continue
            if erasures and due:
                erasures.carry_out(partition, pipeline, turn)
            self._aged_s[partition] = now_s
        return turns

    # ---- 4 send

    def _send(self, turns: dict[int, Turn], polled: Polled) -> Counter[str]:
        """Send the outputs of all partitions; returns the dead letters by reason."""
        topics = self._topics

        def send(topic: str, messages: Sequence[Message]) -> None:
            self._patience.call("send", self._turns.send, topic, messages)  # the first to a topic asks the cluster for it

        reasons: Counter[str] = Counter()
        for partition, turn in turns.items():
            contexts = trace_contexts(polled.records.get(TopicPartition(topics.events, partition), []))
            send(topics.scores, self._scores(partition, turn, contexts))
            if self._settings.plan:
                send(topics.segments, [Message(segments, user.encode(), partition=partition) for user, segments in turn.segments])
                send(topics.triggers, [Message(trigger, user.encode(), context_of(trigger, contexts), partition) for user, trigger in turn.triggers])
            send(topics.profiles, [Message(value, key, partition=partition) for key, value in turn.changes])
            send(
                topics.examples,
                [Message(example.encode(), example.target.encode(), partition=self._example_partition[example.target]) for example in turn.examples],
            )
            if turn.dead_letters:
                came = polled.records.get(TopicPartition(topics.events, partition), [])
                send(topics.deadletter, self._letters(partition, turn.dead_letters, came))
                reasons.update(letter.reason for letter in turn.dead_letters)
            for topic, messages in self._erasures.messages(partition) if self._erasures else ():
                send(topic, messages)
        return reasons

    def _scores(self, partition: int, turn: Turn, contexts: Mapping[int, Headers]) -> list[Message]:
        """The score records; at an event they carry on the trace context that came with it."""
        scores = turn.scores if self._every else list(dict(turn.scores).items())
        if not contexts or turn.scored is None:
            return [Message(value, user.encode(), partition=partition) for user, value in scores]
        offsets = np.where(turn.scored.mark == EVENT, turn.scored.offset, NO_OFFSET).tolist()
        scores_with = [(user, value, contexts.get(offset, ())) for (user, value), offset in zip(turn.scores, offsets, strict=True)]
        if not self._every:
            scores_with = list({score[0]: score for score in scores_with}.values())
        return [Message(value, user.encode(), headers, partition) for user, value, headers in scores_with]

    def _letters(self, partition: int, letters: Sequence[DeadLetter], came: Sequence[Record]) -> list[Message]:
        """Dead letters with the key and the headers that their records came with."""
        record_at = {record.offset: record for record in came}
        messages = []
        for letter in sorted(letters, key=lambda letter: letter.offset):
            record = record_at.get(letter.offset)
            key, headers = (record.key, record.headers) if record else (None, ())
            dead = dead_letter(letter.value, key, self._topics.events, partition, letter.offset, letter.reason, letter.detail, headers)
            if self._letters_named:
                dead = named(dead)
            messages.append(Message(dead.value, dead.key, tuple(dead.headers), partition))
        return messages


def _told_apart(records: list[Record], names: dict[str, str]) -> tuple[list[Record], list[Record]]:
    """Those to be scored, and those that are events but have no key. A record that is no event is told so first, key or not."""
    bare = [record for record in records if record.key is None]
    if not bare:
        return records, []
    batch, _ = decode([record.value for record in bare], names)
    keyless = [bare[position] for position in batch.position.tolist()]
    offsets = {record.offset for record in keyless}
    return [record for record in records if record.offset not in offsets], keyless
