"""Delivery: fired triggers go to destinations over HTTP, at least once, each under an id that stays the same.

A trigger passes through the folders in this order; `courier.py` calls them, one courier for each destination:
`reading` (the record, its place in the user's line, the positions) -> `pacing` (rate, circuit breaker, pauses) -> `request` (body, headers, signature)
-> `sending` (the address that may be called, the exchange, what the answer means).
"""
