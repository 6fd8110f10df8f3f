"""Whether the arms have the sizes that they should: where they do not, something but chance has moved users, and no effect can be believed.

A sequential multinomial test: Lindon, Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022, arXiv 2011.03567). The likelihood of the
counts under a Dirichlet mixture of shares about the intended ones, over their likelihood under these, is a martingale as long as they hold: the chance that
it ever reaches 1 / alpha is at most alpha, however often it is looked at. Exact, without a beginning.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CONCENTRATION = 1_000.0  # users' worth of belief in the intended shares: how far from them a mismatch is looked for
ALARM = 0.001  # a p-value below this is told as a mismatch

_lgamma = np.frompyfunc(math.lgamma, 1, 1)


def p_value(treated: ArrayLike, holdout: ArrayLike, share: float) -> Floats:
    """The always-valid p-value of `holdout` among all users assigned, where a share of `share` is intended, in (0, 1); counts are numbers or arrays."""
    n, m = np.asarray(treated, dtype=np.float64), np.asarray(holdout, dtype=np.float64)
    a, b = CONCENTRATION * (1.0 - share), CONCENTRATION * share
    mixture = _log_beta(a + n, b + m) - _log_beta(a, b)
    return np.asarray(np.exp(np.minimum(n * math.log1p(-share) + m * math.log(share) - mixture, 0.0)))


def _log_beta(a: ArrayLike, b: ArrayLike) -> Floats:
    return np.asarray(_lgamma(a) + _lgamma(b) - _lgamma(np.add(a, b)), dtype=np.float64)
