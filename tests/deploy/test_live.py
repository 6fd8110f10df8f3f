"""Every panel's and every rule's query, asked of a real Prometheus that scrapes a worker at work: none may come back empty."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.receivers import Receiver, Reply
from tests.deploy.test_alerts import ALERTS, RULES
from tests.deploy.test_generated import FILES, PANELS
from tools.alerting.objectives import LEAST_JUDGED
from tools.drill.scraping import PATIENCE_S, Prometheus, free_port
from worker.demo.shop import Shop, ShopSettings
from worker.service.telemetry.specification import ANSWERS as DELIVERY_ANSWERS
from worker.service.telemetry.specification import METRICS, PREFIX

ROOT = Path(__file__).parents[2]
CONFIGURATION = """\
[service]
turn_events = 250
snapshot_examples = 50
snapshot_wait = "500 ms"
[targets.purchase]
horizon = "1 d"
[targets.churn]
horizon = "1 d"
[segments.regulars]
when = "sessions >= 2"
stay = "days_since_seen < 2.0"
[triggers.back]
when = "gap_days > 1.0"
holdout = 0.2
window = "2 d"
expiry = "9000 d" # the shop's days are past
[destinations.shop]
url = "{shop}"
secret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0LCAzMiBieXRlcyBsb25n"
networks = ["127.0.0.1/32"]
rate = 5.0 # so that some wait, and are seen to
[deliver]
backoff = "500 ms"
"""
ANSWERS = {1: Reply(500), 3: Reply(400), 5: Reply(429, (("Retry-After", "1"),))}  # to these requests
VARIABLES = {"$job": ".+", "$instance": ".+", "$target": ".+", "$__rate_interval": "30s"}
SELECTOR = re.compile(r"\b(?:clickscore[a-z0-9_:]*\w|up)\b(?:\{[^}]*\})?")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, prometheus: Path) -> Iterator[Prometheus]:
    """A worker that scores a shop's ten days, learns from them, and is scraped while it does."""
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    agreed = (value.replace(b"{", b'{"consent":"granted",', 1) for value, _ in Shop(ShopSettings(users=800, days=10)).stream())
    (folder / "events.jsonl").write_bytes(b"\n".join(agreed) + b"\nno event\n")
    worker_of = [sys.executable, "-m", "worker"]
    given = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    run = [*worker_of, "run", "--roles", "scorer,trainer,deliver", "--embedded", "shop.db", "--endpoint-port", str(port)]
    shop = Receiver(lambda number, _: ANSWERS.get(number, Reply()))
    (folder / "clickscore.toml").write_text(CONFIGURATION.replace("{shop}", shop.url))
    with (folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(run, cwd=folder, env=given, stderr=log)
    try:
        rules = FILES["prometheus/rules.yml"].replace('interval: "1m"', 'interval: "1s"')  # nobody wants to wait a minute for what is recorded
        with Prometheus(prometheus, folder / "prometheus", [f"127.0.0.1:{port}"], of_few(rules)) as server:
            assert server.unanswered({"up": "up == 1"}, PATIENCE_S) == {}, (folder / "worker.log").read_text()
            # once it is seen at rest, so that counters are seen to grow
            subprocess.run([*worker_of, "send", "events.jsonl", "--embedded", "shop.db"], cwd=folder, env=given, check=True, capture_output=True)
            yield server
    finally:
        worker.send_signal(signal.SIGTERM)
        ended = worker.wait(PATIENCE_S)
        shop.close()
        assert ended == 0


def of_few(text: str) -> str:
    """Rules that judge by twenty outcomes: nobody wants to wait for a thousand."""
    return text.replace(f">= {LEAST_JUDGED}", ">= 20")


def panel_queries() -> dict[str, str]:
    found = {}
    for name, panel in PANELS:
        for target in panel["targets"]:
            expr = target["expr"]
            for variable, value in VARIABLES.items():
                expr = expr.replace(variable, value)
            assert "$" not in expr
            found[f"{name}: {panel['title']}: {target['refId']}"] = expr
    return found


def rule_queries() -> dict[str, str]:
    """What is recorded, as it is; of alerts, which are empty while all is well, everything that they compare."""
    found = {rule["record"]: of_few(rule["expr"]) for rule in RULES if "record" in rule}
    for alert in ALERTS:
        for selector in SELECTOR.findall(alert["expr"]):
            found[f"{alert['alert']}: {selector}"] = selector
    return found


def test_every_metric_of_the_specification_has_a_series(watched: Prometheus) -> None:
    named = {spec.name: f"{PREFIX}{spec.name}{'_count' if spec.kind == 'histogram' else ''}" for spec in METRICS}
    assert list(watched.unanswered(named, PATIENCE_S)) == []


def test_what_delivers_is_seen_at_work(watched: Prometheus) -> None:
    """Its series begin at zero, so that one that is there says nothing."""
    moved = {spec.name: spec for spec in METRICS if spec.part == "delivery" and spec.kind != "gauge" and spec.name != "delivery_failures_total"}  # no fault
    named = {f"{name}{'_count' if spec.kind == 'histogram' else ''}" for name, spec in moved.items()}
    assert list(watched.unanswered({name: f"clickscore_{name} > 0" for name in named}, PATIENCE_S)) == []
    meant = {answer: f'clickscore_delivery_request_duration_seconds_count{{answer="{answer}"}} > 0' for answer in DELIVERY_ANSWERS}
    assert list(watched.unanswered(meant, PATIENCE_S)) == []
    assert watched.query("time() - clickscore_delivery_last_progress_timestamp_seconds < 30")


def test_every_panel_has_an_answer(watched: Prometheus) -> None:
    queries = panel_queries()
    assert len(queries) > 30
    assert list(watched.unanswered(queries, PATIENCE_S)) == []


def test_every_rule_has_an_answer_and_is_sound(watched: Prometheus) -> None:
    queries = rule_queries()
    assert len(queries) > 25
    assert list(watched.unanswered(queries, PATIENCE_S)) == []
    with urllib.request.urlopen(f"{watched.url}/api/v1/rules", timeout=30) as answer:
        told = answer.read().decode()
    assert told.count('"health":"err"') == 0
    assert told.count('"health":"ok"') + told.count('"health":"unknown"') == len(RULES)


def test_nothing_pages_while_a_worker_is_well(watched: Prometheus) -> None:
    paging = {one["metric"]["alertname"] for one in watched.query('ALERTS{severity="page", alertstate="firing"}')}
    # ten days sent at once may wait for longer than a second, and of twenty outcomes chance may say anything
    assert paging <= {"ClickscoreFreshnessBurn", "ClickscoreCalibrationBurn"}


def test_a_query_without_an_answer_is_named(watched: Prometheus) -> None:
    began_s = time.monotonic()
    assert watched.unanswered({"there": "vector(1)", "not there": "clickscore_nothing_total"}, 1) == {"not there": "clickscore_nothing_total"}
    assert time.monotonic() - began_s < PATIENCE_S
    with pytest.raises(AssertionError, match="parse error"):
        watched.query("sum by (")
