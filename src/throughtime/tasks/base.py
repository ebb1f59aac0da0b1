"""The mechanism that all estimators share: parameters, fitted state, interruption, seeds, saving and loading.

An estimator of a task derives from `AbstractEstimator`. It declares the name of its task, its network and the
parameters that the network depends on, checks the parameters that no other task has, and converts what it has learned
next to the weights of the network to JSON and tensors and back. Everything else is here, once.

A fitted estimator holds `network_`, `history_`, `notes_` and the task's own attributes. They are set together, after
training: an estimator whose training fails stays as it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from throughtime import training
from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_choice, check_seed
from throughtime._core.rng import PrivateRandom
from throughtime.io import saved_model
from throughtime.nn import LAYERS
from throughtime.tasks.saving import check_layers, check_sizes, network_tensors, provenance, restore_network
from throughtime.tasks.schedules import parse_budget

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from torch import Tensor, nn

    from throughtime.io.saved_model import SavedModel

    Callback = Callable[[training.Progress], None]


@dataclass(frozen=True)
class LearnedState:
    """Learned values of an estimator that are not weights of its network.

    Attributes:
        config: values that JSON can hold; 'sizes' are those of the network.
        tensors: arrays by name.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor] = field(default_factory=dict)


class AbstractEstimator(BaseEstimator, ABC):
    """A network with the interface of a scikit-learn estimator.

    Attributes:
        task: its name in model directories.
        network_type: makes the network of its sizes and of options.
        network_params: parameters that a fitted network depends on.
        params_from_json: of parameters that may be dataclasses, dictionaries or tuples: what makes them of the value
            that a file holds.
    """

    task: ClassVar[str]
    network_type: ClassVar[Callable[..., nn.Module]]
    network_params: ClassVar[tuple[str, ...]]
    params_from_json: ClassVar[dict[str, Callable[[Any], Any]]] = {}

    cell: str
    budget: float | str | None
    random_state: int | np.random.RandomState | None

    network_: Any
    history_: training.History
    notes_: list[str]
    fitted_params_: dict[str, Any]
    forecast_log_: bytes = b""

    @abstractmethod
    def _check_task_params(self) -> None:
        """Raise `InputError` for parameters of the task that cannot be used."""

    @abstractmethod
    def _learned_state(self) -> LearnedState:
        """Return what was learned, for a file."""

    @abstractmethod
    def _restore(self, saved: SavedModel) -> tuple[nn.Module, dict[str, Any]]:
        """Undo `_learned_state`: return the network and the learned attributes by name.

        Raises:
            ValueError: for what does not fit together.
        """

    def check_params(self) -> None:
        """Raise for parameters that cannot be used.

        Raises:
            InputError: names the first.
        """
        check_choice("cell", self.cell, LAYERS)
        check_seed(self.random_state)
        parse_budget(self.budget)
        self._check_task_params()

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted estimator into a new directory, from which `throughtime.load` reads it.

        Args:
            directory: is created.
            overwrite: whether a model directory of that name may be replaced.

        Raises:
            InputError: for a directory that exists, unless it is a model's and `overwrite` is set.
        """
        self._check_fitted()
        state = self._learned_state()
        config = {
            "task": self.task,
            **provenance(),
            **self.history_.termination,
            "notes": self.notes_,
            "settings": self._params_to_json(),
            **state.config,
        }
        tensors = network_tensors(self.network_) | state.tensors
        written = saved_model.SavedModel(config, tensors, self.history_.to_lines(), self.forecast_log_)
        saved_model.write(directory, written, overwrite=overwrite)

    @classmethod
    def from_saved_model(cls, saved: SavedModel) -> Self:
        """Return the estimator that `save` wrote.

        Raises:
            ValueError: where parameters, sizes and weights do not fit together.
        """
        estimator = cls(**cls._params_from_json(saved.config["settings"]))
        estimator.check_params()
        network, learned = estimator._restore(saved)
        history = training.History.from_lines(saved.history.splitlines(), saved.config)
        estimator._set_fitted(network, history, [str(note) for note in saved.config["notes"]], **learned)
        return estimator

    def seed(self) -> int:
        """Return the seed of a training: `random_state` where it is a number, else one that is drawn from it."""
        if self.random_state is None or isinstance(self.random_state, np.random.RandomState):
            return draw_seed(check_random_state(self.random_state))
        return int(self.random_state)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _new_network(self, sizes: Any, seed: int, **options: Any) -> Any:
        """Return a network whose weights are drawn by a seed.

        Args:
            sizes: a dataclass that decides the shapes of the weights.
            seed: of the weights.
            options: of the network that do not.
        """
        with PrivateRandom(seed):
            return self.network_type(sizes, **options)

    def _fit(self, train: Callable[[], training.History], finish: Callable[[training.History], None]) -> Self:
        """Train, and become fitted with what was learned, even where Ctrl-C ended the training.

        Args:
            train: trains the network.
            finish: calls `_set_fitted` with the history.

        Raises:
            Interrupted: on Ctrl-C; the estimator is fitted with the best weights so far.
        """
        try:
            history = train()
        except training.Interrupted as interruption:
            finish(interruption.history)
            raise
        finish(history)
        return self

    def _set_fitted(self, network: nn.Module, history: training.History, notes: list[str], **learned: Any) -> None:
        """Set all attributes of the fitted state.

        Args:
            network: in evaluation mode.
            history: of its training.
            notes: on the data and on what was decided about them, in sentences.
            learned: the task's own attributes by name.
        """
        vars(self).update(learned, network_=network, history_=history, notes_=notes)
        self.fitted_params_ = {name: getattr(self, name) for name in self.network_params}

    def _check_fitted(self, *, unchanged: bool = True) -> None:
        """Raise where there is no fitted network, or one of other parameters.

        Raises:
            NotFittedError: before `fit`.
            InputError: names a parameter of the network that was set after `fit`.
        """
        check_is_fitted(self)
        fitted_params = vars(self).get("fitted_params_", {})  # older pickles have none
        for name, value in fitted_params.items() if unchanged else ():
            if getattr(self, name) != value:
                raise InputError(
                    f"{name}: was {value!r} in fit and is {getattr(self, name)!r} now: call fit again, or set it back"
                )

    def _params_to_json(self) -> dict[str, Any]:
        """Return the parameters as JSON can hold them."""
        return {name: _param_to_json(value) for name, value in self.get_params().items()}

    @classmethod
    def _params_from_json(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Undo `_params_to_json`."""
        params = dict(values)
        for name, from_json in cls.params_from_json.items():
            if isinstance(params[name], list | dict):
                params[name] = from_json(params[name])
        return params

    def _restore_network(self, saved: SavedModel, sizes: Any, **options: Any) -> Any:
        """Return the network of a file, whose sizes must be those that parameters and learned state imply.

        Args:
            saved: holds the sizes and the weights.
            sizes: that are implied.
            options: of the network.

        Raises:
            ValueError: where they are not, or the weights are not those of such a network.
        """
        check_sizes(sizes)
        check_layers(getattr(sizes, "num_layers", 1), saved.tensors)
        if saved.config["sizes"] != asdict(sizes):
            raise ValueError(f"the sizes do not fit the parameters and the learned state: {sizes}")
        return restore_network(lambda: self.network_type(sizes, **options), saved.tensors)


def draw_seed(random: np.random.RandomState) -> int:
    """Draw a seed for torch."""
    return int(random.randint(2**31 - 1))


def _param_to_json(value: Any) -> Any:
    """Return a parameter as JSON can hold it; a dictionary as pairs, since keys of JSON are text."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return [list(pair) for pair in value.items()]
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value


def held_out_notes(count: int, noun: str) -> list[str]:
    """Return a note on how much of the data was held out, none where nothing was."""
    return [f"{count:,} {noun} were held out to choose the weights by."] * (count > 0)
