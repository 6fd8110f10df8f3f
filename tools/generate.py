"""Writes everything under deploy/ that follows from the code: rules, dashboards, permissions, topics. `python -m tools.generate`.

A test writes it anew and compares: what is committed is what the code says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tools.alerting.rules import RUNBOOKS, groups
from tools.dashboards.build import dashboards
from tools.kafka_access import acl_script, strimzi_users
from tools.kafka_topics import WITH_ERASURE, strimzi_topics
from tools.yaml_text import yaml_text

ROOT = Path(__file__).parents[1]
REMARK = "Written by `python -m tools.generate` from {source}: change that, not this."


def generated(runbooks: str = RUNBOOKS) -> Iterator[tuple[str, str]]:
    """Path under deploy/ and content of each file."""
    rules = yaml_text(groups(runbooks=runbooks), REMARK.format(source="tools/alerting"))
    yield "prometheus/rules.yml", rules
    yield "helm/clickscore/files/rules.yml", rules  # a chart holds what it installs
    for name, content in dashboards():
        yield f"grafana/dashboards/{name}.json", content
    yield "kafka/acls.sh", acl_script(REMARK.format(source="tools/kafka_access.py"))
    yield "strimzi/users.yaml", strimzi_users(REMARK.format(source="tools/kafka_access.py"))
    yield "strimzi/topics.yaml", strimzi_topics(REMARK.format(source="worker/service/kafka_topics.py"))
    yield "strimzi/topics-with-erasure.yaml", strimzi_topics(REMARK.format(source="worker/service/kafka_topics.py"), WITH_ERASURE)


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runbooks", default=RUNBOOKS, metavar="URL", help="where the pages of docs/runbooks are served")
    for name, content in generated(parser.parse_args().runbooks):
        path = ROOT / "deploy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)


if __name__ == "__main__":
    main()
