"""Score records: the scores of a turn as JSON bytes, one record a score (schemas/score.schema.json).

Records are put together from pieces that are made once a batch (numbers) or once a model (reasons), never through dictionaries:
that was the costliest step of a turn. A target's reasons, its `rest` (all other points) and its `base` (the intercept)
add up to the log-odds of `raw`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.bin_names import BinNames
from worker.core.decisions import EVENT, Scored
from worker.core.feature_slots import SLOTS
from worker.core.features import identities, is_plain
from worker.core.scorecard import Scorecards

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FRAGMENTS_KEPT = 200_000
_PLAIN = np.array([is_plain(number) for number in range(len(SLOTS))])


class ScoreRecords:
    """Encodes scores with one set of scorecards; made anew when the scorecards change."""

    def __init__(self, scorecards: Scorecards, absence: Sequence[bool], names: BinNames, reasons: int, partition: int) -> None:
        self.scorecards = scorecards
        self.names = names
        self.reasons = reasons
        self.partition = partition
        self.sign = [-1.0 if absent else 1.0 for absent in absence]
        self._fragments: list[dict[int, bytes]] = [{} for _ in scorecards.targets]  # a bin with its points as JSON, by the bin's identity
        template = b'{"schema":1,"score_id":"%b","user_id":%b,"time_ms":%d,"cause":%b'
        for number, target in enumerate(scorecards.targets):
            warming = b',"abstain":"warming_up"' if scorecards.warming_up[number] else b""
            base = b',"base":' + orjson.dumps(round(self.sign[number] * scorecards.intercepts[number], 4)) if reasons else b""
            why = b',"reasons":[%b],"rest":%b' + base if reasons else b""
            template += b',"' + target.encode() + b'":{"p":%b,"raw":%b,"lift":%b,"model":"' + scorecards.versions[number].encode() + b'"' + why + warming + b"}"
        self._template = template + b"}"

    def encode(self, scored: Scored, codes: Mapping[str, Ints], margins: Floats, user_ids: Sequence[str], event_ids: Sequence[str | None]) -> list[bytes]:
        """One record for each of n scores: `codes` (n each) are the hashes behind their hashed bins, by slot; `margins` n x targets are log-odds."""
        if not len(margins):
            return []
        targets = range(margins.shape[1])
        columns = self._numbers(scored, margins)
        if self.reasons:
            columns = self._with_reasons(columns, scored, codes, margins)
        heads = zip(self._identities(scored), map(orjson.dumps, user_ids), scored.time_ms.tolist(), _causes(scored, event_ids), strict=True)
        template = self._template
        bodies = zip(*(column for target in targets for column in columns[target]), strict=True)
        return [template % (*head, *body) for head, body in zip(heads, bodies, strict=True)]

    def _identities(self, scored: Scored) -> list[bytes]:
        own = f"{self.partition}-".encode()
        return [
            own + (b"%d" % offset if mark == EVENT else b"%d.%d" % (offset, mark + 1))
            for offset, mark in zip(scored.offset.tolist(), scored.mark.tolist(), strict=True)
        ]

    def _with_reasons(self, columns: list[list[list[bytes]]], scored: Scored, codes: Mapping[str, Ints], margins: Floats) -> list[list[list[bytes]]]:
        slots, points = self.scorecards.top(scored.bins, self.reasons)
        identity = _identify(slots, scored.bins, codes)
        rest = _texts(np.round((margins - np.array(self.scorecards.intercepts) - points.sum(axis=2)) * np.array(self.sign), 4).astype(np.float32))
        width = len(columns)
        for target, column in enumerate(columns):
            fragments = self._fragments[target]
            mine = identity[:, target]
            if len(fragments) > FRAGMENTS_KEPT:  # a scorer without a trainer keeps its scorecards for good
                fragments.clear()
            values, where = np.unique(mine, return_index=True)
            for value, place in zip(values.tolist(), where.tolist(), strict=True):
                if value and value not in fragments:
                    row, nth = divmod(place, self.reasons)
                    slot = int(slots[row, target, nth])
                    name = self.names.name(slot, scored.bins[row], {text: int(hashes[row]) for text, hashes in codes.items()})
                    weight = self.sign[target] * float(self.scorecards.weights[target][scored.bins[row, slot]])
                    fragments[value] = b"[" + orjson.dumps(name) + b"," + orjson.dumps(round(weight, 4)) + b"]"
            if 0 in mine:  # some scores have fewer active bins than reasons asked for
                texts = [b",".join([fragments[value] for value in row if value]) for row in mine.tolist()]
            else:
                texts = [b",".join(map(fragments.__getitem__, row)) for row in mine.tolist()]
            column += [texts, rest[target::width]]
        return columns

    def _numbers(self, scored: Scored, margins: Floats) -> list[list[list[bytes]]]:
        """p, raw and lift of every target in the published direction: for each target three columns of JSON numbers."""
        absent = np.array(self.sign) < 0
        p = np.where(absent, 1.0 - scored.p, scored.p)
        raw = np.where(absent, 1.0 - scored.raw, scored.raw)
        base = np.array([1.0 - b if a else b for a, b in zip(absent, self.scorecards.base_rates, strict=True)])
        table = np.stack([p, raw, p / base], axis=2).astype(np.float32)
        np.clip(table[:, :, :2], 1e-7, np.float32(1 - 1e-7), out=table[:, :, :2])
        texts = _texts(table)
        width = 3 * margins.shape[1]
        return [[texts[3 * target + number :: width] for number in range(3)] for target in range(margins.shape[1])]


def _identify(slots: NDArray[np.intp], bins: NDArray[np.int32], codes: Mapping[str, Ints]) -> Ints:
    """The identity of each chosen slot's value: n x targets x reasons."""
    flat = slots.reshape(-1)
    row = np.repeat(np.arange(len(slots)), slots[0].size)
    out = bins[row, flat].astype(np.int64)
    hashed = np.flatnonzero(~_PLAIN[flat])
    for slot in np.unique(flat[hashed]).tolist():
        mine = hashed[flat[hashed] == slot]
        rows = row[mine]
        out[mine] = identities(slot, bins[rows], {name: hashes[rows] for name, hashes in codes.items()})
    return out.reshape(slots.shape)


def _causes(scored: Scored, event_ids: Sequence[str | None]) -> list[bytes]:
    return [
        b'"silence"' if mark != EVENT else b'"event"' if event_id is None else b'"event","event_id":' + orjson.dumps(event_id)
        for mark, event_id in zip(scored.mark.tolist(), event_ids, strict=True)
    ]


def _texts(table: NDArray[np.float32]) -> list[bytes]:
    """Every number of a table as JSON text, in row order: float32 keeps the seven digits that are meant."""
    flat = np.ascontiguousarray(table.reshape(-1))
    return orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
