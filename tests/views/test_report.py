"""The report page, read as XML: it says what it was given, alone, safely and to everyone."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from tests.views.reports import FULL, NOTHING, PURCHASE, reports
from worker.views.report import Report, render
from worker.views.report_style import STYLE

XHTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"
NAMESPACES = {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
PLAIN_ELEMENTS = set(
    "html head meta title style body main header footer section h1 h2 h3 p ul li b i span div table thead tbody tr th td details summary code".split()
)
DRAWN_ELEMENTS = set("svg title desc polyline rect circle text".split())
ATTRIBUTES = set("lang charset name content http-equiv class id scope aria-hidden".split())
DRAWN_ATTRIBUTES = set("viewBox role class x y width height cx cy r points transform preserveAspectRatio aria-hidden".split())


def page(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(render(report).partition("\n")[2])


def words(element: ElementTree.Element) -> str:
    return re.sub(r"\s+", " ", " ".join(element.itertext()))


def cells(report: Report) -> list[list[str]]:
    return [[words(cell).strip() for cell in row] for row in page(report).iter(f"{XHTML}tr")]


def test_the_summary_says_every_number_once_per_target() -> None:
    rows = {row[0]: row[1:] for row in cells(FULL)}
    assert rows["measure"] == ["purchase", "churn"]
    assert rows["decisions judged"] == ["173,211", "9"]
    assert rows["base rate"] == ["1.4 %", "85 %"]
    assert rows["log-loss"] == ["0.0282", "0.3300"]
    assert rows["log-loss of the base rate"] == ["0.0511", "0.3900"]
    assert rows["better by"] == ["44.9 %", "15.4 %"]
    assert rows["calibration: says / came true"] == ["1.01", "–"]
    assert rows["calibration error (ECE)"] == ["0.0011", "–"]
    assert rows["AUC"] == ["0.939", "–"]
    assert rows["missing field"][0] == "155"


def test_counts_dates_and_origin_are_said() -> None:
    text = words(page(FULL))
    for said in ("2,234,567", "269,512", "743,912", "181", "2020-11-01 to 2021-01-17", "late events dropped", "a purchase within 7 days", "clickscore 0.1.0"):
        assert said in text, said


def test_beside_every_plot_stand_its_numbers() -> None:
    rows = cells(FULL)
    for row in (["1.1 %", "1.2 %", "4,100"], ["0.10 % to 1.0 %", "5,321"], ["2025-03-02", "0.0310", "0.0500", "900"], ["2025-03-03", "–", "–", "0"]):
        assert row in rows
    bins = [row for row in rows if len(row) == 3 and row[1][:1] in "+−"]
    assert [row[:2] for row in bins] == [
        ["1 cart add this visit session.add_to_cart 1", "+1.42"],
        ["medium email", "+0.40"],
        ["seen 7–10 d ago recency 7–10 d", "−0.52"],
    ]


def test_every_plot_has_a_title_and_a_description() -> None:
    drawings = [svg for svg in page(FULL).iter(f"{SVG}svg") if svg.get("aria-hidden") is None]
    assert len(drawings) == 6
    for svg in drawings:
        assert svg.get("role") == "img"
        title, description = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
        assert title is not None
        assert description is not None
        assert title.text
        assert description.text


def test_headings_descend_one_level_at_a_time() -> None:
    levels = [int(element.tag[-1]) for element in page(FULL).iter() if re.fullmatch(r".*\}h[1-6]", str(element.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 or before == 1 for before, after in pairwise(levels))


@settings(max_examples=60)
@given(reports)
def test_any_report_is_well_formed_alone_and_holds_nothing_that_runs(report: Report) -> None:
    for element in page(report).iter():
        namespace, _, name = str(element.tag)[1:].partition("}")
        drawn = namespace == SVG[1:-1]
        assert namespace in NAMESPACES
        assert name in (DRAWN_ELEMENTS if drawn else PLAIN_ELEMENTS)
        assert set(element.attrib) <= (DRAWN_ATTRIBUTES if drawn else ATTRIBUTES)
    text = render(report)
    style = STYLE.lower()
    assert "url(" not in style
    assert "@import" not in style
    assert text.count("<style>") == 1
    assert set(re.findall(r'xmlns="([^"]*)"', text)) <= NAMESPACES


@settings(max_examples=60)
@given(reports)
def test_marks_stay_within_their_plot(report: Report) -> None:
    for svg in page(report).iter(f"{SVG}svg"):
        _, _, width, height = map(float, str(svg.get("viewBox")).split())
        for element in svg.iter():
            for axis, limit in (("x", width), ("y", height), ("cx", width), ("cy", height)):
                if element.get(axis) is not None:
                    assert -1 <= float(str(element.get(axis))) <= limit + 1
            for point in str(element.get("points", "")).split():
                x, y = map(float, point.split(","))
                assert -1 <= x <= width + 1
                assert -1 <= y <= height + 1
            if element.get("width") is not None:
                assert 0 <= float(str(element.get("width"))) <= width + 1
                assert 0 <= float(str(element.get("height"))) <= height + 1


def test_text_from_data_stays_text() -> None:
    evil = '<script>alert("x")</script>&'
    target = replace(PURCHASE, name=evil, says=evil, strongest_bins=((evil, 1.0),), log_loss_by_day=((evil, 0.1, 0.2, 3),))
    text = render(replace(FULL, title=evil, dead_letters=((evil, 1),), targets=(target,), counts=((evil, 2),), made_by=evil))
    assert "<script" not in text
    assert unescape(text).count(evil) >= 8


def test_control_characters_from_data_are_shown_as_such() -> None:
    assert "a�[31mb�" in words(page(replace(FULL, title="a\x1b[31mb\x00")))


def test_of_nothing_the_page_says_so() -> None:
    assert "No events." in words(page(NOTHING))
    empty = replace(FULL, targets=(replace(PURCHASE, n=0, calibration=(), histogram=(), log_loss_by_day=(), strongest_bins=()),))
    assert words(page(empty)).count("nothing to show yet") == 4
    assert "details" not in {str(element.tag).removeprefix(XHTML) for element in page(empty).iter()}


@pytest.mark.parametrize(
    "rows", [((0.02, 0.03, 5),), ((0.0, 0.0, 5),), ((1.0, 1.0, 5),), ((0.5, 0.5, 1),), ((0.3, float("nan"), 4), (0.4, 0.5, 4)), ((0.2, 0.2, 0), (0.4, 0.5, 4))]
)
def test_a_calibration_of_one_bin_is_drawn_as_one_mark(rows: tuple[tuple[float, float, int], ...]) -> None:
    report = replace(FULL, targets=(replace(PURCHASE, calibration=rows),))
    marks = [element for element in page(report).iter(f"{SVG}circle") if str(element.get("class")).startswith("mark")]
    assert len(marks) == 1


def test_a_single_day_and_a_gap_are_drawn() -> None:
    one = replace(PURCHASE, log_loss_by_day=(("2025-03-01", 0.2, 0.3, 5),))
    dots = [element.get("class") for element in page(replace(FULL, targets=(one,))).iter(f"{SVG}circle") if "dot" in str(element.get("class"))]
    assert sorted(map(str, dots)) == ["dot baseline", "dot model"]
    lines = [element for element in page(FULL).iter(f"{SVG}polyline") if element.get("class") == "model"]
    assert [len(str(line.get("points")).split()) for line in lines] == [2]  # two days, a gap, and a lone day drawn as a dot


def colours(dark: bool) -> dict[str, str]:
    blocks = re.findall(r":root \{([^}]*)\}", STYLE)
    found: dict[str, str] = {}
    for block in blocks[: 2 if dark else 1]:
        found |= dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})\b", block))
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4) for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("colour", "least"), [("ink", 7.0), ("soft", 4.5), ("model", 3.0), ("other", 3.0), ("against", 3.0)])
@pytest.mark.parametrize("ground", ["page", "card"])
def test_colours_stand_out_from_their_ground(dark: bool, colour: str, least: float, ground: str) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for marks."""
    bright, dim = sorted((luminance(colours(dark)[colour]), luminance(colours(dark)[ground])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least
