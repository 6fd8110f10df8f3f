"""Erasure on a real broker, over both clients: a worker that is killed as it erases and the next one carry each request out once, and nothing live is left."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import orjson

from tests.faults import readback
from tests.faults.acting import CONFIGURATION, agreed
from tests.faults.cases.case import Ground
from tests.faults.conftest import MakeGround
from tests.faults.inputs import Stream
from tests.faults.stand import key_of
from worker.core.privacy.receipts import Receipts
from worker.log.kafka.administration import Administration
from worker.service.clock import SystemClock
from worker.service.kafka_topics import check, kafka_plan, make_missing
from worker.service.privacy.asking import Asking
from worker.service.privacy.letters import sweep_letters
from worker.service.privacy.scanning import scan
from worker.service.topics import connect
from worker.settings import Settings

KEY = "k" * 32


def test_each_request_is_carried_out_once_and_nothing_live_names_the_user(ground: Ground) -> None:
    stand = ground.stand(more=f'{CONFIGURATION}[privacy]\nkey = "{KEY}"\n', turn_events=60)
    settings = stand.settings
    lines = agreed(Stream(ground.chance.randrange(1_000), users=60, days=4).lines)
    named = Counter(map(key_of, lines))
    users = [key.decode() for key, _ in named.most_common() if key is not None][:3]
    with closing(connect(settings)) as log:
        asking = Asking(log, settings, SystemClock())
        asking.ask("SUPPRESS", users[:2], "away")  # before any worker runs
        stand.feed([(users[2].encode(), b"{"), *lines[: len(lines) // 2]])
        worker = stand.start(roles="scorer", patch="tests.faults.erasing:after_send")
        assert worker.wait() == -9
        last = stand.start(roles="scorer")
        stand.feed(lines[len(lines) // 2 :])
        while not any(users[2].encode() in dict(letter.headers).values() for p in stand.ends for letter in log.read(settings.topics.deadletter, p)):
            stand.scores(5_000, 0.05)
        asking.ask("SUPPRESS", users[2:], "at work")
        assert asking.wait(60) == 0
        while any(log.committed(settings.service.group, settings.topics.events).get(p, 0) < end for p, end in stand.ends.items()):
            stand.scores(5_000, 0.05)
        assert last.stop() == 0

        receipts = [record.value or b"" for record in readback.read(stand.bootstrap, settings.topics.receipts).all()]
        assert all(Receipts(KEY.encode()).holds(value) for value in receipts)
        asked = {(("away", "away", "at work")[number], Receipts(KEY.encode()).pseudonym(user)) for number, user in enumerate(users)}
        assert Counter((orjson.loads(value)["request_id"], orjson.loads(value)["user"]) for value in receipts) == dict.fromkeys(asked, 1)
        assert sum(sweep_letters(log, settings)) > 0
        for user in users:
            sightings = list(scan(log, settings, user))
            assert [one for one in sightings if one.live] == []
            assert any(one.goes == "with compaction: it is a tombstone" for one in sightings)


def test_the_topics_of_erasure_are_made_as_they_should_be(make_ground: MakeGround) -> None:
    stand = make_ground("kafka-python").stand(leave_out=("scores", "profiles", "segments", "triggers"))
    settings = Settings.model_validate(
        {**stand.settings.model_dump(by_alias=True, include={"topics"}), "kafka": {"bootstrap": stand.bootstrap}, "privacy": {"key": KEY}}
    )
    with closing(Administration(settings.kafka.connection())) as cluster:
        make_missing(cluster, settings, None)
        checked = {one.name: one for one in check(cluster, settings)}
        assert [problem for one in checked.values() for problem in one.wrong] == []
        assert len(checked) == 10
        names = settings.topics
        letters = [problem.todo for problem in checked[names.deadletter].warnings if "it was made without privacy.key" in problem.what]  # as the stand made it
        assert [todo.split(",")[0] for todo in letters] == ["name another topic under [topics]"]
        lags = {name: checked[name].facts.settings["max.compaction.lag.ms"] for name in (names.profiles, names.scores, names.triggers)}  # type: ignore[union-attr]
        assert lags == {names.profiles: str(86_400_000), names.scores: str(2 * 86_400_000), names.triggers: str(8 * 86_400_000)}
        cluster.configure(names.triggers, {"min.compaction.lag.ms": "0"})
        letters = [problem.todo for problem in checked[names.deadletter].warnings if "whole segments" in problem.what]  # with a week
        assert [todo.rsplit(" ", 1)[1] for todo in letters] == ["segment.ms=86400000"]
        made = next(topic.settings for topic in kafka_plan(settings, 1) if topic.name == names.deadletter)
        assert (made["segment.ms"], made["cleanup.policy"], made["max.compaction.lag.ms"]) == ("86400000", "compact,delete", "86400000")
        cluster.configure(names.deadletter, {"segment.ms": "86400000"})
        cluster.configure(names.profiles, {"max.compaction.lag.ms": "9223372036854775807"})
        again = {one.name: one for one in check(cluster, settings)}
        assert [problem.what for problem in again[names.triggers].wrong] == ["it may be compacted before its triggers are delivered"]
        assert "its records of an erased user may stay long after the tombstone that covers them" in [
            problem.what for problem in again[names.profiles].warnings
        ]
        assert not [problem for problem in again[names.deadletter].warnings if "whole segments" in problem.what]
