"""Reports to render: a full one, one of nothing, and any that hypothesis can think of."""

from __future__ import annotations

from hypothesis import strategies as st

from worker.views.report import Report, TargetReport

PURCHASE = TargetReport(
    name="purchase",
    n=173_211,
    base_rate=0.0142,
    log_loss=0.02816,
    baseline_log_loss=0.0511,
    calibration_ratio=1.012,
    ece=0.0011,
    auc=0.9392,
    calibration=((0.0012, 0.0, 900), (0.011, 0.012, 4_100), (0.32, 0.29, 310)),
    histogram=((0.0, 0.001, 10), (0.001, 0.01, 5_321), (0.01, 0.1, 900), (0.1, 1.0, 44)),
    log_loss_by_day=(
        ("2025-03-01", 0.041, 0.049, 800),
        ("2025-03-02", 0.031, 0.05, 900),
        ("2025-03-03", float("nan"), float("nan"), 0),
        ("2025-03-04", 0.028, 0.052, 870),
    ),
    strongest_bins=(("session.add_to_cart 1", 1.42), ("medium email", 0.4), ("recency 7–10 d", -0.52)),
    examples=172_000,
    says="a purchase within 7 days",
)
FULL = Report(
    title="shop.jsonl.gz",
    events=2_234_567,
    users=269_512,
    examples=743_912,
    dead_letters=(("missing_field", 155), ("not_finite", 26)),
    targets=(PURCHASE, TargetReport("churn", 9, 0.85, 0.33, 0.39)),
    from_ms=1_604_188_800_000,
    to_ms=1_610_841_600_000,
    counts=(("late events dropped", 12),),
    made_by="clickscore 0.1.0",
)
NOTHING = Report("nothing.jsonl", 0, 0, 0)

numbers = st.floats(allow_nan=True, allow_infinity=True)
shares = st.floats(0, 1) | st.just(float("nan"))
counts = st.integers(0, 10**12)
texts = st.text(max_size=30) | st.sampled_from(["<script>alert(1)</script>", "]]>", "&amp;", '"><img src=x onerror=y>', "\x00\x1b[31m", "\ud800", "{}%s"])
targets = st.builds(
    TargetReport,
    name=texts,
    n=counts,
    base_rate=shares,
    log_loss=numbers,
    baseline_log_loss=numbers,
    calibration_ratio=numbers,
    ece=numbers,
    auc=numbers,
    calibration=st.lists(st.tuples(shares, shares, counts), max_size=6).map(tuple),
    histogram=st.lists(st.tuples(shares, shares, counts), max_size=6).map(tuple),
    log_loss_by_day=st.lists(st.tuples(texts, numbers, numbers, counts), max_size=6).map(tuple),
    strongest_bins=st.lists(st.tuples(texts, numbers), max_size=6).map(tuple),
    examples=counts,
    says=texts,
)
reports = st.builds(
    Report,
    title=texts,
    events=counts,
    users=counts,
    examples=counts,
    dead_letters=st.lists(st.tuples(texts, counts), max_size=5).map(tuple),
    targets=st.lists(targets, max_size=3).map(tuple),
    from_ms=st.none() | st.integers(0, 4_000_000_000_000),
    to_ms=st.none() | st.integers(0, 4_000_000_000_000),
    counts=st.lists(st.tuples(texts, counts), max_size=3).map(tuple),
    made_by=texts,
)
