"""Trials of a search, stored by optuna in memory or in an SQLite file from which a killed search continues.

Trials are drawn in rounds. Trials of a round do not depend on each other and may run in parallel: the first round is
random, and each later round, a quarter as large as all before it, is sampled given their scores. Each trial has its own
sampler, seeded by the seed of the search and the number of the trial, so the result does not depend on the number of
workers, on the order in which they finish, or on interruptions. One file holds many searches: each is named after a
digest of its data and settings, so a search never continues another one.

Source of the sampler: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, requires

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    SearchValues = Sequence[Any] | tuple[float, float]
    """Values of a setting: a list of choices, or a pair of the lowest and the highest number."""

_SECONDS = "seconds"
_SEEDS = 2**32
_RANDOM_TRIALS = 10


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes:
        number: 0 for the settings of the forecaster that was passed.
        settings: settings of the search space.
        score: error on the windows of the search, infinite where the training failed.
        seconds: duration.
    """

    number: int
    settings: dict[str, Any]
    score: float
    seconds: float


class SearchStudy:
    """The trials of one search, with the methods `ask` and `tell` of optuna; created by `open_study`.

    Args:
        study: optuna's.
        space: values of each setting.
        initial: settings of the first trial.
        seed: of the search.
    """

    def __init__(self, study: Any, space: dict[str, SearchValues], initial: dict[str, Any], seed: int) -> None:
        self._study = study
        self._initial = initial
        self._space = {name: _distribution(values) for name, values in space.items()}
        self._seed = seed

    @property
    def finished(self) -> list[Trial]:
        """Finished trials in order."""
        complete = _optuna().trial.TrialState.COMPLETE
        return [
            Trial(
                i,
                dict(t.params) if i else self._initial,
                t.value if t.state == complete else float("inf"),
                t.user_attrs[_SECONDS],
            )
            for i, t in enumerate(self._finished_trials())
        ]

    def ask(self, max_trials: int) -> list[dict[str, Any]]:
        """Return the settings of the remaining trials of a round, the initial ones first; none after `max_trials`."""
        finished = self._finished_trials()
        number = len(finished)
        start, stop = _round_of(number)
        return [self._sample(finished[:start], i) for i in range(number, min(stop, max_trials))]

    def tell(self, settings: dict[str, Any], score: float, seconds: float) -> None:
        """Record the score of the next trial, infinite where the training failed."""
        states = _optuna().trial.TrialState
        state, value = (states.COMPLETE, score) if score < float("inf") else (states.PRUNED, None)
        # The sampler learns from initial settings only where they are inside the space.
        params = settings if all(map(self._contains, settings, settings.values())) else {}
        trial = _optuna().trial.create_trial(
            params=params,
            distributions={name: self._space[name] for name in params},
            value=value,
            state=state,
            user_attrs={_SECONDS: seconds},
        )
        self._study.add_trial(trial)

    def _finished_trials(self) -> list[Any]:
        """Return optuna's finished trials."""
        states = _optuna().trial.TrialState
        return self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))

    def _sample(self, earlier: list[Any], number: int) -> dict[str, Any]:
        """Return the settings of a trial given the trials of earlier rounds."""
        if not number:
            return dict(self._initial)
        seed = (self._seed * 1_000_003 + number) % _SEEDS
        sampler = _optuna().samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS, constant_liar=False)
        study = _optuna().create_study(sampler=sampler)
        study.add_trials(earlier)
        return dict(study.ask(self._space).params)

    def _contains(self, name: str, value: Any) -> bool:
        distribution = self._space[name]
        choices = getattr(distribution, "choices", None)
        return value in choices if choices is not None else distribution.low <= value <= distribution.high


def _round_of(number: int) -> tuple[int, int]:
    """Return the range of the numbers of the trials in the round of a trial."""
    start, stop = 0, _RANDOM_TRIALS
    while number >= stop:
        start, stop = stop, stop + stop // 4
    return start, stop


def check_optuna() -> None:
    """Check that optuna is installed.

    Raises:
        InputError: with the command that installs it.
    """
    with requires("tune", "tune"):
        _optuna()


@contextmanager
def open_study(
    storage: str | os.PathLike[str] | None,
    name: str,
    space: dict[str, SearchValues],
    initial: dict[str, Any],
    seed: int,
) -> Iterator[SearchStudy]:
    """Open the trials of a search by its name: in an SQLite file, created where there is none, or in memory.

    Raises:
        InputError: for a file of another kind, or one that cannot be written.
    """
    optuna = _optuna()
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    database = None
    try:
        if storage is not None:
            database = _sqlite(storage)
        study = optuna.create_study(storage=database, study_name=name, load_if_exists=True)
        yield SearchStudy(study, space, initial, seed)
    finally:
        optuna.logging.set_verbosity(verbosity)
        if database is not None:
            database.remove_session()
            database.engine.dispose()


def _sqlite(path: str | os.PathLike[str]) -> Any:
    from sqlalchemy.exc import DBAPIError

    try:
        return _optuna().storages.RDBStorage(f"sqlite:///{path}")
    except (DBAPIError, RuntimeError) as error:
        cause = str(getattr(error, "orig", error)).partition("\n")[0]
        raise InputError(f"storage: expected a file of trials, or a new one, got {path}: {cause}") from error


def _distribution(values: SearchValues) -> Any:
    """Return optuna's distribution; numbers between two positive ones are drawn on a logarithmic scale."""
    distributions = _optuna().distributions
    if not isinstance(values, tuple):
        return distributions.CategoricalDistribution(list(values))
    low, high = values
    is_int = isinstance(low, int) and isinstance(high, int)
    distribution = distributions.IntDistribution if is_int else distributions.FloatDistribution
    return distribution(low, high, log=low > 0)


def _optuna() -> Any:
    import optuna

    return optuna
