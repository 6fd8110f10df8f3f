"""After an erasure nothing speaks of the user, others do not notice, and what comes later starts from nothing; wherever cuts and restarts fall."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Collection, Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.core.action.action_runs import ActionRun, plan, spoken, streams
from tests.core.runs import DEFAULTS, scorecards
from tests.core.shops import Value, cuts, shop
from worker.core.labels.examples import HIDING
from worker.core.pipeline import Pipeline, Turn
from worker.core.privacy.erasure import Erased, erase
from worker.core.profiles import layout as at

PLAN = plan()
CARDS = scorecards(spread=0.6)
PHASES = tuple(phase for phase in Phase if phase != Phase.shrink)
AHEAD = b'{"event":"purchase","user_id":"u1","timestamp":"2024-05-05T00:00:00Z"}'  # waits until somebody else confirms its time
BEGIN = [b'{"event":"page_view","user_id":"%s","timestamp":1609535000000}' % user for user in (b"u8", b"u9")]  # two agree on the time


class ErasingRun(ActionRun):
    """A pipeline with segments and triggers that forgets users after the turns named."""

    def __init__(self) -> None:
        super().__init__(Pipeline(DEFAULTS, plan=PLAN), PLAN)
        self.position = 0
        self.erased: list[dict[str, Erased]] = []
        self.examples: list[str] = []

    def turn(self, values: Sequence[Value], users: Collection[str] = ()) -> Turn:
        """Take records, and forget users with them."""
        turn = self.pipeline.turn(values, range(self.position, self.position + len(values)), CARDS)
        self.position += len(values)
        if users:
            self.erased.append(erase(self.pipeline, users, turn))
        self.take(turn)
        self.examples += [example.user for example in turn.examples]
        return turn


def run(values: Sequence[Value], sizes: Sequence[int], erasures: dict[int, set[str]], restarts: Collection[int] = ()) -> ErasingRun:
    """Take a stream in turns of these sizes, forget users at the end of some, restored before others."""
    out, position = ErasingRun(), 0
    for number, size in enumerate(sizes):
        if number in restarts:
            out.restart()
        out.turn(values[position : position + size], erasures.get(number, ()))
        position += size
    return out


def spoken_of(changelog: dict[bytes, bytes]) -> bytes:
    """All that a changelog says, with what waits in it as it came."""
    waiting = [base64.b64decode(value) for _, value, _ in json.loads(changelog.get(b"p:", b'{"held":[]}'))["held"]]
    return b"\n".join([*changelog.keys(), *changelog.values(), *waiting])


def names(text: bytes, user: str) -> bool:
    """Whether a text has a user's id, and not that of another whose id begins with it."""
    return any(mark + user.encode() + end in text for mark in (b":", b'"') for end in (b":", b'"', b"\n"))


@settings(max_examples=15, phases=PHASES)
@given(streams(), st.randoms(use_true_random=False))
def test_nothing_is_left_of_a_user_and_a_restart_remembers_nobody(values: list[Value], chance: random.Random) -> None:
    values = [*values, AHEAD]
    sizes = cuts(chance, len(values), 6)
    left = run(values, sizes, {len(sizes) - 1: {"u1"}})
    assert not names(spoken_of(left.changelog), "u1")
    assert "u1" not in left.pipeline.profiles.row_of
    left.restart()
    assert "u1" not in left.pipeline.profiles.row_of
    assert not any(b'"u1"' in value for _, value in left.pipeline.state.held)


