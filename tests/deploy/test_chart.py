"""The Helm chart: what it refuses, and what it installs for which values."""

from __future__ import annotations

import base64
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from tests.deploy.helm import CHART, NEEDED, Helm
from worker.configuration import load
from worker.settings import Settings

SCHEMA = orjson.loads((CHART / "values.schema.json").read_bytes())
ALL_ON: dict[str, Any] = {
    "topics": {"create": True},
    "autoscaling": {"enabled": True, "authentication": "kafka-login"},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True, "runbooks": "https://wiki.example/runbooks"},
    "secret": {"existing": "", "values": {"CLICKSCORE_KAFKA__SASL_PASSWORD": "geheim", "CLICKSCORE_ENDPOINT__TOKEN": "0123456789abcdef"}},
    "tlsSecret": "kafka-tls",
    "deliver": {"enabled": True, "secret": "destinations", "login": "kafka-deliverer", "networks": ["10.20.0.0/16", "fd00:20::/32"]},
    "imagePullSecrets": [{"name": "registry"}],
    "podLabels": {"team": "shop"},
    "podAnnotations": {"note": "a: b"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "high",
}
GOOD: list[dict[str, Any]] = [
    {},
    ALL_ON,
    {"kafka": {"bootstrap": "a:9092, b.example:9093"}},
    {"replicas": 0},
    {"roles": ["trainer"]},
    {"config": "[kafka]\nsasl_username = 'clickscore'\n"},
    {"secret": {"existing": "kafka-login"}},
    {"config": "[destinations.shop]\nurl = 'https://shop.example/'\nsecret_file = '/etc/clickscore/destinations/shop'\n"},
    {"deliver": {"enabled": True, "replicas": 1, "ports": [443, 8443]}},
    {"resources": {"requests": {"cpu": "500m", "memory": "1.5Gi"}}},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"kafka": {"bootstrap": ""}}, "bootstrap"),
    ({"kafka": {"bootstrap": "kafka"}}, "bootstrap"),
    ({"kafka": {"bootstrap": "http://kafka:9092"}}, "bootstrap"),
    ({"kafka": "kafka:9092"}, "kafka"),
    ({"replica": 3}, "replica"),
    ({"replicas": -1}, "replicas"),
    ({"replicas": "two"}, "replicas"),
    ({"roles": []}, "roles"),
    ({"roles": ["scorer", "cook"]}, "roles"),
    ({"image": {"repository": "clickscore", "tag": "latest"}}, "tag"),
    ({"image": {"repository": "clickscore", "pullPolicy": "Sometimes"}}, "pullPolicy"),
    ({"config": "[kafka]\n  sasl_password = 'in the open'\n"}, "config"),
    ({"config": "[destinations.shop]\n  secret = 'whsec_in the open'\n"}, "config"),
    ({"config": "[destinations.braze]\ntoken='in the open'\n"}, "config"),
    ({"deliver": {"networks": ["10.20.0.1"]}}, "networks"),
    ({"deliver": {"ports": ["https"]}}, "ports"),
    ({"roles": ["deliver"]}, "roles"),
    ({"secret": {"values": {"PASSWORD": "x"}}}, "secret"),
    ({"http": {"port": 80}}, "port"),
    ({"networkPolicy": {"kafkaPorts": []}}, "kafkaPorts"),
    ({"resources": {"requests": {"memory": "lots"}}}, "memory"),
    ({"autoscaling": {"maxReplicas": 0}}, "maxReplicas"),
    ({"terminationGracePeriodSeconds": 1}, "terminationGracePeriodSeconds"),
    ({"serviceMonitor": {"intervalSeconds": 600}}, "intervalSeconds"),
]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    return {**base, **{key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value for key, value in over.items()}}


@pytest.mark.parametrize("values", GOOD, ids=lambda values: ",".join(values) or "none")
def test_the_schema_takes_good_values(values: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(merged(dict(NEEDED), values), SCHEMA, jsonschema.Draft7Validator)


@pytest.mark.parametrize(("values", "where"), BAD, ids=[str(values) for values, _ in BAD])
def test_the_schema_refuses_bad_values(values: dict[str, Any], where: str) -> None:
    with pytest.raises(jsonschema.ValidationError) as refused:
        jsonschema.validate(merged(dict(NEEDED), values), SCHEMA, jsonschema.Draft7Validator)
    assert where in f"{list(refused.value.absolute_path)} {refused.value.message}"


def test_every_value_has_a_default_and_a_place_in_the_schema() -> None:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+):", text, re.MULTILINE)) == set(SCHEMA["properties"]) - {"global"}


