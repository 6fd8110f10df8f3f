"""The mark with which a model that was learned anew is handed to the trainer of its target (schemas/relearn.schema.json).

The model itself is a snapshot on the topic of models, under the mark's key, so that no scorer takes it for one in force; a header names the mark. The mark
stands among the target's examples: whoever trains the target comes by it in order, whatever happens in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

SCHEMA = 1
HEADER = "relearn_id"
_END = b"/relearned"  # no target's name ends like this


def relearned_key(target: str) -> bytes:
    """The key of a target's mark, and of the snapshot that it speaks of."""
    return target.encode() + _END


def is_relearned(key: bytes | None) -> bool:
    """Whether a record among the examples is a mark, by its key."""
    return key is not None and key.endswith(_END)


@dataclass(frozen=True, slots=True)
class Relearned:
    """Go on from the relearned model from here on."""

    target: str
    relearn_id: str

    def encode(self) -> bytes:
        """The mark as one JSON record."""
        return orjson.dumps({"schema": SCHEMA, "sense": "relearned", "target": self.target, "relearn_id": self.relearn_id})

    @classmethod
    def decode(cls, value: bytes) -> Relearned:
        """Read a mark; raises ValueError for anything that encode() does not write."""
        record = orjson.loads(value)
        if not isinstance(record, dict) or record.keys() != {"schema", "sense", "target", "relearn_id"} or type(record["schema"]) is not int:
            raise ValueError("it is no mark of a relearned model")
        if record["schema"] != SCHEMA or record["sense"] != "relearned":
            raise ValueError(f"schema is {record['schema']!r:.40}, this program reads {SCHEMA}")
        if not all(type(record[name]) is str and record[name] for name in ("target", "relearn_id")):
            raise ValueError("target or relearn_id is not a text")
        return cls(record["target"], record["relearn_id"])
