"""docs/action.md lists the fields that conditions are checked against, and its configuration is right."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from worker.core.action.portraits.fields import Portraits, Stages
from worker.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "action.md").read_text(encoding="utf-8")


def test_the_page_lists_every_field_with_its_type_and_meaning() -> None:
    listed = dict(re.findall(r"^\| `([\w.]+)` \| (\w+ \| [^|]*) \|$", PAGE, re.MULTILINE))
    assert listed.pop("segments.NAME").startswith("flag")
    fields = Portraits(["TARGET"], Stages(1, 2, 3)).fields
    assert listed == {name: f"{field.type} | {field.meaning}" for name, field in fields.items()}


def test_the_pages_configuration_makes_a_plan() -> None:
    for example in re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        plan = Settings.model_validate(tomllib.loads(example)).plan
        assert plan is not None
        assert plan.rules.keys() <= {"hurry", "basket"}
