"""Consent has three states and a way out: granted, denied, unknown (nothing was said yet), and unsubscribed. Only `granted` lets a trigger through."""

from __future__ import annotations

from typing import Literal

from worker.core.action.portraits.interests import DENIED, GRANTED, UNSUBSCRIBED

Consent = Literal["granted", "denied", "unsubscribed", "unknown"]

_OF_CODE: dict[int, Consent] = {GRANTED: "granted", DENIED: "denied", UNSUBSCRIBED: "unsubscribed"}


def consent_of(code: float) -> Consent:
    """The consent behind the column interests.CONSENT."""
    return _OF_CODE.get(int(code), "unknown")
