"""What happened to triggers on their way to destinations: a part of happenings.py, by the same rules. Each destination tells from a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable

from worker.service.clock import Clock
from worker.service.telemetry.logging import Logger, place_of
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.specification import ANSWERS, FATES, METRICS
from worker.service.watch import Watch

CIRCUIT_STATES = ("closed", "half_open", "open")
BY_DESTINATION = tuple(spec.name for spec in METRICS if spec.labels == ("destination",))


class Expiring:
    """How much of its time the undecided trigger that expires first has used; it grows while nobody says otherwise, also when the thread hangs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.span_ms: tuple[int, int] | None = None  # from when it fired to when it expires, Unix time

    def __call__(self) -> float:
        """As of now, from 0 to 1."""
        if self.span_ms is None:
            return 0.0
        fired_ms, expires_ms = self.span_ms
        return min(1.0, max(0.0, (self._clock.now_ms() - fired_ms) / max(1, expires_ms - fired_ms)))


class DeliveryHappenings:
    """Happenings of delivery; what they need is Happenings' own."""

    _log: Logger
    _metrics: Metrics
    _clock: Clock
    _watch: Watch
    _expiring: dict[str, Expiring]
    _failing: set[str]

    def destinations_known(self, destinations: Iterable[str]) -> None:
        """The configuration enables these destinations; who delivers to them is another matter."""
        for name in destinations:
            self._metrics.set("destination_enabled", 1, name)

    def destination_opened(self, destination: str, form: str, rules: Iterable[str]) -> None:
        """A destination is about to be delivered to: its metrics begin at zero, before any thread of it runs."""
        for fate in FATES:
            self._metrics.begin("deliveries_total", destination, fate)
        for answer in ANSWERS:
            self._metrics.begin("delivery_request_duration_seconds", destination, answer)
        for name in BY_DESTINATION:
            self._metrics.begin(name, destination)
        self.destinations_known([destination])
        self._metrics.set("delivery_last_progress_timestamp_seconds", self._clock.now_ms() / 1000, destination)
        self._expiring[destination] = Expiring(self._clock)
        self._metrics.follow("delivery_nearest_expiry_ratio", self._expiring[destination], destination)
        self._watch.destination_left(destination, "its thread has not come round yet")
        self._log.info("destination opened", destination=destination, form=form, rules=list(rules) or "all")

    def triggers_delivered(self, destination: str, fired_ms: Iterable[int]) -> None:
        """A destination took triggers, that fired at these Unix times."""
        now_ms = self._clock.now_ms()
        for at_ms in fired_ms:
            self._metrics.add("deliveries_total", 1, destination, "delivered")
            self._metrics.observe_one("delivery_delay_seconds", max(0.0, (now_ms - at_ms) / 1000), destination)

    def trigger_undelivered(self, destination: str, fate: str, detail: str, trigger_id: str) -> None:
        """A trigger will not be delivered; it becomes a dead letter."""
        self._metrics.add("deliveries_total", 1, destination, fate)
        self._log.warning("trigger not delivered", destination=destination, fate=fate, detail=detail, trigger_id=trigger_id)

    def trigger_erased(self, destination: str) -> None:
        """A trigger will not be sent any more, nor become a dead letter: its user was erased. Which one, nothing says."""
        self._metrics.add("deliveries_total", 1, destination, "erased")
        self._log.info("trigger of an erased user dropped", destination=destination, fate="erased")

    def request_answered(self, destination: str, answer: str, took_s: float) -> None:
        """A request came back, or will not: what its answer meant."""
        self._metrics.observe_one("delivery_request_duration_seconds", took_s, destination, answer)

    def delivery_put_off(self, destination: str, why: str, triggers: int) -> None:
        """A request failed; what it carried waits for another try."""
        self._metrics.add("delivery_retries_total", 1, destination)
        self._log.info("delivery put off", destination=destination, why=why, triggers=triggers)

    def circuit_changed(self, destination: str, state: str, why: str) -> None:
        """The circuit breaker of a destination has opened, lets one request through, or has closed."""
        self._metrics.set("delivery_circuit_state", CIRCUIT_STATES.index(state), destination)
        say = self._log.warning if state == "open" else self._log.info
        say("circuit " + state.replace("_", "-"), destination=destination, why=why)

    def deliveries_progressed(self, destination: str, triggers: int, unread: int, first_to_expire: tuple[int, int] | None) -> None:
        """A destination's thread has come round: so many triggers are not decided yet, so many offsets not read; when the one that expires first fired,
        and expires (Unix time). As long as it has not proved itself after a failure, that is no progress.
        """
        self._metrics.set("delivery_queue_records", triggers, destination)
        self._metrics.set("delivery_lag_records", unread, destination)
        self._expiring[destination].span_ms = first_to_expire
        if destination not in self._failing:
            self._metrics.set("delivery_last_progress_timestamp_seconds", self._clock.now_ms() / 1000, destination)
            self._watch.destination_minded(destination)

    def destination_failed(self, destination: str, error: Exception, again_in_s: float) -> None:
        """A fault of the program ended what looked after a destination; it begins anew. The error's text may be anything, and stays out."""
        self._failing.add(destination)
        self._metrics.add("delivery_failures_total", 1, destination)
        self._watch.destination_left(destination, f"ended by {type(error).__name__} ({place_of(error)}), and begun anew")
        self._log.error("destination failed", destination=destination, error=type(error).__name__, at=place_of(error), again_in_s=round(again_in_s, 1))

    def destination_proved(self, destination: str) -> None:
        """What was begun anew has worked for a while."""
        self._failing.discard(destination)
        self._log.info("destination works again", destination=destination)

    def destination_silent(self, destination: str, silent_s: float, at: str) -> None:
        """A destination's thread has given no sign of life for a while; where it is."""
        self._watch.destination_left(destination, f"its thread has given no sign of life for {silent_s:.0f} s, at {at}")
        self._log.warning("destination silent", destination=destination, silent_s=round(silent_s), at=at)

    def secret_changed(self, destination: str) -> None:
        """A secret was read anew from its file, which had changed."""
        self._log.info("secret read anew", destination=destination)

    def secret_unusable(self, destination: str, error: Exception) -> None:
        """The file of a secret has changed and cannot be used; what it held before stays in force."""
        why = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
        self._log.error("secret unusable", destination=destination, error=why)
