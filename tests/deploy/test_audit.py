"""The tools of `make audit` and `make sbom` are pinned as everything else is, and judge what clickscore runs on."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tools_are_pinned_and_hashed() -> None:
    entries = (ROOT / "requirements" / "audit.txt").read_text(encoding="utf-8").replace("\\\n", " ").strip().splitlines()
    assert [entry for entry in entries if not re.fullmatch(r"[a-z0-9-]+==[\w.]+(?: ; [^@:/]+?)?(?:\s+--hash=sha256:[0-9a-f]{64})+", entry)] == []
    wanted = [line.split(">=")[0] for line in (ROOT / "requirements" / "audit.in").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert {name for name in wanted if not any(entry.startswith(f"{name}==") for entry in entries)} == set()


def test_they_judge_what_runs_and_fail_where_nobody_can_be_asked() -> None:
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    audit = re.search(r"^audit:.*\n((?:\t.*\n)+)", recipes, re.MULTILINE)
    sbom = re.search(r"^sbom:.*\n((?:\t.*\n)+)", recipes, re.MULTILINE)
    assert audit
    assert sbom
    assert "--strict" in audit[1]
    assert "requirements/run.txt" in audit[1]
    assert "requirements/run.txt" in sbom[1]
