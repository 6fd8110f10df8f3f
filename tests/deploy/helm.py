"""The chart as helm renders it. Values and manifests pass between us and helm as JSON, which is YAML too, so that no YAML library is needed."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "clickscore"
NEEDED: Mapping[str, Any] = {"kafka": {"bootstrap": "kafka:9092"}, "secret": {"existing": "clickscore"}}
# helm reads the manifests with its own YAML reader and says them again as JSON, one a line.
AS_JSON = '{{ range splitList "\\n---\\n" .Values.rendered }}{{ with fromYaml . }}{{ toJson . }}\n{{ end }}{{ end }}'


class Helm:
    """A helm program, and a folder to work in."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._rendered: dict[str, list[dict[str, Any]]] = {}
        self._reader = folder / "reader"
        (self._reader / "templates").mkdir(parents=True)
        (self._reader / "Chart.yaml").write_text('{"apiVersion": "v2", "name": "reader", "version": "0.0.0"}')
        (self._reader / "templates" / "all.yaml").write_text(AS_JSON)

    def run(self, *arguments: str | Path, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """One command of helm; nothing of it reaches a cluster."""
        given: list[str | Path] = []
        if values is not None:
            (self._folder / "values.json").write_text(json.dumps(values))
            given = ["--values", self._folder / "values.json"]
        environment = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin"}
        return subprocess.run([self._program, *arguments, *given], env=environment, capture_output=True, text=True, check=False)

    def template(self, values: Mapping[str, Any], chart: Path = CHART) -> subprocess.CompletedProcess[str]:
        """`helm template`, as a release named "live" in a cluster of today."""
        return self.run("template", "live", chart, "--namespace", "shop", "--kube-version", "1.31.0", values=values)

    def manifests(self, **values: Any) -> list[dict[str, Any]]:
        """Everything that would be installed."""
        key = json.dumps(values, sort_keys=True)
        if key not in self._rendered:
            self._rendered[key] = self._render(values)
        return copy.deepcopy(self._rendered[key])

    def _render(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        rendered = self.template({**NEEDED, **values})
        assert rendered.returncode == 0, rendered.stderr
        said = self.template({"rendered": rendered.stdout.removeprefix("---\n")}, self._reader)
        assert said.returncode == 0, said.stderr
        return [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]

    def kind(self, kind: str, **values: Any) -> dict[str, Any]:
        """The one manifest of a kind."""
        (found,) = [manifest for manifest in self.manifests(**values) if manifest["kind"] == kind]
        return found


def find_helm(variable: str) -> Path | None:
    """HELM, else the helm on the PATH, else the one that `make helm` has built."""
    found = shutil.which(variable or "helm") or shutil.which(ROOT / ".venv" / "helm" / "helm")
    return Path(found) if found else None