def test_helm_lints_it_and_asks_for_the_brokers(helm: Helm) -> None:
    linted = helm.run("lint", CHART, "--strict", "--kube-version", "1.31.0", values=merged(dict(NEEDED), ALL_ON))
    assert linted.returncode == 0, linted.stdout
    without = helm.template({})
    assert without.returncode != 0
    assert "/kafka/bootstrap" in without.stderr
    upside_down = helm.template({**NEEDED, "autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 2}})
    assert "maxReplicas is less than" in upside_down.stderr


def test_a_release_without_choices_has_what_is_needed_and_nothing_that_needs_an_operator(helm: Helm) -> None:
    kinds = sorted(manifest["kind"] for manifest in helm.manifests())
    assert kinds == ["ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet"]
    everything = {manifest["kind"] for manifest in helm.manifests(**ALL_ON)}
    assert everything == {*kinds, "Secret", "ScaledObject", "ServiceMonitor", "PrometheusRule", "Job", "Deployment"}
    less = {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}}
    assert {manifest["kind"] for manifest in helm.manifests(**less)} == {"ConfigMap", "Service", "StatefulSet"}


def test_everything_of_a_release_bears_its_names_and_its_namespace_is_left_to_helm(helm: Helm) -> None:
    for manifest in helm.manifests(**ALL_ON):
        assert manifest["metadata"]["name"].startswith("live-clickscore")
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "live"
        assert "namespace" not in manifest["metadata"]


def pod_of(helm: Helm, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = helm.kind("StatefulSet", **values)["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "Job"])
def test_no_container_may_do_anything(helm: Helm, kind: str) -> None:
    pod = helm.kind(kind, **ALL_ON)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 10001 == security["runAsGroup"]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert "memory" in container["resources"]["limits"]
        writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert writable == ["tmp"]
        assert next(volume for volume in pod["volumes"] if volume["name"] == "tmp")["emptyDir"]["sizeLimit"] == "64Mi"


def test_a_pods_name_is_its_members(helm: Helm) -> None:
    """Without a name of its own a worker takes the host's, which in a StatefulSet is the pod's: clickscore-0 stays clickscore-0."""
    pod = pod_of(helm)
    assert helm.kind("StatefulSet")["spec"]["serviceName"] == helm.kind("Service")["metadata"]["name"]
    assert helm.kind("Service")["spec"]["clusterIP"] == "None"
    assert "hostname" not in pod
    assert "--member" not in pod["containers"][0]["args"]
    assert [one["name"] for one in pod["containers"][0]["env"] if "MEMBER" in one["name"]] == []


def test_probes_ask_the_pages_that_there_are(helm: Helm) -> None:
    worker = pod_of(helm, http={"port": 9200}, startupSeconds=301)["containers"][0]
    assert worker["ports"] == [{"name": "http", "containerPort": 9200}]
    assert worker["args"][-2:] == ["--endpoint-port", "9200"]
    asked = {name: worker[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert asked == {name: {"path": path, "port": "http"} for name, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz"))}
    assert worker["startupProbe"]["periodSeconds"] * worker["startupProbe"]["failureThreshold"] >= 301


def test_the_configuration_arrives_as_it_was_written(helm: Helm, tmp_path: Path) -> None:
    text = 'reasons = 5\n\n[targets.purchase]\nhorizon = "14 d" # two weeks\n'
    pod = pod_of(helm, config=text)
    arrived = helm.kind("ConfigMap", config=text)["data"]["clickscore.toml"]
    assert tomllib.loads(arrived) == tomllib.loads(text)
    (tmp_path / "clickscore.toml").write_text(arrived)
    given = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    given["CLICKSCORE_ENDPOINT__TOKEN"] = "from-the-secret-of-the-release"
    given["CLICKSCORE_CONFIG"] = str(tmp_path / "clickscore.toml") if given["CLICKSCORE_CONFIG"] == "/etc/clickscore/clickscore.toml" else ""
    settings = load(None, [], {}, environ=given).settings
    assert (settings.reasons, settings.kafka.bootstrap) == (5, "kafka:9092")
    assert not settings.endpoint.on_loopback  # Prometheus and the probes come from outside
    assert (tmp_path / "clickscore.toml").name in pod["containers"][0]["volumeMounts"][0]["mountPath"]


def test_a_change_of_the_configuration_or_of_a_secret_starts_workers_anew(helm: Helm) -> None:
    def sums(**values: Any) -> dict[str, str]:
        found: dict[str, str] = helm.kind("StatefulSet", **values)["spec"]["template"]["metadata"]["annotations"]
        return found

    assert sums()["checksum/config"] != sums(config="reasons = 5")["checksum/config"]
    assert sums()["checksum/secret"] != sums(secret=ALL_ON["secret"])["checksum/secret"]
    assert sums()["checksum/config"] == sums(secret=ALL_ON["secret"])["checksum/config"]


def test_secrets_come_as_variables_from_a_secret_and_stand_nowhere_else(helm: Helm) -> None:
    every = helm.manifests(**ALL_ON)
    packed = base64.b64encode(b"geheim").decode()
    assert [manifest["kind"] for manifest in every if packed in str(manifest) or "geheim" in str(manifest)] == ["Secret"]
    assert pod_of(helm, **ALL_ON)["containers"][0]["envFrom"] == [{"secretRef": {"name": "live-clickscore"}}]
    theirs = {"secret": {"existing": "kafka-login", "values": {"CLICKSCORE_KAFKA__SASL_PASSWORD": "geheim"}}}
    assert pod_of(helm, **theirs)["containers"][0]["envFrom"] == [{"secretRef": {"name": "kafka-login"}}]
    assert "Secret" not in {manifest["kind"] for manifest in helm.manifests(**theirs)}
    without = helm.template({**NEEDED, "secret": {"existing": "", "values": {"CLICKSCORE_KAFKA__SASL_PASSWORD": "geheim"}}})
    assert without.returncode != 0
    assert "CLICKSCORE_ENDPOINT__TOKEN" in without.stderr
    assert "geheim" not in without.stderr


def test_the_files_of_tls_can_be_read_by_the_worker_alone(helm: Helm) -> None:
    pod = pod_of(helm, tlsSecret="kafka-tls")
    assert next(volume for volume in pod["volumes"] if volume["name"] == "tls")["secret"] == {"secretName": "kafka-tls", "defaultMode": 0o440}
    assert {"name": "tls", "mountPath": "/etc/clickscore/tls", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    assert "tls" not in {volume["name"] for volume in pod_of(helm)["volumes"]}


def test_the_network_policy_lets_in_who_reads_and_out_to_names_and_brokers(helm: Helm) -> None:
    spec = helm.kind("NetworkPolicy", networkPolicy={"kafkaPorts": [9093]})["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": "http"}], "from": [{"podSelector": {}}]}]
    assert sorted(port["port"] for rule in spec["egress"] for port in rule["ports"]) == [53, 53, 9093]
    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert helm.kind("NetworkPolicy", networkPolicy={"allowFrom": monitoring})["spec"]["ingress"][0]["from"] == monitoring
    selected = spec["podSelector"]["matchLabels"]
    labels = helm.kind("StatefulSet", **ALL_ON)["spec"]["template"]["metadata"]["labels"]
    assert selected.items() <= labels.items()
    assert helm.kind("PodDisruptionBudget")["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": selected}}


def test_keda_scales_the_workers_by_their_own_lag(helm: Helm) -> None:
    scaled = helm.kind("ScaledObject", **ALL_ON)["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "live-clickscore"}
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "kafka"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())  # KEDA takes texts alone
    defaults = Settings()
    assert (trigger["metadata"]["topic"], trigger["metadata"]["consumerGroup"]) == (defaults.topics.events, defaults.service.group)
    assert trigger["metadata"]["bootstrapServers"] == "kafka:9092"
    assert trigger["authenticationRef"] == {"name": "kafka-login"}
    assert "replicas" not in helm.kind("StatefulSet", **ALL_ON)["spec"]  # two hands on one number
    assert helm.kind("StatefulSet", replicas=5)["spec"]["replicas"] == 5


def test_the_operators_of_prometheus_find_workers_and_rules(helm: Helm) -> None:
    monitor = helm.kind("ServiceMonitor", **ALL_ON)
    token = {"name": "live-clickscore", "key": "CLICKSCORE_ENDPOINT__TOKEN"}
    assert monitor["spec"]["endpoints"][0]["authorization"] == {"type": "Bearer", "credentials": token}
    assert token["key"] in helm.kind("Secret", **ALL_ON)["data"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= helm.kind("Service")["metadata"]["labels"].items()
    assert helm.kind("Service")["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "clickscore"  # the job that the rules name
    services = [manifest for manifest in helm.manifests(**ALL_ON) if manifest["kind"] == "Service"]
    assert [monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items() for service in services] == [True, True]
    rules = helm.kind("PrometheusRule", **ALL_ON)["spec"]["groups"]
    pages = {rule["annotations"]["runbook_url"].rpartition("/")[0] for group in rules for rule in group["rules"] if "alert" in rule}
    assert pages == {"https://wiki.example/runbooks"}


def test_topics_are_made_as_asked_before_anybody_works(helm: Helm) -> None:
    job = helm.kind("Job", topics={"create": True, "partitions": 24, "replication": 2})
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["topics", "create", "--partitions", "24", "--replication", "2"]
    assert job["metadata"]["name"].endswith("-topics-1")  # a Job cannot be changed: each revision has its own
    worker = helm.kind("StatefulSet")["spec"]["selector"]["matchLabels"]
    assert not worker.items() <= job["spec"]["template"]["metadata"]["labels"].items()
