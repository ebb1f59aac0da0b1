"""A sequential test for drift with a stated rate of false alarms.

Each forecast gives every series two figures: the mean of its errors, and the logarithm of their mean size, both over
the steps up to the next forecast, in units of the interval. A figure is compared with the earlier ones of its series:
its probability under Student's t-distribution with their mean and variance, as a standard normal score. Where nothing
changed, the scores are independent and normal, however few the earlier figures are. Errors of one forecast are
correlated between steps, so they are one figure; errors of series are correlated, so scores are never added up.

The test is a Shiryaev–Roberts e-detector: R ← (R + w) · e for every series and every kind of change, where e is the
likelihood ratio of the score between a shifted and a standard normal distribution, and the weights w of one forecast
sum to 1. While nothing changes, the expectation of ΣR grows by 1 at most with every forecast, whatever the dependence
between series. So the probability that ΣR reaches A within N forecasts is N / A at most (Doob's inequality), and an
alarm at A = N / α has the false-alarm rate α. No correction for the number of series is needed on top of it: the
weights are that.

Sources: Shin, Ramdas, Rinaldo 2023, E-detectors: A Nonparametric Framework for Sequential Change Detection; Smyth 2004,
Linear Models and Empirical Bayes Methods, for the variances of many series from few figures each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

    Figures = Float[np.ndarray, "n 2"]
    """Mean error and size of errors of each series; NaN where unknown."""

MEAN, SIZE = 0, 1
"""The two figures of a series."""

_SHIFTS = ((1.0, 2.0, 4.0, -1.0, -2.0, -4.0), (1.0, 2.0, 3.0))
"""Changes of the scores that the test looks for, by figure: errors of either sign, and larger errors."""
_KIND_WEIGHTS = (0.7, 0.3)  # of changes in the mean error, and of changes in the size of errors
_COMMON_WEIGHT = 0.5  # of changes of all series together
_MAX_SCORE = 4.5  # so that no single forecast is an alarm
_ALLOWANCE = 1.1  # of the spread: tails are heavier than those of a normal distribution
_CORRELATION = 0.3  # of the figures of successive forecasts, before any is seen
_CORRELATION_COUNT = 4.0  # figures that the correlation which series share counts as
_MAX_CORRELATION = 0.8
_MAX_LAGGED = 2.5  # spreads; larger figures count as this
_NEW_SPREAD = 2.0  # of the figures of a new series, in spreads of the others
_PRIOR_COUNT = 1.0  # figures that the expectation of no mean error counts as
_MIN_FREEDOM, _MAX_FREEDOM = 4.0, 30.0  # degrees of freedom of the variance that series share
_TINY_FREEDOM = 0.05


@dataclass
class FigureHistory:
    """What is observed of one figure of some streams: the parameters of a normal-inverse-gamma distribution, (n,) each.

    Attributes:
        mean: of the figures.
        count: number of figures in the mean.
        squares: sum of squares around it.
        freedom: number of figures in the sum of squares.
        max_correlation: of successive figures, at most.
    """

    mean: np.ndarray
    count: np.ndarray
    squares: np.ndarray
    freedom: np.ndarray
    max_correlation: float = 0.0

    def __post_init__(self) -> None:
        self.last = np.full(len(self.mean), np.nan)
        self.products, self.lagged = np.zeros((2, len(self.mean)))  # of successive figures, in spreads

    def expected(self) -> Float[np.ndarray, "n"]:
        """Return the expected next figures: errors of successive forecasts are correlated."""
        shared = (self.products.sum() + _CORRELATION * self.lagged.size) / (self.lagged.sum() + self.lagged.size)
        own = (self.products + _CORRELATION_COUNT * shared) / (self.lagged + _CORRELATION_COUNT)
        return self.mean + np.clip(own, 0.0, self.max_correlation) * np.nan_to_num(self.last - self.mean)

    def scores(self, figures: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Return new figures as normal scores, NaN where unknown."""
        from scipy.special import ndtri, stdtr

        spread = _ALLOWANCE * np.sqrt(self.squares / self.freedom * (1 + 1 / self.count))
        distance = (figures - self.expected()) / np.maximum(spread, 1e-12)
        tails = stdtr(self.freedom, -np.abs(distance))
        return np.sign(distance) * np.minimum(-ndtri(np.maximum(tails, 1e-300)), _MAX_SCORE)

    def add(self, figures: Float[np.ndarray, "n"]) -> None:
        """Take figures into account; NaN changes nothing."""
        observed = np.isfinite(figures)
        gap = np.where(observed, figures - self.mean, 0.0)
        spread = np.maximum(np.sqrt(self.squares / self.freedom), 1e-12)
        last = np.where(observed, np.nan_to_num(self.last - self.mean), 0.0)
        now, before = (np.clip(x / spread, -_MAX_LAGGED, _MAX_LAGGED) for x in (gap, last))
        self.products, self.lagged = self.products + now * before, self.lagged + before**2
        self.last = np.where(observed, figures, self.last)
        self.squares = self.squares + gap**2 * self.count / (self.count + 1)
        self.mean = self.mean + gap / (self.count + 1)
        self.count, self.freedom = self.count + observed, self.freedom + observed

    def append(self, size: int) -> None:
        """Add streams without figures of their own, which the first ones of theirs are to replace.

        A new series has a short history and is forecast worse than the others: it may err as much as its first figures
        say, and only then drift from these.
        """
        variance = _NEW_SPREAD**2 * float(np.median(self.squares / self.freedom))
        start = {
            "mean": float(np.median(self.mean)),
            "count": _PRIOR_COUNT,
            "squares": variance * _MIN_FREEDOM,
            "freedom": _MIN_FREEDOM,
        }
        start |= {"last": np.nan, "products": 0.0, "lagged": 0.0}
        for name, value in start.items():
            setattr(self, name, np.concatenate([getattr(self, name), np.full(size, value)]))


