from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log.forms import EMBEDDED, FORMS, File, Form, Kafka, Memory
from worker.log.contract import Log, Topic


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    if request.param in EMBEDDED:
        form: Form = EMBEDDED[request.param](tmp_path)
    else:
        bootstrap, fresh_name = request.getfixturevalue("bootstrap"), request.getfixturevalue("fresh_name")
        form = Kafka(bootstrap, request.param, fresh_name("t"))
    yield form
    form.close()


@pytest.fixture
def log(form: Form) -> Log:
    """A log with four input partitions, two output partitions and a compacted topic."""
    log = form.open()
    log.create([Topic("in", 4), Topic("out", 2), Topic("state", 2, "compact")])
    return log


@pytest.fixture
def other(form: Form) -> Log:
    """Another handle on the same log."""
    return form.open()


@pytest.fixture(params=EMBEDDED)
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory | File]:
    form = EMBEDDED[request.param](tmp_path)
    form.open().create([Topic("in", 4), Topic("out", 2), Topic("state", 2, "compact")])
    yield form
    form.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    file = File(tmp_path)
    file.open().create([Topic("in", 4), Topic("out", 2), Topic("state", 2, "compact")])
    yield file
    file.close()
