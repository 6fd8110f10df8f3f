"""Live states to draw: a full one, an empty one, and any that hypothesis can think of."""

from __future__ import annotations

from hypothesis import strategies as st

from worker.views.live_state import Band, Customer, LiveState, TargetState

MONDAY_MS = 1_740_960_000_000

FULL = LiveState(
    title="demo shop",
    shop_time_ms=MONDAY_MS,
    progress=0.4,
    events=212_400,
    events_per_s=14_532.4,
    latency_p50_ms=41.2,
    latency_p99_ms=88.4,
    users=9_812,
    dead_letters=(("missing_field", 55), ("not_finite", 25)),
    targets=(
        TargetState("purchase", 8_120, 0.1314, 0.1717, 1.02, (Band(0.003, 0.0031, 900), Band(0.04, 0.05, 400), Band(0.6, 0.55, 30))),
        TargetState("intent", 7_900, warming_up=True),
        TargetState("churn", 9_100, 0.5727, 0.6694, 1.31, (Band(0.3, 0.29, 900),)),
    ),
    buyers=tuple(Customer(f"u{number:06d}", 0.9 - number / 100, 24 - number, (("add_to_cart.1h 1–2", 0.83), ("country PL", -0.31))) for number in range(30)),
    quiet=tuple(Customer(f"u{number + 100:06d}", 0.8, 2.1, (("recency 3–5 d", 0.6),), "4 purchases, seen 3 d ago") for number in range(30)),
)
EMPTY = LiveState("demo shop", MONDAY_MS)

numbers = st.floats(allow_nan=True, allow_infinity=True)
shares = st.floats(0, 1) | st.just(float("nan"))
counts = st.integers(0, 10**12)
texts = st.text(max_size=40)
bands = st.lists(st.builds(Band, shares, shares, st.floats(0, 1e9)), max_size=14).map(tuple)
targets = st.builds(TargetState, texts, counts, numbers, numbers, numbers, bands, st.booleans())
reasons = st.lists(st.tuples(texts, st.floats(-20, 20)), max_size=5).map(tuple)
customers = st.lists(st.builds(Customer, texts, shares, numbers, reasons, texts), max_size=12).map(tuple)
states = st.builds(
    LiveState,
    title=texts,
    shop_time_ms=st.integers(0, 4_000_000_000_000),
    progress=shares,
    events=counts,
    events_per_s=numbers,
    latency_p50_ms=numbers,
    latency_p99_ms=numbers,
    users=counts,
    dead_letters=st.lists(st.tuples(texts, counts), max_size=9).map(tuple),
    targets=st.lists(targets, max_size=4).map(tuple),
    buyers=customers,
    quiet=customers,
    counts=st.lists(st.tuples(texts, counts), max_size=3).map(tuple),
)