def history_of(figures: Float[np.ndarray, "R n"], blocks: float, centre: float) -> FigureHistory:
    """Return what held-out forecasts say of one figure of all series together, and of each series.

    Variances of series are averaged with the variance that all series share, the more the less they differ.

    Args:
        figures: of each origin and stream, of which the first one is of all series; NaN where unknown. Origins may
            overlap.
        blocks: number of origins without overlap.
        centre: the expected figure.
    """
    observed = np.isfinite(figures)
    share = observed.mean(0) if len(figures) else np.zeros(figures.shape[1])
    count = np.maximum(share * blocks, 0.0)
    total = np.maximum(observed.sum(0), 1)
    own_mean = np.where(count > 0, np.where(observed, figures, 0.0).sum(0) / total, centre)
    variance = np.where(observed, (figures - own_mean) ** 2, 0.0).sum(0) / total
    freedom = np.maximum(count - 1, 0.0)
    unbiased = variance * np.where(freedom > 0, count / np.maximum(freedom, 1e-9), 0.0)
    shared, prior = _shared_variance(unbiased[1:], freedom[1:])
    mean = (count * own_mean + _PRIOR_COUNT * centre) / (count + _PRIOR_COUNT)
    squares = prior * shared + freedom * unbiased
    squares = squares + count * _PRIOR_COUNT / (count + _PRIOR_COUNT) * (own_mean - centre) ** 2
    return FigureHistory(mean, count + _PRIOR_COUNT, squares, prior + freedom + (count > 0))


