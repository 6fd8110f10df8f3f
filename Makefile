# Every target sets up what it needs in .venv, inside the project, and is done at once when nothing changed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules

VENV := .venv
PY := $(VENV)/bin/python
TEST_PROCESSES := 3 # most Kafka tests wait; a file stays in one process, as each process has a broker of its own: tests/distribution.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo demo-kafka test faults check bench docs lock drill audit sbom helm clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run-ready ## live scores of a synthetic shop, in this terminal
	@$(VENV)/bin/clickscore demo

demo-kafka: $(VENV)/.run-ready ## the same shop on a real Kafka broker; a worker is killed and replaced, and everything counted
	@$(VENV)/bin/clickscore demo --kafka

test: $(VENV)/.test-ready ## all tests, in three processes; fails below 95 % line coverage of worker/core; PYTEST_ARGS="-n 0 tests/core" runs a part in one
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-fail-under=95 $(PYTEST_ARGS)

faults: $(VENV)/.test-ready ## every fault of docs/faults.md on a real Kafka, some 20 min; CASES=zombie runs a part, FAULT_SEED=7 repeats
	@$(PY) -m tests.faults.matrix

check: $(VENV)/.test-ready ## formatting, lint and types
	@failed=0; \
	$(PY) -m ruff format --check . || failed=1; \
	$(PY) -m ruff check . || failed=1; \
	$(PY) -m mypy worker tests $(wildcard bench tools) || failed=1; \
	exit $$failed

bench: $(VENV)/.run-ready ## how fast it is on this machine
	@$(PY) -m bench

docs: $(VENV)/.run-ready ## write what is generated from the code: pages of docs, rules, dashboards and resources of deploy
	@mkdir -p docs
	@$(PY) -m worker.configuration.reference > docs/configuration.md.new
	@mv docs/configuration.md.new docs/configuration.md
	@$(PY) -m worker.service.telemetry.reference > docs/telemetry.md.new
	@mv docs/telemetry.md.new docs/telemetry.md
	@$(PY) -m tools.generate

lock: ## pin the newest allowed versions of what is depended on (needs uv)
	@command -v uv > /dev/null || { echo "make lock needs uv on the PATH: install it with 'pip install uv'" >&2; exit 1; }
	@pin="uv pip compile pyproject.toml requirements/build.in --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-config"; \
	$$pin --output-file requirements/run.txt; \
	$$pin --extra dev --constraint requirements/run.txt --output-file requirements/test.txt; \
	uv pip compile requirements/audit.in --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-config --output-file requirements/audit.txt

drill: $(VENV)/.run-ready ## provoke every alert for real on a Kafka and a Prometheus of its own, and write docs/drill.md; ONLY=Dead tries a part
	@$(PY) -m tools.drill $(if $(ONLY),--only '$(ONLY)')

audit: $(VENV)/audit/.ready ## ask whether what clickscore runs on has known holes; fails where nobody can be asked
	@$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/run.txt

sbom: $(VENV)/audit/.ready ## list what clickscore runs on in build/sbom.json (CycloneDX)
	@mkdir -p build
	@PYTHONWARNINGS=ignore $(VENV)/audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON -o build/sbom.json requirements/run.txt
	@echo "wrote build/sbom.json"

# The tools of audit and sbom stay out of the environment that they judge.
$(VENV)/audit/.ready: requirements/audit.txt | $(PY)
	@$(PY) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --require-hashes -r requirements/audit.txt
	@touch $@

helm: $(VENV)/helm/helm ## build Helm with Go, for the tests of the chart (some minutes)

$(VENV)/helm/helm: | $(PY)
	@command -v go > /dev/null || { echo "make helm needs Go on the PATH, or put a helm on the PATH yourself" >&2; exit 1; }
	@GOBIN=$(CURDIR)/$(VENV)/helm GOFLAGS=-mod=mod go install helm.sh/helm/v3/cmd/helm@v3.22.0

clean: ## remove what the other targets made
	@rm -rf $(VENV) build clickscore.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

# The stamps below stand for "installed as pinned"; a change of a requirement file or of pyproject.toml makes them old.
INSTALL = $(PY) -m pip install --quiet

$(VENV)/.run-ready: requirements/run.txt pyproject.toml | $(PY)
	@echo "installing what clickscore runs on into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements/run.txt
	@$(INSTALL) --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@

# The test set holds the run set in the same versions.
$(VENV)/.test-ready: requirements/test.txt requirements/run.txt pyproject.toml | $(PY)
	@echo "installing what the tests and checks need into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements/test.txt
	@$(INSTALL) --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@ $(VENV)/.run-ready

# PYTHON=… names the interpreter; without it the first fitting one on the PATH is taken.
$(PY):
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	  if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2> /dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "clickscore needs Python 3.11, 3.12 or 3.13: none of $(or $(PYTHON),python3, python3.13, python3.12, python3.11) on the PATH is one." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2> /dev/null; then \
	  echo "$$found cannot make virtual environments: its modules venv and ensurepip are missing." >&2; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	rm -rf $(VENV); "$$found" -m venv $(VENV)
