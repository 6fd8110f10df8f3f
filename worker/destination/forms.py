"""The forms in which destinations want triggers: data, not code. A form is what a configuration could write itself, in its `item`, `body` and `headers`.

Sources: Standard Webhooks (payload structure: type, timestamp, data); Braze, User track endpoint (event object; up to 75 events a request);
Klaviyo, Create event (JSON:API; `unique_id` makes a repeated event count once).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Name = Literal["webhook", "braze", "klaviyo"]

TRIGGER_VALUES = frozenset(
    "trigger_id rule user_id time_ms time local_time score_id crossed_ms expires_ms expires priority because because_text".split()
)  # what templates of an item may name
BODY_VALUES = TRIGGER_VALUES | {"item", "items"}  # those of a body: the filled items too; the trigger is the first one
HEADER_VALUES = TRIGGER_VALUES | {"token"}


@dataclass(frozen=True, slots=True)
class Form:
    """`item`: one trigger. `body`: the request around one or many of them. `batch`: most triggers of a request.

    `blamed`: where an answer of success lists items that were refused all the same: the list, and the key in each entry that holds the item's number.
    """

    item: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1
    signed: bool = False
    blamed: tuple[str, str] | None = None


WEBHOOK = Form(
    item="""{
      "type": "trigger.fired",
      "timestamp": "$time",
      "data": {
        "trigger_id": "$trigger_id", "rule": "$rule", "user_id": "$user_id", "time_ms": "$time_ms", "local_time": "$local_time",
        "score_id": "$score_id", "expires_ms": "$expires_ms", "priority": "$priority", "because": "$because"
      }
    }""",
    body='"$item"',
    headers={"content-type": "application/json"},
    signed=True,
)

BRAZE = Form(
    item="""{
      "external_id": "$user_id",
      "name": "clickscore_${rule}",
      "time": "$time",
      "properties": {"trigger_id": "$trigger_id", "rule": "$rule", "score_id": "$score_id", "expires": "$expires", "because": "$because_text"}
    }""",
    body='{"events": "$items"}',
    headers={"content-type": "application/json", "authorization": "Bearer ${token}"},
    batch=75,
    blamed=("errors", "index"),
)

KLAVIYO = Form(
    item="""{
      "type": "event",
      "attributes": {
        "metric": {"data": {"type": "metric", "attributes": {"name": "clickscore ${rule}"}}},
        "profile": {"data": {"type": "profile", "attributes": {"external_id": "$user_id"}}},
        "time": "$time",
        "unique_id": "$trigger_id",
        "properties": {"trigger_id": "$trigger_id", "rule": "$rule", "score_id": "$score_id", "expires": "$expires", "because": "$because_text"}
      }
    }""",
    body='{"data": "$item"}',
    headers={
        "content-type": "application/vnd.api+json",
        "accept": "application/vnd.api+json",
        "authorization": "Klaviyo-API-Key ${token}",
        "revision": "2025-07-15",
    },
)

FORMS: Mapping[Name, Form] = {"webhook": WEBHOOK, "braze": BRAZE, "klaviyo": KLAVIYO}
