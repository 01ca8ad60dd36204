"""Grafana's JSON for dashboards of panels, no more of it than ours need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
HEIGHT = 8
SCHEMA_VERSION = 39
"""Of Grafana's dashboards: 39 is that of Grafana 10 and 11, which migrate older ones."""


@dataclass(frozen=True)
class Panel:
    """Lines over time, or with another *kind* the last values.

    *queries* are PromQL by legend; a legend may hold `{{label}}`.
    """

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    help: str = ""
    kind: str = "timeseries"
    width: int = 8


@dataclass(frozen=True)
class Section:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One page of sections."""

    uid: str
    title: str
    sections: Sequence[Section]

    @property
    def queries(self) -> list[str]:
        """Every query, in order."""
        return [
            query
            for section in self.sections
            for panel in section.panels
            for query in panel.queries.values()
        ]

    def json(self) -> dict[str, Any]:
        """Return what Grafana imports."""
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["ekiben"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [_source_variable(), _use_case_variable()]},
            "links": [
                {
                    "title": "Ekiben",
                    "type": "dashboards",
                    "tags": ["ekiben"],
                    "keepTime": True,
                }
            ],
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        top, number = 0, 1
        for section in self.sections:
            place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
            yield _heading(number, section.title, place)
            top, number = top + 1, number + 1
            left = 0
            for panel in section.panels:
                if left + panel.width > COLUMNS:
                    left, top = 0, top + HEIGHT
                place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT}
                yield _panel(number, panel, place)
                left, number = left + panel.width, number + 1
            top += HEIGHT


def _heading(number: int, title: str, place: dict[str, int]) -> dict[str, Any]:
    return {"id": number, "type": "row", "title": title, "gridPos": place, "panels": []}


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": _options(panel.kind),
        "targets": [
            {
                "refId": chr(ord("A") + position),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "instant": panel.kind != "timeseries",
            }
            for position, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _options(kind: str) -> dict[str, Any]:
    if kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "reduceOptions": {"calcs": ["lastNotNull"]},
        "textMode": "value_and_name",
        "colorMode": "none",
    }


def _source_variable() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }


def _use_case_variable() -> dict[str, Any]:
    query = "label_values(ekiben_version_answering, use_case)"
    return {
        "name": "use_case",
        "label": "Use case",
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "use_case"},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }
