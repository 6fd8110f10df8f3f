"""Suppression: records of the input that speak of a user of whom nothing is to be known are passed over before anything is worked out from them.

The state names such users by pseudonyms alone, so every id that comes in has to be hashed; partitions without a suppressed user pay nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from worker.core.events.decoding import decode
from worker.core.privacy.pseudonyms import Pseudonyms


def passed_over(
    values: Sequence[bytes | None], keys: Sequence[bytes | None], suppressed: Collection[str], pseudonyms: Pseudonyms, names: Mapping[str, str]
) -> set[int]:
    """The places of records that a suppressed user is named in: as the user of an event, or as the key of anything, which might become a dead letter.

    `suppressed` holds pseudonyms; `names` maps a shop's own event names (events.names).
    """
    if not suppressed:
        return set()
    batch, _ = decode(values, names)
    users = dict(zip(batch.position.tolist(), batch.user_id, strict=True))
    of: dict[str, bool] = {}
    found = set()
    for place, key in enumerate(keys):
        named = {users[place]} if place in users else set()
        if key is not None:
            named.add(key.decode("utf-8", "replace"))
        for user in named:
            if user not in of:
                of[user] = pseudonyms.of(user) in suppressed
        if any(of[user] for user in named):
            found.add(place)
    return found
