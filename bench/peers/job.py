"""The job that every peer does, in as little Python as it takes: JSON in, state a user, 8 features, one River logistic regression, JSON out.

Written to the peers' advantage: the state is one short list, features are scaled by a logarithm instead of a scaler that learns, and the model learns
only when a user buys or comes back, some 5 in 100 events. There are no reasons, no calibration, no silence, no duplicates and no late events here.
The model is an object of the process in every peer: none has a place to keep it in, so a killed worker begins with an empty one.
"""
# mypy: ignore-errors
# Runs in the peers' own environments, where this project is not installed.

from math import log1p

import orjson
from river.linear_model import LogisticRegression

SESSION_GAP_MS = 1_800_000
KIND = {"view_item": 3, "add_to_cart": 4, "purchase": 5}
FIRST, LAST, TOTAL, IN_SESSION, PRICES, PRICE = 0, 1, 2, 6, 7, 8  # places in a user's state; 3 to 5 count the kinds

model = LogisticRegression()


def features(state, now_ms):
    """The 8 features of a user's state at an instant."""
    return {
        "recency": log1p((now_ms - state[LAST]) / 1000.0),
        "tenure": log1p((now_ms - state[FIRST]) / 1000.0),
        "events": log1p(state[TOTAL]),
        "views": log1p(state[3]),
        "carts": log1p(state[4]),
        "purchases": log1p(state[5]),
        "in_session": log1p(state[IN_SESSION]),
        "price": log1p(state[PRICE] / state[PRICES]) if state[PRICES] else 0.0,
    }


def score(state, event):
    """Take one event: returns the user's new state and the score's record. `state` is None for a new user."""
    now_ms = event["timestamp"]
    name = event["event"]
    if state is None:
        state = [now_ms, now_ms, 0, 0, 0, 0, 0, 0, 0.0]
    else:
        if name == "purchase":
            model.learn_one(features(state, now_ms), True)
        elif now_ms - state[LAST] > SESSION_GAP_MS:
            model.learn_one(features(state, now_ms), False)
        if now_ms - state[LAST] > SESSION_GAP_MS:
            state[IN_SESSION] = 0
    state[TOTAL] += 1
    state[IN_SESSION] += 1
    kind = KIND.get(name)
    if kind:
        state[kind] += 1
    price = event.get("price")
    if price is not None:
        state[PRICES] += 1
        state[PRICE] += price
    p = model.predict_proba_one(features(state, now_ms))[True]
    state[LAST] = now_ms
    return state, {"user_id": event["user_id"], "event_id": event["event_id"], "time_ms": now_ms, "p": p}


def score_bytes(state, value):
    """score() for bytes in and bytes out."""
    state, record = score(state, orjson.loads(value))
    return state, orjson.dumps(record)
