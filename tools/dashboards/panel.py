"""Panels and dashboards as Grafana reads them (JSON of schema 39), from a few words each.

The rules of Grafana's dashboard-linter hold for all: the data source, job and instance are variables and in every query, rates are over
$__rate_interval, each panel has a title, a description and a unit, and nothing is edited in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SELECT = 'job=~"$job", instance=~"$instance"'
WIDTH, HEIGHT = 24, 8


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, in which {$S} stands for the chosen jobs and instances, and the name of each series in the legend."""

    text: str
    legend: str = ""

    @property
    def expr(self) -> str:
        """With the choice written out."""
        return self.text.replace("$S", SELECT)


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure. `unit` is Grafana's name of it; `maximum` and `steps` (value, colour) are in that unit."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat", "bargauge"] = "timeseries"
    width: int = 8
    minimum: float | None = 0
    maximum: float | None = None
    steps: tuple[tuple[float | None, str], ...] = ()
    stack: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of rows. `more` are further variables: the values of a label of a metric."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    more: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = field(default=("clickscore",))

    def as_json(self) -> dict[str, Any]:
        """The dashboard as Grafana provisions it."""
        return {
            "uid": f"clickscore-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "schemaVersion": 39,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "utc",
            "links": [{"type": "dashboards", "title": "clickscore", "tags": ["clickscore"], "asDropdown": False, "keepTime": True, "includeVars": True}],
            "templating": {"list": [_source(), *(_variable(name, metric) for name, metric in [("job", ""), ("instance", ""), *self.more])]},
            "panels": list(_placed(self.rows)),
        }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0}


def _variable(name: str, metric: str) -> dict[str, Any]:
    inside = {"job": "", "instance": 'job=~"$job"'}.get(name, SELECT)
    query = f"label_values({metric or 'clickscore_build_info'}{{{inside}}}, {name})"
    return {
        "name": name,
        "label": name.title(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,  # when the time range changes too
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
        "hide": 0,
    }


def _placed(rows: Sequence[Row]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        placed.append({"id": len(placed) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _at(0, top, WIDTH, 1)})
        left, top = 0, top + 1
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + HEIGHT
            placed.append({"id": len(placed) + 1, "gridPos": _at(left, top, panel.width, HEIGHT), **_panel(panel)})
            left += panel.width
        top += HEIGHT
    return placed


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel) -> dict[str, Any]:
    steps = panel.steps or ((None, "green" if panel.kind != "timeseries" else "text"),)
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in steps]}}
    if panel.minimum is not None:
        defaults["min"] = panel.minimum
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.kind == "timeseries":
        stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 30} if panel.stack else {"fillOpacity": 5}
        defaults["custom"] = {"lineWidth": 1, "showPoints": "never", "thresholdsStyle": {"mode": "line" if panel.steps else "off"}, **stacked}
        options: dict[str, Any] = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}, "tooltip": {"mode": "multi"}}
    else:
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "horizontal"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": query.expr, "legendFormat": query.legend or "__auto"}
            for number, query in enumerate(panel.queries)
        ],
    }
