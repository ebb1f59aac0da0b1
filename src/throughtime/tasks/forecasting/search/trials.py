"""The trials of a search, kept by optuna in memory or in an SQLite file, in which a search that was killed goes on.

Trials are drawn in rounds, whose trials do not know of each other and may run at once: the first at random, and each
later round, a quarter as large as all before it, from what those have found. Each trial has a sampler of its own,
seeded by the search's seed and the trial's number. So it changes nothing how many workers there are and which of them
is done first, and a search that was killed ends as if it had not been. One file holds many searches: each is called
after a digest of its data and settings, and another one never goes on with it.

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
    """What a setting may be: a list of choices, or a pair of the lowest and the highest number."""

_SECONDS = "seconds"
_SEEDS = 2**32
_RANDOM = 10  # trials that are drawn at random


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes:
        number: 0 for the forecaster as it was given.
        settings: those that were searched over.
        score: error on the windows of the search, infinite where the training failed.
        seconds: that it took.
    """

    number: int
    settings: dict[str, Any]
    score: float
    seconds: float


class SearchStudy:
    """The trials of one search; `open_study` makes them.

    Args:
        study: optuna's.
        space: what each setting may be.
        given: what the search starts from.
        seed: of the search.
    """

    def __init__(self, study: Any, space: dict[str, SearchValues], given: dict[str, Any], seed: int) -> None:
        self._study = study
        self._given = given
        self._space = {name: _distribution(values) for name, values in space.items()}
        self._seed = seed

    @property
    def finished(self) -> list[Trial]:
        """Those with a score, in their order."""
        complete = _optuna().trial.TrialState.COMPLETE
        return [
            Trial(
                i,
                dict(t.params) if i else self._given,
                t.value if t.state == complete else float("inf"),
                t.user_attrs[_SECONDS],
            )
            for i, t in enumerate(self._known())
        ]

    def ask(self, most: int) -> list[dict[str, Any]]:
        """Settings of the trials that are left of a round: first those that were given; none after `most` trials."""
        known = self._known()
        number = len(known)
        first, behind = _round(number)
        return [self._drawn(known[:first], i) for i in range(number, min(behind, most))]

    def tell(self, settings: dict[str, Any], score: float, seconds: float) -> None:
        """Note the score of the next trial, infinite where the training failed."""
        states = _optuna().trial.TrialState
        state, value = (states.COMPLETE, score) if score < float("inf") else (states.PRUNED, None)
        # The sampler learns from what was given where that lies in the space.
        known = settings if all(map(self._holds, settings, settings.values())) else {}
        made = _optuna().trial.create_trial(
            params=known,
            distributions={name: self._space[name] for name in known},
            value=value,
            state=state,
            user_attrs={_SECONDS: seconds},
        )
        self._study.add_trial(made)

    def _known(self) -> list[Any]:
        """Optuna's finished trials."""
        states = _optuna().trial.TrialState
        return self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))

    def _drawn(self, known: list[Any], number: int) -> dict[str, Any]:
        if not number:
            return dict(self._given)
        seed = (self._seed * 1_000_003 + number) % _SEEDS
        sampler = _optuna().samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM, constant_liar=False)
        study = _optuna().create_study(sampler=sampler)
        study.add_trials(known)
        return dict(study.ask(self._space).params)

    def _holds(self, name: str, value: Any) -> bool:
        distribution = self._space[name]
        choices = getattr(distribution, "choices", None)
        return value in choices if choices is not None else distribution.low <= value <= distribution.high


def _round(number: int) -> tuple[int, int]:
    """The first trial of the round of a trial, and the first behind it."""
    first, behind = 0, _RANDOM
    while number >= behind:
        first, behind = behind, behind + behind // 4
    return first, behind


def check_optuna() -> None:
    """See that optuna is installed.

    Raises:
        InputError: with the line that installs it.
    """
    with requires("tune", "tune"):
        _optuna()


@contextmanager
def open_study(
    storage: str | os.PathLike[str] | None, name: str, space: dict[str, SearchValues], given: dict[str, Any], seed: int
) -> Iterator[SearchStudy]:
    """The trials of the search of a name: in an SQLite file, which is made where there is none, or in memory.

    Raises:
        InputError: for a file that is of something else, or cannot be written.
    """
    optuna = _optuna()
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = None
    try:
        if storage is not None:
            kept = _sqlite(storage)
        study = optuna.create_study(storage=kept, study_name=name, load_if_exists=True)
        yield SearchStudy(study, space, given, seed)
    finally:
        optuna.logging.set_verbosity(said)
        if kept is not None:
            kept.remove_session()
            kept.engine.dispose()


def _sqlite(path: str | os.PathLike[str]) -> Any:
    from sqlalchemy.exc import DBAPIError

    try:
        return _optuna().storages.RDBStorage(f"sqlite:///{path}")
    except (DBAPIError, RuntimeError) as error:
        cause = str(getattr(error, "orig", error)).partition("\n")[0]
        raise InputError(f"storage: expected a file of trials, or one that can be made, got {path}: {cause}") from error


def _distribution(values: SearchValues) -> Any:
    """Numbers between two positive ones are drawn on a logarithmic scale."""
    distributions = _optuna().distributions
    if not isinstance(values, tuple):
        return distributions.CategoricalDistribution(list(values))
    low, high = values
    whole = isinstance(low, int) and isinstance(high, int)
    made = distributions.IntDistribution if whole else distributions.FloatDistribution
    return made(low, high, log=low > 0)


def _optuna() -> Any:
    import optuna

    return optuna
