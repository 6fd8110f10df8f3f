"""What each path answers."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.endpoints.clients import exchange, get
from tests.endpoints.shop import Shop, endpoint_settings
from worker import __version__
from worker.endpoints.site import PAGE
from worker.endpoints.status import Status
from worker.service.masking import masked
from worker.service.telemetry.specification import METRICS


@pytest.fixture(scope="module")
def worked() -> Iterator[Shop]:
    shop = Shop().work()
    shop.open()
    yield shop
    shop.shut()


@pytest.fixture
def port(worked: Shop) -> int:
    assert worked.endpoint is not None
    return worked.endpoint.port


def test_metrics_come_as_the_asker_wants_them(port: int) -> None:
    status, fields, plain = get(port, "/metrics")
    assert (status, fields["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    _, fields, packed = get(port, "/metrics", Accept_Encoding="gzip, deflate")
    assert fields["content-encoding"] == "gzip"
    assert len(packed) < len(plain) / 3
    assert names(gzip.decompress(packed).decode()) == names(plain.decode())
    _, fields, modern = get(port, "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert fields["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert modern.endswith(b"# EOF\n")
    families = list(text_string_to_metric_families(modern.decode()))  # type: ignore[no-untyped-call]
    assert len(families) >= len(METRICS)


def names(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def test_promtool_finds_nothing_to_say_about_them(port: int, promtool: Path) -> None:
    checked = subprocess.run([promtool, "check", "metrics"], input=get(port, "/metrics")[2], capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_the_version_is_told(port: int) -> None:
    assert orjson.loads(get(port, "/version")[2])["version"] == __version__


@pytest.mark.parametrize("path", ["/nothing", "/page.html", "/../etc/passwd", "//", "/%2e%2e/", "/metrics/", "/icon.svg/..", "/status\\"])
def test_no_other_path_leads_anywhere(port: int, path: str) -> None:
    status, _, body = get(port, path)
    assert status == 404
    assert b"/readyz" in body


def test_the_page_is_whole_and_names_nobody_else() -> None:
    page = files("worker.endpoints").joinpath("page")
    assert {entry.name for entry in page.iterdir()} == {file for _, file, _ in PAGE}
    for _, file, _ in PAGE:
        text = page.joinpath(file).read_text(encoding="utf-8")
        assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", re.sub(r"(?m)^ *//.*$", "", text)) in ([], ["http://www.w3.org/2000/svg"])
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\son\w+=|style=", text)


def test_ids_are_masked_one_by_one_and_shown_where_that_is_set(worked: Shop, port: int) -> None:
    shown = [user["user"] for target in orjson.loads(get(port, "/status")[2])["targets"] for user in target["likeliest"]]
    assert shown
    listed = {likely.user for name in worked.settings.targets for likely in worked.watch.likeliest.top(name, 10)}
    assert set(shown) == {masked(user) for user in listed}  # as in the log, so that both can be read side by side
    assert len(set(shown)) == len(listed)
    assert all(re.fullmatch(r"user#[0-9a-f]{8}", user) for user in shown)
    status = open_status(worked)
    assert any(re.fullmatch(r"u\d{6}", user["user"]) for target in status["targets"] for user in target["likeliest"])


def open_status(shop: Shop) -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    status = Status(endpoint_settings(show_user_ids=True), "m", "here", shop.metrics.registry, shop.watch, shop.clock)
    return orjson.loads(status.encoded())  # type: ignore[no-any-return]


def test_whatever_is_asked_is_answered_and_shows_no_user(port: int, worked: Shop) -> None:
    lines = st.lists(
        st.sampled_from(["Host: localhost", "Accept: application/openmetrics-text; version=x", "Accept: */*;q=", "Accept-Encoding: gzip;q=0", "A: b"])
    )
    paths = st.sampled_from([*(path for path, _, _ in PAGE), "/metrics", "/status", "/livez", "/readyz", "/version"]) | st.text(
        st.characters(min_codepoint=33, max_codepoint=126), max_size=20
    ).map(lambda text: f"/{text}")

    @settings(max_examples=50)
    @given(st.sampled_from(["GET", "HEAD", "PUT", "x"]), paths, lines, st.sampled_from(["1.0", "1.1", "3.0"]))
    def asked(method: str, path: str, fields: list[str], version: str) -> None:
        status, answered, body = exchange(port, "\r\n".join([f"{method} {path} HTTP/{version}", *fields, "", ""]).encode())
        assert status in (200, 400, 404, 405, 421, 505)
        assert answered["x-content-type-options"] == "nosniff"
        assert not re.search(rb"u\d{6}", body)

    asked()
    assert "endpoint failed" not in worked.lines.getvalue()