def _shared_variance(variances: Float[np.ndarray, "n"], freedom: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """Return the variance that series share, and how many figures it counts as.

    Source: Smyth 2004, section 6.2, with the spread of the logarithms of the variances as the estimate.
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    valid = (freedom > 0) & (variances > 0)
    if not valid.any():
        return 1.0, _MIN_FREEDOM
    weights = freedom[valid]
    shared = float((weights * variances[valid]).sum() / weights.sum())
    if valid.sum() < 2:  # the variance of the only series is counted with its own figures
        return shared, _TINY_FREEDOM
    chance = float(polygamma(1, np.maximum(weights / 2, 0.25)).mean())
    excess = float(np.log(variances[valid]).var(ddof=1)) - chance
    if excess <= float(polygamma(1, _MAX_FREEDOM / 2)):
        return shared, _MAX_FREEDOM
    if excess >= float(polygamma(1, _MIN_FREEDOM / 2)):
        return shared, _MIN_FREEDOM
    root: Any = brentq(lambda x: polygamma(1, x) - excess, _MIN_FREEDOM / 2, _MAX_FREEDOM / 2)
    return shared, 2 * float(root)


@dataclass
class DriftTest:
    """The state of the test of all series, and of all series together in the first place.

    Attributes:
        histories: of each figure, of all series together and of each series: (1 + n,).
        evidence: R of each stream and each change: (1 + n, K).
    """

    histories: tuple[FigureHistory, FigureHistory]
    evidence: Float[np.ndarray, "streams K"]

    @classmethod
    def of(cls, figures: Float[np.ndarray, "R n 2"], blocks: float) -> DriftTest:
        """Start a test from the figures of held-out forecasts.

        Args:
            figures: of each origin and series, NaN where unknown.
            blocks: number of origins without overlap.
        """
        streams = np.concatenate([_common(figures), figures], axis=1)
        centres = (0.0, _centre(figures[..., SIZE]))
        histories = [history_of(streams[..., kind], blocks, centre) for kind, centre in enumerate(centres)]
        histories[MEAN].max_correlation = _MAX_CORRELATION
        for history in histories:  # as if all series moved as one, until their mean is observed to vary less
            history.squares[0] += history.freedom[1:].min() * float(
                np.median(history.squares[1:] / history.freedom[1:])
            )
            history.freedom[0] += history.freedom[1:].min()
        kinds = sum(map(len, _SHIFTS))
        return cls((histories[0], histories[1]), np.zeros((1 + figures.shape[1], kinds)))

    @property
    def total(self) -> float:
        """ΣR, to be compared with the threshold."""
        return float(self.evidence.sum())

    def add(self, figures: Figures) -> None:
        """Take the figures of one forecast into account.

        Args:
            figures: of each series; more series than before are new ones.
        """
        new = len(figures) + 1 - len(self.evidence)
        if new:
            for history in self.histories:
                history.append(new)
            self.evidence = np.concatenate([self.evidence, np.zeros((new, self.evidence.shape[1]))])
        streams = np.concatenate([_common(figures[None])[0], figures])
        observed = np.asarray(np.isfinite(streams).all(axis=1))
        weights = np.where(observed, (1 - _COMMON_WEIGHT) / max(int(observed[1:].sum()), 1), 0.0)
        weights[0] = _COMMON_WEIGHT * observed[0]
        ratios = []
        for history, column, shifts, weight in zip(self.histories, streams.T, _SHIFTS, _KIND_WEIGHTS, strict=True):
            scores = history.scores(np.where(observed, column, np.nan))[:, None]
            ratios.append((np.exp(np.array(shifts) * scores - np.array(shifts) ** 2 / 2), weight / len(shifts)))
            history.add(np.where(observed, column, np.nan))
        injected = weights[:, None] * np.concatenate([np.full(r.shape[1], share) for r, share in ratios])
        likelihood = np.concatenate([ratio for ratio, _ in ratios], axis=1)
        self.evidence = np.where(observed[:, None], (self.evidence + injected) * likelihood, self.evidence)


def _common(figures: Float[np.ndarray, "R n 2"]) -> Float[np.ndarray, "R 1 2"]:
    """Return the mean figures of all series, NaN where no series has any."""
    observed = np.isfinite(figures)
    return (np.where(observed, figures, 0.0).sum(1) / np.where(observed.any(1), observed.sum(1), np.nan))[:, None]


def _centre(sizes: Any) -> float:
    return float(np.median(sizes[np.isfinite(sizes)])) if np.isfinite(sizes).any() else -0.8
