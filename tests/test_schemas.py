"""Every schema accepts its valid examples, refuses its invalid ones for one cause each, and says what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from worker.core.events.deadletters import MESSAGE_LENGTH, dead_letter
from worker.core.events.decoding import EVENT_NAMES, decode
from worker.core.events.faults import MEANINGS, REASONS
from worker.core.events.fields import FIELDS, LAST_TIME_MS, NUMBER_LIMITS, REQUIRED, TEXT_LIMITS
from worker.delivery.reading.letters import MEANINGS as UNDELIVERED

SCHEMAS = Path(__file__).parents[1] / "schemas"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def schema(name: str) -> Any:
    return load(SCHEMAS / f"{name}.schema.json")


def errors(name: str, record: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema(name)).iter_errors(record)]


def examples(kind: str, name: str = "*") -> list[Any]:
    paths = sorted((SCHEMAS / "examples").glob(f"{name}/{kind}/*.json"))
    return [pytest.param(path, id=f"{path.parts[-3]}-{path.stem}") for path in paths]


def test_every_record_that_crosses_a_topic_has_a_schema_and_both_kinds_of_examples() -> None:
    assert [
        *("action", "deadletter", "decision", "event", "example", "label", "model", "partition", "portrait", "privacy", "profile", "receipt", "relearn"),
        *("score", "segment", "suppression", "tally", "totals", "trigger"),
    ] == NAMES
    for kind in ("valid", "invalid"):
        assert sorted({path.parts[-3] for path in (SCHEMAS / "examples").glob(f"*/{kind}/*.json")}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_its_own_examples_hold(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema(name)["examples"]
    assert [errors(name, record) for record in schema(name)["examples"]] == [[]]


@pytest.mark.parametrize("path", examples("valid"))
def test_valid_examples_are_accepted(path: Path) -> None:
    assert errors(path.parts[-3], load(path)) == []


@pytest.mark.parametrize("path", examples("invalid"))
def test_invalid_examples_are_refused_for_one_cause(path: Path) -> None:
    assert len(errors(path.parts[-3], load(path))) == 1


@pytest.mark.parametrize("path", examples("valid"))
def test_no_required_field_can_be_left_out(path: Path) -> None:
    name, record = path.parts[-3], load(path)
    if name == "label":  # a text, without fields
        assert isinstance(record, str)
        return
    assert schema(name)["required"]
    for field in schema(name)["required"]:
        assert errors(name, {key: value for key, value in record.items() if key != field})


@pytest.mark.parametrize("path", examples("valid", "event"))
def test_valid_events_decode(path: Path) -> None:
    batch, rejected = decode([path.read_bytes()])
    assert (len(batch), rejected) == (1, [])


@pytest.mark.parametrize("path", examples("invalid", "event"))
def test_invalid_events_are_rejected_for_the_reason_that_names_the_file(path: Path) -> None:
    batch, rejected = decode([path.read_bytes()])
    assert (len(batch), [fault.reason for fault in rejected]) == (0, [path.name.split(".")[0]])


def test_the_event_schema_states_the_limits_of_the_code() -> None:
    properties = schema("event")["properties"]
    assert set(properties) == FIELDS
    assert tuple(schema("event")["required"]) == REQUIRED
    assert {field: stated["maxLength"] for field, stated in properties.items() if "maxLength" in stated} == TEXT_LIMITS
    assert {field: stated["maximum"] for field, stated in properties.items() if "maximum" in stated} == NUMBER_LIMITS
    assert properties["timestamp"]["anyOf"][0]["maximum"] == LAST_TIME_MS


def test_the_dead_letter_schema_knows_every_reason_and_accepts_what_is_written() -> None:
    assert tuple(schema("deadletter")["properties"]["clickscore.reason"]["enum"]) == (*REASONS, *UNDELIVERED)
    for reason in REASONS:
        letter = dead_letter(b"{", b"u1", "clickstream.events", 3, 981245, reason, "x" * (MESSAGE_LENGTH + 1), [("traceparent", b"00-1-2-01")])
        assert errors("deadletter", {name: value.decode() for name, value in letter.headers}) == []


def test_the_reference_page_says_what_the_code_does() -> None:
    page = (SCHEMAS.parent / "docs" / "events.md").read_text(encoding="utf-8")
    rows = {cells[1].strip(" `"): [cell.strip() for cell in cells[2:-1]] for line in page.splitlines() if len(cells := line.split("|")) > 3}
    assert {field: rows[field][1].removeprefix("1 to ").removesuffix(" characters").replace(",", "") for field in TEXT_LIMITS} == {
        field: str(limit) for field, limit in TEXT_LIMITS.items()
    }
    assert {field: rows[field][1].replace(",", "") for field in NUMBER_LIMITS} == {field: f"0 to {limit:.0f}" for field, limit in NUMBER_LIMITS.items()}
    assert {field for field in FIELDS if "required" in rows[field][0]} == set(REQUIRED)
    assert {reason: rows[reason][0] for reason in REASONS} == MEANINGS
    assert {name for name in schema("deadletter")["required"] if name not in rows} == set()
    assert [name for name in EVENT_NAMES if f"`{name}`" not in page] == []


def test_the_reference_pages_event_and_times_decode() -> None:
    page = (SCHEMAS.parent / "docs" / "events.md").read_text(encoding="utf-8")
    event = page.split("```json\n")[1].split("\n```")[0]
    times = re.findall(r"`([0-9]{4}-[^`]+)`", page)
    batch, rejected = decode([event.encode(), *(json.dumps({**json.loads(event), "timestamp": time}).encode() for time in times)])
    assert (len(batch), rejected) == (4, [])
