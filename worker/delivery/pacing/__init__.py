"""When the next request may go: rate, circuit breaker, pauses, and how long to wait after a failure."""
