"""The endpoint of one process, put together: all of its roles on one port."""

from __future__ import annotations

from worker.endpoints.access import Access, tls_context
from worker.endpoints.server import Limits, Server, listening
from worker.endpoints.site import Site
from worker.endpoints.status import Status
from worker.service.assembly import member_name
from worker.service.clock import Clock, SystemClock
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import place
from worker.service.watch import Watch
from worker.settings import Settings


class Endpoint:
    """Serves until it is closed. Raises PortTaken, AccessUnusable."""

    def __init__(
        self, settings: Settings, metrics: Metrics, watch: Watch, happened: Happenings, clock: Clock | None = None, limits: Limits | None = None
    ) -> None:
        access, tls = Access(settings.endpoint), tls_context(settings.endpoint)
        status = Status(settings, member_name(settings), place(settings), metrics.registry, watch, clock or SystemClock())
        site = Site(settings, access, metrics.registry, watch, status)
        listener = listening(settings.endpoint.host, settings.endpoint.port)
        self._server = Server(listener, site.respond, happened.endpoint_failed, status.history.keep, tls, limits)
        host = settings.endpoint.host
        self.port = self._server.port
        self.address = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host.strip('[]') and not host.startswith('[') else host}:{self.port}/"
        self._server.start()

    def close(self) -> None:
        """Free the port."""
        self._server.close()


def open_endpoint(settings: Settings, metrics: Metrics, watch: Watch, happened: Happenings) -> Endpoint:
    """What `clickscore run` serves."""
    return Endpoint(settings, metrics, watch, happened)
