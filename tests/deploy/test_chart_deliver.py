"""The Helm chart's Deployment of workers that deliver: apart from those that score, with a way out to destinations, and secrets as files."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any

from tests.delivery.triggers import secret_of
from tests.deploy.helm import Helm
from tests.deploy.test_chart import ALL_ON
from worker.configuration import load
from worker.destination.addresses import may_call

FILES = "/etc/clickscore/destinations"
CONFIG = f'[destinations.shop]\nurl = "https://shop.example/"\nsecret_file = "{FILES}/shop"\n'


def of_delivery(helm: Helm, kind: str, **values: Any) -> dict[str, Any]:
    """The manifest of a kind that there are two of: who scores has one as well."""
    (found,) = [one for one in helm.manifests(**{**ALL_ON, **values}) if one["kind"] == kind and one["metadata"]["name"] == "live-clickscore-deliver"]
    return found


def test_nothing_delivers_unless_it_is_asked_for(helm: Helm) -> None:
    names = {manifest["metadata"]["name"] for manifest in helm.manifests(**{**ALL_ON, "deliver": {"enabled": False, "secret": "destinations"}})}
    assert names
    assert [name for name in names if "deliver" in name] == []


def test_who_delivers_is_counted_apart_from_who_scores(helm: Helm) -> None:
    labels = {kind: helm.kind(kind, **ALL_ON)["spec"]["template"]["metadata"]["labels"] for kind in ("StatefulSet", "Deployment")}
    mine = [of_delivery(helm, "Deployment")["spec"]["selector"]["matchLabels"], of_delivery(helm, "Service")["spec"]["selector"]]
    mine += [
        of_delivery(helm, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        of_delivery(helm, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    assert [selector.items() <= labels["Deployment"].items() for selector in mine] == [True] * 4
    assert [selector.items() <= labels["StatefulSet"].items() for selector in mine] == [False] * 4
    theirs = helm.kind("StatefulSet", **ALL_ON)["spec"]["selector"]["matchLabels"]
    assert not theirs.items() <= labels["Deployment"].items()


def test_a_pod_delivers_and_hands_its_partitions_on_as_it_ends(helm: Helm) -> None:
    spec = of_delivery(helm, "Deployment", deliver={"enabled": True, "replicas": 3})["spec"]
    assert spec["replicas"] == 3
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"][:3] == ["run", "--roles", "deliver"]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert given["CLICKSCORE_KAFKA__ON_STOP"] == "leave"  # the next pod has another name: nobody would come back for them
    stays = {one["name"]: one["value"] for one in helm.kind("StatefulSet", **ALL_ON)["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert stays == {**given, "CLICKSCORE_KAFKA__ON_STOP": "stay"}
    worker = helm.kind("StatefulSet", **ALL_ON)["spec"]["template"]["spec"]["containers"][0]
    assert all(container[f"{probe}Probe"] == worker[f"{probe}Probe"] for probe in ("startup", "liveness", "readiness"))


def test_secrets_of_destinations_are_files_that_who_scores_does_not_have(helm: Helm, tmp_path: Path) -> None:
    """A file of a whole mounted Secret is written anew as the Secret changes; one mounted with subPath, or a variable, never is."""
    pod = of_delivery(helm, "Deployment", config=CONFIG)["spec"]["template"]["spec"]
    assert next(volume for volume in pod["volumes"] if volume["name"] == "destinations")["secret"] == {"secretName": "destinations", "defaultMode": 0o440}
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "destinations"]
    assert mount == {"name": "destinations", "mountPath": FILES, "readOnly": True}
    assert "destinations" not in str(helm.kind("StatefulSet", **ALL_ON))
    arrived = helm.kind("ConfigMap", config=CONFIG)["data"]["clickscore.toml"]
    assert tomllib.loads(arrived) == tomllib.loads(CONFIG)
    (tmp_path / "clickscore.toml").write_text(arrived)
    assert load(tmp_path / "clickscore.toml", [], {}, environ={}).settings.destinations["shop"].secret_file == f"{FILES}/shop"


def test_it_may_log_in_to_kafka_as_somebody_else(helm: Helm) -> None:
    sources = of_delivery(helm, "Deployment")["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert sources == [{"secretRef": {"name": "live-clickscore"}}, {"secretRef": {"name": "kafka-deliverer"}}]  # the last one is the stronger
    assert helm.kind("StatefulSet", **ALL_ON)["spec"]["template"]["spec"]["containers"][0]["envFrom"] == sources[:1]


def test_the_way_out_leads_to_what_the_worker_itself_would_call(helm: Helm) -> None:
    egress = of_delivery(helm, "NetworkPolicy", networkPolicy={"kafkaPorts": [9093]})["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in egress] == [[53, 53], [9093], [443]]
    assert ["to" in rule for rule in egress] == [False, False, True]
    blocks = [one["ipBlock"] for one in egress[2]["to"]]

    def leads_to(text: str) -> bool:
        address = ipaddress.ip_address(text)
        return any(
            address in ipaddress.ip_network(block["cidr"]) and not any(address in ipaddress.ip_network(hole) for hole in block.get("except", []))
            for block in blocks
            if ipaddress.ip_network(block["cidr"]).version == address.version
        )

    allowed = [ipaddress.ip_network(network) for network in ALL_ON["deliver"]["networks"]]
    private = "10.0.0.1 172.20.0.1 192.168.1.1 127.0.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 fd00::1 fe80::1 ff02::1".split()
    for text in [*private, "8.8.8.8", "2606:4700::1111", "10.20.3.4", "fd00:20::9"]:
        assert leads_to(text) == may_call(text, allowed), text
    closed = of_delivery(helm, "NetworkPolicy", deliver={"enabled": True, "ports": []})["spec"]["egress"]
    assert len(closed) == 2


def test_a_secret_of_a_destination_is_refused_in_the_configuration(helm: Helm) -> None:
    refused = helm.template(
        {"kafka": {"bootstrap": "kafka:9092"}, "secret": {"existing": "x"}, "config": CONFIG.replace("_file", "").replace(FILES, secret_of("a"))}
    )
    assert refused.returncode != 0
    assert "/config" in refused.stderr