@settings(max_examples=15, phases=PHASES)
@given(streams(), st.randoms(use_true_random=False))
def test_others_do_not_notice_and_a_restart_changes_nothing(values: list[Value], chance: random.Random) -> None:
    sizes = cuts(chance, len(values), 6)
    middle = chance.randrange(len(sizes))
    plain, erased = run(values, sizes, {}), run(values, sizes, {middle: {"u1"}})
    restarted = run(values, sizes, {middle: {"u1"}}, restarts={number for number in range(1, len(sizes)) if chance.random() < 0.6})
    waited = erased.erased[0]["u1"].waiting_events  # such an event might yet have confirmed the time of another user's
    for user in {*plain.scores, *erased.scores} - {"u1"} if not waited else ():
        assert plain.scores.get(user) == erased.scores.get(user)
        assert plain.triggers.get(user) == erased.triggers.get(user)
        assert plain.segments.get(user) == erased.segments.get(user)
    assert erased.scores == restarted.scores
    assert erased.triggers == restarted.triggers
    assert erased.changelog.keys() == restarted.changelog.keys()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_turn_itself_tells_nothing_of_the_user_and_the_account_says_what_there_was(seed: int) -> None:
    chance = random.Random(seed)
    values = spoken(shop(seed, 400), [chance.randrange(90) for _ in range(97)])
    run_ = ErasingRun()
    run_.turn(values[:380])
    profiles, decisions = run_.pipeline.profiles, run_.pipeline.decisions
    before = {user: int(((decisions.serial > 0) & (decisions.row == row)).sum()) for user, row in profiles.row_of.items()}
    busiest = max(before, key=lambda user: before[user])
    assert before[busiest] > 0
    event = {"event": "view_item", "user_id": busiest, "timestamp": run_.pipeline.watermark.value}
    turn = run_.turn([json.dumps(event).encode()], {busiest, "nobody"})
    assert run_.erased == [{busiest: Erased(1, run_.erased[0][busiest].decisions, 1), "nobody": Erased()}]
    assert run_.erased[0][busiest].decisions >= before[busiest]
    assert busiest not in {user for user, _ in [*turn.scores, *turn.triggers, *turn.segments]}
    assert HIDING.of(busiest) not in {example.user for example in turn.examples}
    assert turn.scored is not None
    assert len(turn.scored.row) == len(turn.scored.p) == len(turn.scores)
    assert turn.forgotten["erased"] == 1
    assert all(value is None for key, value in turn.changes if key[2:].rsplit(b":", 1)[0] == busiest.encode() or key[2:] == busiest.encode())


def test_what_comes_later_starts_from_nothing_and_the_same_event_is_no_repeat() -> None:
    run_ = ErasingRun()
    event = b'{"event":"purchase","user_id":"u1","timestamp":1609535000000,"event_id":"e1","order_id":"o1","revenue":5}'
    run_.turn([*BEGIN, event, event], {"u1"})
    assert run_.erased == [{"u1": Erased(1, 1, 1)}]
    assert not run_.scores["u1"]
    run_.turn([event])
    row = run_.pipeline.profiles.rows[run_.pipeline.profiles.row_of["u1"]]
    assert (row[at.TOTAL], row[at.PURCHASES]) == (1, 1)
    assert len(run_.scores["u1"]) == 1


def test_a_user_whose_id_continues_anothers_is_left_alone() -> None:
    run_ = ErasingRun()
    events = [b'{"event":"purchase","user_id":"%s","timestamp":1609535000000}' % user for user in (b"u1", b"u1:7.-1", b"u1:7")]
    run_.turn([*BEGIN, *events], {"u1"})
    kept = {key for key in run_.changelog if key[:2] in (b"u:", b"d:")}
    assert {key for key in kept if key.startswith(b"u:")} == {b"u:u1:7.-1", b"u:u1:7", b"u:u8", b"u:u9"}
    assert len({key for key in kept if key.startswith(b"d:")}) == 4


def test_only_the_users_own_waiting_events_go() -> None:
    run_ = ErasingRun()
    other = AHEAD.replace(b"u1", b"u2").replace(b"2024-05-05", b"2030-05-05")
    run_.turn([*BEGIN, AHEAD, other], {"u1"})
    assert run_.erased == [{"u1": Erased(waiting_events=1)}]
    assert [value for _, value in run_.pipeline.state.held] == [other]
    assert len(run_.pipeline.watermark.held) == 1
    assert run_.pipeline.watermark.held[0].user == "u2"
