"""docker-compose.yml: what it starts exists, in the order that is needed, without privileges. `docker compose config` judges it too where it is at hand.

No YAML library is among the requirements, so the file keeps to mappings by indentation with JSON values, which `load` reads and everybody else too.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.stand import Stand
from tests.delivery.triggers import secret_of
from tests.test_docs import sample
from worker.commands.dry_runs import planned
from worker.configuration import load as load_settings
from worker.demo.broker.sources import IMAGE
from worker.destination.addresses import may_call
from worker.settings import Settings

ROOT = Path(__file__).parents[1]
FILE, IMAGE_FILE = ROOT / "docker-compose.yml", ROOT / "deploy" / "container" / "Containerfile"
WATCHERS, WORKERS = ("prometheus", "grafana"), ("worker-1", "worker-2", "deliverer")
CONFIG = "/etc/clickscore/clickscore.toml"
KEY = re.compile(r"( *)([\w.-]+):(?: (.*))?")


def load(text: str) -> dict[str, Any]:
    """Nested mappings; values are JSON, or plain text."""
    top: dict[str, Any] = {}
    open_at: list[tuple[int, dict[str, Any]]] = [(-1, top)]
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = KEY.fullmatch(line)
        assert found, f"this test does not read: {line}"
        indent, key, value = len(found[1]), found[2], found[3]
        while open_at[-1][0] >= indent:
            open_at.pop()
        inside = open_at[-1][1]
        assert key not in inside, f"twice: {key}"
        if value is None:
            inside[key] = {}
            open_at.append((indent, inside[key]))
        else:
            inside[key] = json.loads(value) if value[0] in '["{' or value in ("true", "false") else value
    return top


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = load(FILE.read_text(encoding="utf-8"))["services"]
    assert isinstance(found, dict)
    return found


def test_everything_is_there_and_waits_for_what_it_needs(services: dict[str, Any]) -> None:
    assert list(services) == ["broker", "topics", *WORKERS, "receiver", "sender", *WATCHERS]
    needs = {name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()} for name, service in services.items()}
    assert needs.pop("broker") == {}
    assert needs.pop("topics") == {"broker": "service_healthy"}
    assert [needs.pop(name) for name in (*WATCHERS, "receiver")] == [{}, {"prometheus": "service_started"}, {}]
    assert needs["deliverer"].pop("receiver") == "service_started"
    assert all(how == {"topics": "service_completed_successfully"} for how in needs.values())
    assert services["broker"]["image"] == IMAGE  # the one that the tests and the demo run
    assert services["broker"]["healthcheck"]["test"][0] == "CMD"


def test_every_command_exists_with_these_options(services: dict[str, Any]) -> None:
    lines = [service["command"] for service in services.values() if service["image"] == "clickscore" and "command" in service]
    sender = services["sender"]["entrypoint"][2]
    lines.append(sender.rpartition("| clickscore ")[2].split())
    assert [line[0] for line in lines] == ["topics", "run", "run", "run", "send"]
    for line in lines:
        words = line[: 2 if line[0] == "topics" else 1]
        told = subprocess.run([sys.executable, "-m", "worker", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert [option for option in line if option.startswith("--") and option not in told] == []
        assert line[line.index("--bootstrap") + 1] == "broker:9092"
    members = [line[line.index("--member") + 1] for line in lines if "--member" in line]
    assert tuple(members) == WORKERS
    assert [line[line.index("--roles") + 1] for line in lines if "--roles" in line] == ["deliver"]


def test_the_broker_is_reached_under_the_name_that_it_advertises(services: dict[str, Any]) -> None:
    given = services["broker"]["environment"]
    assert given["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://broker:9092"
    assert given["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert all(isinstance(value, str) for value in given.values())
    assert services["broker"]["volumes"] == [f"broker-data:{given['KAFKA_LOG_DIRS']}"]


def test_settings_from_the_environment_exist(services: dict[str, Any]) -> None:
    for service in services.values():
        for name in service.get("environment", {}):
            if name.startswith("CLICKSCORE_"):
                section, _, key = name.removeprefix("CLICKSCORE_").lower().partition("__")
                assert key in type(getattr(Settings(), section)).model_fields


def test_ours_run_without_privileges_and_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if name == "broker":
            continue
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        assert (service["image"] == "clickscore") == (name not in WATCHERS)
        assert service.get("read_only") is (None if name == "grafana" else True)  # its image writes where it likes
        assert re.fullmatch(r"clickscore|[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
    assert re.search(r"^USER [1-9]\d+", IMAGE_FILE.read_text(encoding="utf-8"), re.MULTILINE)


def test_prometheus_and_grafana_find_each_other_the_workers_and_what_is_mounted(services: dict[str, Any]) -> None:
    mounts = [mount.split(":") for name in WATCHERS for mount in services[name]["volumes"]]
    assert [source for source, *_ in mounts if source.startswith("./") and not (ROOT / source).exists()] == []
    inside = {target: ROOT / source for source, target, *_ in mounts if source.startswith("./")}
    assert all(len(mount) == 3 for mount in mounts if mount[0].startswith("./"))  # read-only
    assert {source for source, *_ in mounts if not source.startswith("./")} == {"prometheus-data", "grafana-data"}
    scraping = inside["/etc/prometheus/prometheus.yml"].read_text(encoding="utf-8")
    targets = re.search(r"targets: (\[.*\])", scraping)
    assert targets
    assert json.loads(targets[1]) == [f"{name}:9108" for name in WORKERS]
    assert "job_name: clickscore" in scraping
    assert set(re.findall(r"/etc/prometheus/[\w.-]+", scraping)) <= set(inside)
    token = inside["/etc/prometheus/endpoint-token"].read_text(encoding="utf-8")
    assert {services[name]["environment"]["CLICKSCORE_ENDPOINT__TOKEN"] for name in WORKERS} == {token}
    source = (inside["/etc/grafana/provisioning"] / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    assert "url: http://prometheus:9090" in source
    provider = (inside["/etc/grafana/provisioning"] / "dashboards" / "clickscore.yml").read_text(encoding="utf-8")
    folder = re.search(r"path: (.*)", provider)
    assert folder
    assert inside[folder[1]].is_dir()
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (inside[str(home.parent)] / home.name).exists()


def mounted(services: dict[str, Any], name: str) -> dict[str, Path]:
    """By its path in the container, each file that a service gets; it can change none of them."""
    mounts = [mount.split(":") for mount in services[name]["volumes"]]
    assert [how for _, _, how in mounts] == ["ro"] * len(mounts)
    return {inside: ROOT / outside for outside, inside, _ in mounts}


def test_the_sender_makes_the_shops_events_of_users_who_agreed_and_the_rule_fires(services: dict[str, Any]) -> None:
    script = services["sender"]["entrypoint"][2].rpartition(" | ")[0].replace("python -c", f"{sys.executable} -c")
    small = script.replace("Shop()", "Shop(ShopSettings(users=500, days=10))").replace("import Shop;", "import Shop, ShopSettings;")
    made = subprocess.run(["sh", "-c", small], cwd=ROOT, capture_output=True, check=True).stdout
    assert made.count(b"\n") == sample().count(b"\n")
    run = planned(load_settings(mounted(services, "worker-1")[CONFIG]).settings, "triggers")
    outcomes = sum((Counter(turn.outcomes) for turn in (run.take(made.splitlines()), run.finish())), Counter[tuple[str, str, str | None]]())
    assert outcomes[("basket", "fired", None)] > 5, outcomes


def test_every_worker_reads_the_same_and_who_delivers_knows_the_receivers_secret(services: dict[str, Any]) -> None:
    assert {mounted(services, name)[CONFIG] for name in WORKERS} == {ROOT / "deploy/compose/clickscore.toml"}
    assert all(services[name]["command"][-2:] == ["--config", CONFIG] for name in WORKERS)
    (destination,) = load_settings(mounted(services, "deliverer")[CONFIG]).settings.destinations.values()
    program, script, port, secret = services["receiver"]["entrypoint"]
    assert (program, destination.url, destination.secret_file) == ("python", f"http://receiver:{port}/hooks/clickscore", secret)
    assert mounted(services, "receiver")[secret] == mounted(services, "deliverer")[secret]
    assert mounted(services, "receiver").keys() == {script, secret}
    for private in ("172.18.0.5", "192.168.96.3"):  # Docker's default address pools
        assert may_call(private, destination.allowed)


def said(services: dict[str, Any], signed_with: Path) -> list[str]:
    """What the receiver, as a process, prints of two triggers that are sent to it under a secret."""
    files = mounted(services, "receiver")
    _, script, _, secret = services["receiver"]["entrypoint"]
    with subprocess.Popen([sys.executable, files[script], "0", files[secret]], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            url = f"http://127.0.0.1:{process.stdout.readline().rpartition(' ')[2].strip()}/hooks/clickscore"
            stand = Stand({"shop": {"url": url, "networks": ["127.0.0.1/32"], "secret_file": str(signed_with)}})
            stand.fire((1, "ada"), (2, "bob"))
            courier = stand.courier()
            stand.until(courier, lambda: stand.fates() == {"delivered": 2} or stand.gauge("delivery_retries_total") == 2)
            courier.close()
        finally:
            process.send_signal(signal.SIGTERM)
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0
    return lines


def test_the_receiver_prints_what_is_ours(services: dict[str, Any]) -> None:
    lines = said(services, ROOT / "deploy/compose/webhook-secret")
    assert sorted(line.partition(" at ")[0] for line in lines) == [f"{1:032x}: hurry for ada", f"{2:032x}: hurry for bob"]


def test_the_receiver_refuses_what_is_not_ours(services: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "another").write_text(secret_of("a"))
    assert said(services, tmp_path / "another") == ["a stranger's: the signature does not fit"] * 2


def test_the_image_is_made_of_what_is_there_and_pinned() -> None:
    text = IMAGE_FILE.read_text(encoding="utf-8")
    copied = [path for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for path in line.split()]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    passed = set(re.findall(r"^!(.*)$", IMAGE_FILE.with_name("Containerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert {path.rstrip("/") for path in copied} == passed
    assert len(re.findall(r"^FROM python:3\.\d+-slim( AS build)?$", text, re.MULTILINE)) == 2
    installs = re.findall(r"pip install (.*?)(?: &&| \\|$)", text, re.MULTILINE)
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps --no-build-isolation ." not in line] == []


def test_the_pin_of_the_extra_client_is_found_whole(tmp_path: Path) -> None:
    program = re.search(r"awk '(.*?)' requirements/test.txt", IMAGE_FILE.read_text(encoding="utf-8"))
    assert program
    found = subprocess.run(["awk", program[1], "requirements/test.txt"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"confluent-kafka==[\d.]+( ;[^\\]*)? \\\n( +--hash=sha256:[0-9a-f]{64} \\\n)* +--hash=sha256:[0-9a-f]{64}\n", found)


def test_compose_itself_takes_it() -> None:
    docker = shutil.which("docker")
    there = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    if docker and there:
        done = subprocess.run([docker, "compose", "-f", str(FILE), "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert set(load(FILE.read_text(encoding="utf-8"))) == {"name", "services", "volumes"}
