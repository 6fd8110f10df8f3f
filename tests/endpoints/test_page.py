"""The page in a real browser: its figures, that it keeps itself up to date, and that everybody can read it."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import numpy as np
import orjson
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.endpoints.browser import Browser
from tests.endpoints.clients import get
from tests.endpoints.shop import Shop, endpoint_settings
from worker.core.labels.decisions import Scored
from worker.core.pipeline import Turn

FOCUSED = "const e = document.activeElement; return [e.textContent.trim().slice(0, 40) || e.tagName, getComputedStyle(e).outlineStyle]"
BEYOND = "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1).length"
CONTRAST = """
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (text) => parts(text).slice(0, 3).map(linear).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
function behind(e) {
  for (; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if ((parts(colour)[3] ?? 1) > 0) return colour;
  }
  return "rgb(255, 255, 255)";
}
function ratio(e) {
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
return Object.fromEntries(arguments[0].map((selector) => [selector, ratio(document.querySelector(selector))]));
"""  # as WCAG 2.2 reckons it


def show(browser: Browser, shop: Shop, port: int = 0) -> int:
    port = shop.open(port)
    browser.driver.get(f"http://127.0.0.1:{port}/")
    browser.until(lambda: browser.text("#state-words") == "Ready")
    return port


def judged(port: int) -> list[dict[str, Any]]:
    """What the page has a plot of: targets at events, and in silence as far as silences were judged."""
    return [one for target in orjson.loads(get(port, "/status")[2])["targets"] for one in target["quality"]]


def test_figures_are_those_of_the_metrics_and_ids_are_masked(browser: Browser, shop: Shop) -> None:
    port = show(browser, shop)
    metrics = get(port, "/metrics")[2].decode()
    figure = {name: float(value) for name, value in re.findall(r"^clickscore_(\w+) (\S+)$", metrics, re.MULTILINE)}
    assert browser.text("#rate-note").startswith(f"{figure['events_scored_total']:,.0f} scored of {figure['events_read_total']:,.0f} read")
    assert browser.text("#known") == f"{figure['profiles']:,.0f}"
    letters = {reason.replace("_", " "): count for reason, count in re.findall(r'deadletter_total\{reason="(\w+)"\} (\d+)\.0', metrics) if count != "0"}
    rows = browser.script("return [...document.querySelectorAll('#deadletters-rows tr')].map((row) => [...row.children].map((cell) => cell.textContent))")
    assert {row[0]: row[2] for row in rows} == letters
    assert "0.1337 beside 0.2437 of the base rate: better" in browser.text("#plots")
    assert browser.script("return document.querySelectorAll('#plots svg circle').length") == sum(len(one["bins"]) for one in judged(port))
    assert browser.script("return document.querySelectorAll('#users-rows tr').length") == 10
    assert browser.text("#users-rows th").startswith("user#")
    assert not re.search(r"u\d{6}", browser.script("return document.documentElement.outerHTML") + get(port, "/status")[2].decode())
    assert browser.complaints() == []


def test_it_keeps_itself_up_to_date_says_when_the_worker_is_away_and_recovers(browser: Browser, shop: Shop) -> None:
    port = show(browser, shop)
    before = browser.text("#rate-note")
    shop.send([orjson.dumps({"event": "purchase", "user_id": f"new-{n}", "timestamp": shop.clock.now_ms() - 1000 + n}) for n in range(7)])
    shop.clock.at_s += 5
    assert shop.turning is not None
    shop.drain(shop.turning)
    shop.judge("purchase", log_loss=0.3)
    browser.until(lambda: browser.text("#rate-note") != before)
    browser.until(lambda: "0.3000 beside 0.2437 of the base rate: no better" in browser.text("#plots"))
    assert browser.complaints() == []
    shop.shut()
    browser.until(lambda: browser.text("#state-words").startswith("The worker does not answer; figures are of "))
    assert browser.script("return document.body.classList.contains('away')")
    assert "does not answer" in browser.text("#announcement")  # read out
    shop.open(port)
    browser.until(lambda: browser.text("#state-words") == "Ready")
    assert not browser.script("return document.body.classList.contains('away')")
    assert all("ERR_CONNECTION_REFUSED" in line for line in browser.complaints())


def plots_are(browser: Browser, width: int) -> bool:
    return bool(browser.script("return document.querySelector('#plots svg').viewBox.baseVal.width") == width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_a_screen_and_can_be_read_in_both_schemes(browser: Browser, shop: Shop, scheme: str) -> None:
    show(browser, shop)
    for width in (360, 768, 1280):
        browser.look(width, 800, scheme)
        browser.until(partial(plots_are, browser, 330 if width < 760 else 480))
        assert browser.script("return document.documentElement.scrollWidth") <= width
        assert browser.script(BEYOND) == 0
        assert len(browser.picture()) > 20_000
    contrasts = browser.script(CONTRAST, ["body", ".note:not(:empty)", "nav a", "#state", "thead th", ".tabs button", "dd", ".reason", "footer a", "summary"])
    assert {selector: ratio for selector, ratio in contrasts.items() if ratio < 4.5} == {}
    darkness = browser.script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", darkness))) < 150) == (scheme == "dark")
    assert browser.complaints() == []


def test_everything_can_be_reached_and_done_by_keyboard(browser: Browser, shop: Shop) -> None:
    show(browser, shop)
    seen: list[str] = []
    for _ in range(40):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        name, outline = browser.script(FOCUSED)
        if browser.script("return document.activeElement === document.body"):
            break  # all round
        seen.append(name)
        assert outline != "none"
        if name == "churn":
            ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
            assert "does nothing" in browser.text("#users-note")
            assert browser.script("return document.activeElement.getAttribute('aria-pressed')") == "true"
        if name == "Numbers" and seen.count("Numbers") == 1:
            ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
            browser.until(lambda: browser.script("return document.querySelectorAll('#plots details[open]').length") == 1)
    assert seen[0] == "Skip to the users likeliest to buy"
    for name in ("Work", "Users", "Quality", "Dead letters", "Metrics", "purchase", "intent", "churn", "Numbers", "/metrics", "/livez", "/readyz"):
        assert name in seen


def test_it_can_be_read_by_ear_and_moves_nothing_for_who_asked_so(browser: Browser, shop: Shop) -> None:
    port = show(browser, shop)
    assert browser.script("return document.documentElement.lang") == "en"
    for one in ("h1", "main", "header", "footer", "nav[aria-label]", "[role=status][aria-live=polite]"):
        assert browser.script("return document.querySelectorAll(arguments[0]).length", one) == 1
    assert browser.script("return [...document.querySelectorAll('th')].every((cell) => ['row', 'col'].includes(cell.scope))")
    plots = browser.script("return [...document.querySelectorAll('svg[role=img]')].map((plot) => plot.getAttribute('aria-label'))")
    assert len(plots) == 1 + len(judged(port)) >= 1 + len(shop.settings.targets)
    assert "Calibration of churn, at events. 10 bins from 0.40 % to 27 %; the table below has their numbers." in plots
    assert browser.script("return document.querySelectorAll('svg:not([role=img]):not([aria-hidden=true])').length") == 0
    assert browser.script("return getComputedStyle(document.documentElement).scrollBehavior") == "smooth"
    browser.look(motion="reduce")
    assert browser.script("return getComputedStyle(document.documentElement).scrollBehavior") == "auto"


@pytest.mark.parametrize("alone", [(0.01, 0.0, 20), (0.02, 0.02, 1), (0.0, 0.0, 5), (1.0, 1.0, 3)])
def test_one_bin_alone_is_a_plot_too(browser: Browser, alone: tuple[float, float, int]) -> None:
    shop = Shop(partitions=1)
    shop.judge("purchase", bins=[alone])
    try:
        port = shop.open()
        browser.driver.get(f"http://127.0.0.1:{port}/")
        browser.until(lambda: browser.script("return document.querySelectorAll('#plots svg circle').length") == 1)
        assert browser.complaints() == []  # a place that is no number is one
    finally:
        shop.shut()


def test_text_of_events_stays_text_and_ids_are_shown_where_that_is_set(browser: Browser) -> None:
    shop = Shop(endpoint_settings(show_user_ids=True))
    evil = '<img src=x onerror="document.title=1">'
    event = {"event": "purchase", "user_id": evil, "timestamp": shop.clock.now_ms() - 5_000, "path": f"/{evil}"}
    shop.send([orjson.dumps(event)])
    shop.turning = shop.loop()
    shop.drain(shop.turning)
    trained(shop, evil)
    try:
        show(browser, shop)
        assert browser.text("#users-rows th") == evil
        assert f"page {evil}" in browser.text("#users-rows")
        assert browser.script("return document.querySelectorAll('main img').length") == 0
        assert browser.complaints() == []
    finally:
        shop.shut()


def trained(shop: Shop, user: str) -> None:
    """Let the user's score be as a model that has learned would have it, with a reason out of the user's own data."""
    likely, now_ms = shop.watch.likeliest.top("purchase", 1)[0], np.array([shop.clock.now_ms()])
    record = json.loads(likely.record)
    record["purchase"] |= {"model": "purchase@9", "reasons": [[f"page {user}", 0.5]]}
    p, zeros = np.full((1, len(shop.settings.targets)), likely.p), np.zeros(1, dtype=np.int64)
    scored = Scored(zeros, now_ms, zeros, zeros, np.zeros((1, 0), dtype=np.int32), p, p, (), ())
    shop.watch.likeliest.take(likely.partition, Turn(scores=[(user, json.dumps(record).encode())], scored=scored))
