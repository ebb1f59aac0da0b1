"""The trials of a search, kept by optuna in memory or in an SQLite file, in which a search that was killed goes on.

Each trial is drawn by a sampler of its own, seeded by the search's seed and the trial's number, from the trials that
are finished. So nothing but those is needed to go on, and a search that was killed ends as if it had not been. One file
holds many searches: each is called after a digest of its data and settings, and another one never goes on with it.

Source of the sampler: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughtime._errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    Values = Sequence[Any] | tuple[float, float]
    """What a setting may be: a list of choices, or a pair of the lowest and the highest number."""

_SECONDS = "seconds"
_SEEDS = 2**32


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


class Trials:
    """The trials of one search; `opened` makes them.

    Args:
        study: optuna's.
        space: what each setting may be.
        given: what the search starts from.
        seed: of the search.
    """

    def __init__(self, study: Any, space: dict[str, Values], given: dict[str, Any], seed: int) -> None:
        self._study = study
        self._given = given
        self._space = {name: _distribution(values) for name, values in space.items()}
        self._seed = seed
        self._asked: Any = None
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished():  # of a search that was killed meanwhile
                study.tell(trial.number, state=_optuna().trial.TrialState.FAIL)

    @property
    def finished(self) -> list[Trial]:
        """Those with a score, in their order."""
        state = _optuna().trial.TrialState
        known = self._study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED))
        return [
            Trial(
                i,
                dict(t.params) if i else self._given,
                t.value if t.state == state.COMPLETE else float("inf"),
                t.user_attrs[_SECONDS],
            )
            for i, t in enumerate(known)
        ]

    def draw(self) -> dict[str, Any]:
        """Settings to try next: first those that were given."""
        number = len(self.finished)
        if not number:
            return dict(self._given)
        seed = (self._seed * 1_000_003 + number) % _SEEDS
        self._study.sampler = _optuna().samplers.TPESampler(seed=seed, constant_liar=False)
        self._asked = self._study.ask(self._space)
        return dict(self._asked.params)

    def tell(self, score: float, seconds: float) -> None:
        """Note the score of the settings that were drawn last, infinite where the training failed."""
        states = _optuna().trial.TrialState
        state, value = (states.COMPLETE, score) if score < float("inf") else (states.PRUNED, None)
        if self._asked is not None:
            self._asked.set_user_attr(_SECONDS, seconds)
            self._study.tell(self._asked, value, state=state)
            return
        # The sampler learns from what was given where that lies in the space.
        known = self._given if all(map(self._holds, self._given, self._given.values())) else {}
        made = _optuna().trial.create_trial(
            params=known,
            distributions={name: self._space[name] for name in known},
            value=value,
            state=state,
            user_attrs={_SECONDS: seconds},
        )
        self._study.add_trial(made)

    def _holds(self, name: str, value: Any) -> bool:
        distribution = self._space[name]
        choices = getattr(distribution, "choices", None)
        return value in choices if choices is not None else distribution.low <= value <= distribution.high


def check_optuna() -> None:
    """See that optuna is installed.

    Raises:
        InputError: with the line that installs it.
    """
    try:
        _optuna()
    except ImportError as error:
        raise InputError("tune: needs optuna, which is not installed: pip install 'throughtime[tune]'") from error


@contextmanager
def opened(
    storage: str | os.PathLike[str] | None, name: str, space: dict[str, Values], given: dict[str, Any], seed: int
) -> Iterator[Trials]:
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
        yield Trials(study, space, given, seed)
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


def _distribution(values: Values) -> Any:
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
