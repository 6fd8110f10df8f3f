"""Score records: the scores of a turn as JSON bytes, one record a score (schemas/score.schema.json).

Records are put together from columns of JSON pieces, each made for all scores in one call (numbers, texts) or once a model (reasons), never through
dictionaries: that was the costliest step of a turn. A target's reasons, its `rest` (all other points) and its `base` (the intercept)
add up to the log-odds of `raw`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.labels.decisions import EVENT, Scored
from worker.core.scoring.bin_names import BinNames
from worker.core.scoring.features import identities, is_plain
from worker.core.scoring.scorecard import Points, Scorecards
from worker.core.scoring.slots import SLOTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FRAGMENTS_KEPT = 200_000
_PLAIN = np.array([is_plain(number) for number in range(len(SLOTS))])


class ScoreRecords:
    """Encodes scores with one set of scorecards; made anew when the scorecards change."""

    def __init__(self, scorecards: Scorecards, absence: Sequence[bool], names: BinNames, reasons: int, partition: int) -> None:
        self.scorecards = scorecards
        self.names = names
        self.reasons = min(reasons, len(SLOTS))
        self.sign = np.array([-1.0 if absent else 1.0 for absent in absence])
        self._fragments: list[dict[int, bytes]] = [{} for _ in scorecards.targets]  # a comma and a bin with its points as JSON, by the bin's identity
        template = b'{"schema":1,"score_id":"%d-%%b%%b","user_id":%%b,"time_ms":%%b,"cause":%%b' % partition
        for number, target in enumerate(scorecards.targets):
            warming = b',"abstain":"warming_up"' if scorecards.warming_up[number] else b""
            base = b',"base":' + orjson.dumps(round(float(self.sign[number]) * scorecards.intercepts[number], 4)) if reasons else b""
            why = b',"reasons":[' + b"%b" * self.reasons + b'],"rest":%b' + base if reasons else b""
            template += b',"' + target.encode() + b'":{"p":%b,"raw":%b,"lift":%b,"model":"' + scorecards.versions[number].encode() + b'"' + why + warming + b"}"
        self._template = template + b"}"

    def encode(self, scored: Scored, codes: Mapping[str, Ints], points: Points, user_ids: list[str], event_ids: list[str | None]) -> list[bytes]:
        """One record for each of n scores, with the largest of its points as reasons: `codes` (n each) are the hashes behind hashed bins, by slot."""
        if not len(points.margins):
            return []
        columns = [*_identities(scored), _quoted(user_ids), _texts(scored.time_ms), _causes(scored, event_ids)]
        numbers = self._numbers(scored)
        if self.reasons:
            rest = points.margins - np.array(self.scorecards.intercepts) - points.largest.sum(axis=2)
            numbers.append(np.round(rest * self.sign, 4))
            identity = _identify(points.slots, scored.bins, codes)
        texts = _texts(np.stack(numbers, axis=2).astype(np.float32))
        width, step = len(numbers), len(numbers) * len(self.sign)
        for target in range(len(self.sign)):
            own = [texts[number::step] for number in range(width * target, width * (target + 1))]
            reasons = self._reasons(target, identity[:, target], points.slots[:, target], scored.bins, codes) if self.reasons else []
            columns += [*own[:3], *reasons, *own[3:]]
        template = self._template
        return [template % pieces for pieces in zip(*columns, strict=True)]

    def _numbers(self, scored: Scored) -> list[Floats]:
        """p, raw and lift of every target in the published direction, each n x targets, as they are written."""
        absent = self.sign < 0
        p = np.where(absent, 1.0 - scored.p, scored.p)
        raw = np.where(absent, 1.0 - scored.raw, scored.raw)
        base = np.array([1.0 - b if a else b for a, b in zip(absent, self.scorecards.base_rates, strict=True)])
        low, high = np.float32(1e-7), np.float32(1 - 1e-7)
        return [np.clip(p.astype(np.float32), low, high), np.clip(raw.astype(np.float32), low, high), p / base]

    def _reasons(self, target: int, identity: Ints, slots: Ints, bins: NDArray[np.int32], codes: Mapping[str, Ints]) -> list[list[bytes]]:
        """The reasons of one target, `identity` and `slots` n x reasons: for each rank a column of JSON pieces, empty where a score has fewer."""
        fragments = self._fragments[target]
        if len(fragments) > FRAGMENTS_KEPT:  # a scorer without a trainer keeps its scorecards for good
            fragments.clear()
        fragments[0] = b""
        values, number = np.unique(identity, return_inverse=True)
        number = number.reshape(identity.shape)
        unknown = [place for place, value in enumerate(values.tolist()) if value not in fragments]
        if unknown:
            where = np.empty(len(values), dtype=np.int64)
            where[number.reshape(-1)] = np.arange(number.size)
            for place in unknown:
                row, rank = divmod(int(where[place]), self.reasons)
                slot = int(slots[row, rank])
                name = self.names.name(slot, bins[row], {text: int(hashes[row]) for text, hashes in codes.items()})
                weight = float(self.sign[target]) * float(self.scorecards.weights[target][bins[row, slot]])
                fragments[int(values[place])] = b",[" + orjson.dumps(name) + b"," + orjson.dumps(round(weight, 4)) + b"]"
        further = [fragments[value] for value in values.tolist()]
        first = [fragment[1:] for fragment in further]  # rank 0 is never empty: every score has a cause, which comes first among equals
        return [np.array(first if rank == 0 else further, dtype=object).take(number[:, rank]).tolist() for rank in range(self.reasons)]


def _identify(slots: NDArray[np.intp], bins: NDArray[np.int32], codes: Mapping[str, Ints]) -> Ints:
    """The identity of each chosen slot's value: n x targets x reasons."""
    flat = slots.reshape(-1)
    row = np.repeat(np.arange(len(slots)), slots[0].size)
    out: Ints = bins.reshape(-1).take(row * bins.shape[1] + flat).astype(np.int64)
    hashed = np.flatnonzero(~_PLAIN[flat])
    hashed = hashed[np.argsort(flat[hashed].astype(np.int16), kind="stable")]
    for mine in np.split(hashed, np.flatnonzero(np.diff(flat[hashed])) + 1) if len(hashed) else []:
        out[mine] = identities(int(flat[mine[0]]), bins, codes, row[mine])
    return out.reshape(slots.shape)


def _identities(scored: Scored) -> list[list[bytes]]:
    """What follows the partition in a score's id: the offset of the event, and in silence the number of the mark."""
    marks = [*(b".%d" % (mark + 1) for mark in range(int(scored.mark.max()) + 1)), b""]  # EVENT, -1, is the last
    return [_texts(scored.offset), list(map(marks.__getitem__, scored.mark.tolist()))]


def _causes(scored: Scored, event_ids: list[str | None]) -> list[bytes]:
    return [
        b'"silence"' if mark != EVENT else b'"event"' if event_id == b"null" else b'"event","event_id":' + event_id
        for mark, event_id in zip(scored.mark.tolist(), _quoted(event_ids), strict=True)
    ]


def _texts(table: NDArray[Any]) -> list[bytes]:
    """Every number of a table as JSON text, in row order: float32 keeps the seven digits that are meant."""
    flat = np.ascontiguousarray(table.reshape(-1))
    return orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def _quoted(texts: Sequence[str | None]) -> list[bytes]:
    """Each text as JSON, null where there is none: one a line, and within a text a line feed is escaped."""
    return orjson.dumps(texts, option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")
