"""The page and the JSON Schema of the configuration say what the settings class says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from worker.configuration import load
from worker.configuration.fields import environment_name, leaves
from worker.configuration.reference import json_schema, page
from worker.settings import Settings, file_form

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_page_names_every_key_and_variable() -> None:
    text = page()
    missing = [leaf.path for leaf in leaves() if f"| `{leaf.path[-1]}` |" not in text]
    missing += [leaf.path for leaf in leaves() if leaf.path[0] != "targets" and environment_name(leaf.path) not in text]
    assert missing == []


def test_every_setting_has_a_meaning() -> None:
    assert [leaf.path for leaf in leaves() if not leaf.field.description] == []


def test_the_example_of_the_page_is_right(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", page(), re.DOTALL)
    assert example is not None
    (tmp_path / "example.toml").write_text(example[1])
    settings = load(tmp_path / "example.toml", environ={}).settings
    assert list(settings.targets) == ["purchase", "intent", "cart"]
    jsonschema.validate(tomllib.loads(example[1]), json_schema())


def test_the_schema_is_one_and_accepts_the_defaults() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(file_form(Settings()), json_schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeed": 1},
        {"targets": {"purchase": {"horizon": "14 days"}}},
        {"targets": {"purchase": {"horizon": 7}}},
        {"targets": {"cart": {"outcome": "add_to_cart"}}},
        {"service": {"log_level": "loud"}},
        {"silence": {"share": 2}},
    ],
)
def test_the_schema_refuses_what_loading_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema())


def test_the_schema_lets_a_default_target_name_one_key() -> None:
    jsonschema.validate({"targets": {"purchase": {"prior": 0.5}}}, json_schema())
    with pytest.raises(jsonschema.ValidationError, match="horizon"):
        jsonschema.validate({"targets": {"cart": {"prior": 0.5}}}, json_schema())
