"""Latches followed for all moments at once are those followed one moment after another; and what no condition reads is known where a turn ends all the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.action.action_runs import SEGMENTS, acted, plan, spoken
from tests.core.shops import shop
from worker.core.action.crossings.latches import Users, flags_of

BITS = st.integers(0, 2**9 - 1)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2), BITS, BITS, st.booleans()), max_size=40), st.lists(BITS, min_size=3, max_size=3))
def test_latches_are_followed_as_one_by_one(moments: list[tuple[int, int, int, bool]], start: list[int]) -> None:
    row, when, stay = (np.array([moment[part] for moment in moments], dtype=np.int64) for part in range(3))
    born = np.array([moment[3] for moment in moments], dtype=np.bool_)
    followed = Users(row, born).follow(when, stay, np.array(start)[row])
    state, before, on = dict(enumerate(start)), [], []
    for user, enters, stays, new in moments:
        before.append(0 if new else state[user])
        state[user] = enters | before[-1] & stays
        on.append(state[user])
    assert (followed.on.tolist(), followed.before.tolist()) == (on, before)
    assert dict(zip(row[followed.last].tolist(), followed.on[followed.last].tolist(), strict=True)) == {user: state[user] for user in row.tolist()}
    assert [sum(int(flag) << number for number, flag in enumerate(flags)) for flags in flags_of(followed.on, 9).T] == on


def test_interests_end_the_same_whether_a_condition_reads_them_or_not() -> None:
    values = spoken(shop(3, 300), list(range(90)))
    none = plan({name: table for name, table in SEGMENTS.items() if name != "hatters"})
    every = plan({**SEGMENTS, "evenings": {"when": "usual_hour > 17.0"}})
    assert (none.wanted.favourites, none.wanted.hours, every.wanted.favourites, every.wanted.hours) == (False, False, True, True)
    ends = [acted(values, [100, 7, 193], made).pipeline.action for made in (none, every)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].state.interests.tobytes() == ends[1].state.interests.tobytes()
