"""Pseudonyms: the same for all time, of one key alone."""

from __future__ import annotations

import hashlib
import hmac
import re

from worker.core.privacy.pseudonyms import PUBLIC_KEY, Pseudonyms

KEY = b"0123456789abcdef0123456789abcdef"


def test_a_pseudonym_is_what_the_page_says() -> None:
    naming = hmac.new(KEY, b"clickscore pseudonym", hashlib.sha256).digest()
    for user in ("u-1", "é" * 256, "a\nb"):
        assert Pseudonyms(KEY).of(user) == hmac.new(naming, user.encode(), hashlib.sha256).hexdigest()[:32]
        assert re.fullmatch("[0-9a-f]{32}", Pseudonyms(KEY).of(user))


def test_another_key_names_anew_and_no_key_is_one_that_everybody_knows() -> None:
    users = [f"u-{number}" for number in range(50)]
    named = {key: [Pseudonyms(key).of(user) for user in users] for key in (None, KEY, KEY[::-1])}
    assert len({name for names in named.values() for name in names}) == 3 * len(users)
    assert named[None] == [Pseudonyms(PUBLIC_KEY).of(user) for user in users]
