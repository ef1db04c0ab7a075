"""The null ratio p0: how often a healthy target may answer 400, learned from its clean history.

p0 is the 99% upper confidence bound (Clopper and Pearson, Biometrika 26, 1934) for `bad` 400s in `trials` logical
requests: the 0.99 quantile of Beta(bad + 1, trials - bad), never below a floor. The history begins with
`ASSUMED_CLEAN` good requests: without them the bound for no requests is 1, and no detector could alarm. Why 99% and not
95%: docs/adr/0003-detection.md.
"""

from math import exp, lgamma, log, log1p, sqrt
from typing import Final

__all__ = ["ASSUMED_CLEAN", "CONFIDENCE", "FLOOR", "HIGHEST", "null_ratio", "upper_bound"]

FLOOR: Final = 1e-4
HIGHEST: Final = 0.8
"""p0 is never above this: a target that normally answers 400 more often cannot be watched."""
ASSUMED_CLEAN: Final = 300
"""Good requests that a history begins with: p0 starts at 0.0152 and reaches the floor after 46,000 good ones."""
CONFIDENCE: Final = 0.99
_Z: Final = 2.3263478740408408
"""The 0.99 quantile of the normal distribution."""


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    fraction = d
    for m in range(1, 2_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        step = 1.0
        for numerator in (even, odd):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + numerator / c
            c = c if abs(c) > tiny else tiny
            step = d * c
            fraction *= step
        if abs(step - 1.0) < 1e-12:
            break
    return fraction


def _beta_cdf(a: float, b: float, x: float) -> float:
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def upper_bound(bad: int, trials: int) -> float:
    """The 0.99 quantile of Beta(bad + 1, trials - bad); 1 where all trials were bad or there were none.

    Examples
    --------
    >>> round(upper_bound(0, 46_050) * 1e4, 3)
    1.0
    """
    if bad >= trials:
        return 1.0
    a, b = bad + 1.0, float(trials - bad)
    log_scale = lgamma(a + b) - lgamma(a) - lgamma(b)
    low, high = bad / trials, 1.0
    # Wilson and Hilferty's cube is the first guess of Newton's method; the bracket [low, high] keeps it inside.
    x = min(a * (1.0 - 1.0 / (9.0 * a) + _Z / (3.0 * sqrt(a))) ** 3 / (a + b), 1.0 - 0.5 * b / (a + b))
    for _ in range(100):
        excess = _beta_cdf(a, b, x) - CONFIDENCE
        if excess < 0.0:
            low = x
        else:
            high = x
        if high - low <= 1e-12 * high:
            break
        density = exp(log_scale + (a - 1.0) * log(x) + (b - 1.0) * log1p(-x))
        following = x - excess / density if density > 0.0 else 0.0
        if abs(following - x) <= 1e-12 * x:
            break
        x = following if low < following < high else (low + high) / 2.0
    return x


def null_ratio(bad: int, trials: int, floor: float = FLOOR) -> float:
    """p0 after `trials` clean logical requests of which `bad` were 400s."""
    return min(max(floor, upper_bound(bad, trials + ASSUMED_CLEAN)), HIGHEST)
