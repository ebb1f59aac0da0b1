"""A model directory as arrays and graphs, from which each task builds its model without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io.network_description import check_description
from throughtime.runtime.graph import Graph

if TYPE_CHECKING:
    from throughtime.runtime.graph_evaluation import BoundGraph


@dataclass(frozen=True)
class ModelDirectory:
    """Content of a model directory.

    Attributes:
        config: what JSON can hold.
        arrays: weights and others by name; those of an estimator's network begin with 'network.'.
    """

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def graph(self, name: str) -> BoundGraph:
        """Return a graph of an estimator's network, ready to be called.

        Raises:
            InputError: for a directory from before there were graphs.
            ValueError: for a graph that is damaged, or lacks a weight.
        """
        return Graph.from_json(self._entry("graphs")[name]).bind(self.weights("network."))

    def layers(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the description of a part of an estimator's network, a layer or a layout around one, and its weights.

        Raises:
            InputError: for a directory from before there were descriptions.
            ValueError: for a description that is not that of the weights.
        """
        description, weights = self._entry(name), self.weights(f"network.{name}.")
        check_description(description, {key: array.shape for key, array in weights.items()})
        return description, weights

    def weights(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays whose names begin with a prefix, without it.

        Raises:
            ValueError: for one that is not finite.
        """
        weights = {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{prefix}{name}: some weights are not finite")
        return weights

    def _entry(self, name: str) -> Any:
        if name not in self.config:
            raise InputError(
                "written by a former version of throughtime, which throughtime.load alone reads; load it with that, "
                "and save it again"
            )
        return self.config[name]


def check_shape(result: np.ndarray, expected: tuple[int | None, ...]) -> None:
    """Refuse a network whose result for an example has another shape.

    Raises:
        ValueError: says which; None stands for any size.
    """
    sizes = zip(result.shape, expected, strict=False)
    if result.ndim != len(expected) or any(e is not None and s != e for s, e in sizes):
        raise ValueError(f"the network does not fit: expected results of {expected}, got {result.shape}")
