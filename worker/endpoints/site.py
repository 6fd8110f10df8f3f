"""Which path is answered how, and for whom."""

from __future__ import annotations

import gzip
import platform
from collections.abc import Callable
from importlib.resources import files

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from worker import __version__
from worker.endpoints.access import Access
from worker.endpoints.probes import alive, ready
from worker.endpoints.requests import Refused, Request
from worker.endpoints.server import Answer
from worker.endpoints.status import Status
from worker.service.watch import Watch
from worker.settings import Settings

JSON = "application/json"
# The page: path, file, type. Nothing else can be asked for, so that no path leads anywhere in the file system.
PAGE = (
    ("/", "page.html", "text/html; charset=utf-8"),
    ("/page.css", "page.css", "text/css; charset=utf-8"),
    ("/page.js", "page.js", "text/javascript; charset=utf-8"),
    ("/charts.js", "charts.js", "text/javascript; charset=utf-8"),
    ("/icon.svg", "icon.svg", "image/svg+xml"),
)
LEAST_PACKED = 1_000  # bytes: what is shorter does not get shorter
Build = Callable[[Request], Answer]


class Site:
    """Answers requests. For the endpoint's thread."""

    def __init__(self, settings: Settings, access: Access, registry: CollectorRegistry, watch: Watch, status: Status) -> None:
        self._settings = settings
        self._access = access
        self._registry = registry
        self._watch = watch
        self._status = status
        self._probes: dict[str, Build] = {"/livez": self._livez, "/readyz": self._readyz}
        self._closed: dict[str, Build] = {"/metrics": self._metrics, "/version": self._version, "/status": self._state}
        for path, file, kind in PAGE:
            self._closed[path] = _fixed(files("worker.endpoints").joinpath("page", file).read_bytes(), kind)

    def respond(self, request: Request, certified: bool) -> Answer:
        """The answer to a request. Raises Refused."""
        if probe := self._probes.get(request.path):
            return probe(request)
        if (refusal := self._access.refusal(request, certified)) is not None:
            return refusal
        build = self._closed.get(request.path)
        if build is None:
            raise Refused(404, f"there is nothing here; there is {', '.join([*self._probes, '/metrics', '/version'])} and /, the page")
        return build(request)

    def _livez(self, _: Request) -> Answer:
        state = alive(self._watch, self._settings.endpoint.stalled_after_ms / 1000)
        return Answer(200 if state["alive"] else 503, orjson.dumps(state), JSON)

    def _readyz(self, _: Request) -> Answer:
        state = ready(self._watch, self._settings)
        return Answer(200 if state["ready"] else 503, orjson.dumps(state), JSON)

    def _version(self, _: Request) -> Answer:
        return Answer(200, orjson.dumps({"version": __version__, "python": platform.python_version()}), JSON)

    def _state(self, request: Request) -> Answer:
        return packed(request, self._status.encoded(), JSON)

    def _metrics(self, request: Request) -> Answer:
        encoder, kind = choose_encoder(request.fields.get("accept", ""))
        return packed(request, encoder(self._registry), kind)


def packed(request: Request, body: bytes, content_type: str) -> Answer:
    """An answer, with gzip where the client takes it and it helps."""
    if len(body) >= LEAST_PACKED and gzip_accepted(request.fields.get("accept-encoding", "")):
        return Answer(200, gzip.compress(body, 5), content_type, (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding, Accept")))
    return Answer(200, body, content_type, (("Vary", "Accept-Encoding, Accept"),))


def _fixed(body: bytes, content_type: str) -> Build:
    return lambda request: packed(request, body, content_type)
