"""The section [privacy]: a key that could be guessed is refused, and no key is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.configuration import load
from worker.configuration.effective import as_toml
from worker.errors import ClickscoreError
from worker.privacy_settings import LEAST_KEY_BYTES, PrivacySettings

KEY = "planted-secret-of-pseudonyms-0123456789"


def test_without_a_key_there_is_none() -> None:
    assert PrivacySettings().key_bytes is None
    assert PrivacySettings(key=KEY).key_bytes == KEY.encode()
    assert KEY not in repr(PrivacySettings(key=KEY))


def test_a_key_that_could_be_guessed_is_refused_with_its_line_and_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "clickscore.toml"
    for key in ("planted-secret", "x" * (LEAST_KEY_BYTES - 1), "é" * 15):
        path.write_text(f'[service]\n[privacy]\nkey = "{key}"\n')
        with pytest.raises(ClickscoreError) as refused:
            load(path, environ={})
        said = "\n".join(map(str, refused.value.problems)) + str(refused.value) + repr(refused.value)
        assert "line 3" in said
        assert "privacy.key" in said
        assert "openssl rand" in said
        assert key not in said
    path.write_text(f'[privacy]\nkey = "{"é" * (LEAST_KEY_BYTES // 2)}"\n')  # counted in bytes
    assert load(path, environ={}).settings.privacy.key_bytes == ("é" * (LEAST_KEY_BYTES // 2)).encode()
    path.write_text(f'[privacy]\nkey = "{KEY}"\n')
    assert KEY not in as_toml(load(path, environ={}))
