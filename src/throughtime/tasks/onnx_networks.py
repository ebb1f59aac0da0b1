"""The networks of estimators as modules from raw values, or numbers of symbols, to what they predict: for ONNX."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import pad

from throughtime._core.errors import InputError
from throughtime.io.onnx_graph import Defaults
from throughtime.io.onnx_networks import OnnxNetwork, flat, packed_state, state_names, step_network
from throughtime.tasks.classification import SequenceClassifier
from throughtime.tasks.forecasting import Forecaster
from throughtime.tasks.forecasting.raw_series.onnx_network import forecaster_networks
from throughtime.tasks.generation import SequenceGenerator
from throughtime.tasks.tagging import SequenceTagger

if TYPE_CHECKING:
    from torch import Tensor

_FREE = {"x": {0: "batch", 1: "steps"}, "lengths": {0: "batch"}}
_LENGTHS = Defaults((), "lengths", "x", 0, 1)


def estimator_networks(estimator: Any) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    """Return the networks of a fitted estimator, and what their files say about it.

    Raises:
        InputError: for an estimator that ONNX does not hold.
    """
    if isinstance(estimator, SequenceClassifier):
        return _classifier_networks(estimator)
    if isinstance(estimator, SequenceTagger):
        return _tagger_networks(estimator)
    if isinstance(estimator, SequenceGenerator):
        return _generator_networks(estimator)
    if isinstance(estimator, Forecaster):
        return forecaster_networks(estimator)
    name = type(estimator).__name__
    raise InputError(f"export: a {name} is more than a network of fixed operators, and is not written as ONNX")


class _Classifier(nn.Module):
    """From raw numbers (N, T, I), or numbers of tokens (N, T), to probabilities (N, C)."""

    means: Tensor
    deviations: Tensor
    changes: Tensor

    def __init__(self, estimator: SequenceClassifier) -> None:
        super().__init__()
        self.network, self.block = estimator.network_, 1
        self.is_text = not hasattr(estimator.encoder_, "means")
        if not self.is_text:
            scaler: Any = estimator.encoder_
            self.block = scaler.block
            self.register_buffer("means", torch.tensor(scaler.means))
            self.register_buffer("deviations", torch.tensor(scaler.deviations))
            self.register_buffer("changes", torch.tensor(scaler.changes))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean of the members' probabilities."""
        if not self.is_text:
            x, lengths = self._encoded(x, lengths)
        return self.network(x, lengths=lengths).softmax(-1).mean(1)

    def _encoded(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        z = (x - self.means) / self.deviations
        if self.block == 1:
            return z, lengths
        z = torch.cat([z, torch.cat([torch.zeros_like(z[:, :1]), z[:, 1:] - z[:, :-1]], 1) / self.changes], -1)
        steps = torch.arange(z.shape[1])
        z = z.masked_fill((steps >= lengths.unsqueeze(1)).unsqueeze(-1), 0.0)
        blocks = torch.arange((x.shape[1] + self.block - 1) // self.block) * self.block
        places = blocks.unsqueeze(1) + torch.arange(self.block)
        windows = pad(z, (0, 0, 0, self.block - 1))[:, places]  # (N, blocks, steps of a block, features)
        return windows.flatten(2), (lengths + (self.block - 1)) // self.block


def _classifier_networks(estimator: SequenceClassifier) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    module = _Classifier(estimator)
    encoder: Any = estimator.encoder_
    below = estimator.network_.sizes.vocabulary
    x = torch.zeros(2, 3 * module.block, dtype=torch.int64) if module.is_text else None
    x = torch.zeros(2, 3 * module.block, len(encoder.means)) if x is None else x
    inputs = {"x": x, "lengths": torch.tensor([3 * module.block, 2])}
    network = OnnxNetwork(module, inputs, _FREE, ["probabilities"], _LENGTHS, {"x": below})
    metadata = {"task": "classify", "labels": json.dumps([str(label) for label in estimator.classes_])}
    return {"sequence": network}, metadata | ({"vocabulary": _as_text(encoder)} if module.is_text else {})


class _Tagger(nn.Module):
    """From numbers of words and characters to probabilities of tags (N, T, C)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return probabilities."""
        return self.network(x, lengths=lengths).softmax(-1)


def _tagger_networks(estimator: SequenceTagger) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    sizes = estimator.network_.sizes
    inputs = {"x": torch.ones(2, 3, _WORD_AND_CHARACTERS, dtype=torch.int64), "lengths": torch.tensor([3, 2])}
    below = {"x": min(sizes.words, sizes.characters)}
    network = OnnxNetwork(_Tagger(estimator.network_), inputs, _FREE, ["probabilities"], _LENGTHS, below)
    metadata = {"task": "tag", "labels": json.dumps([*estimator.tags_]), "vocabulary": _as_text(estimator.encoder_)}
    return {"sequence": network}, metadata


_WORD_AND_CHARACTERS = 17


class _Generator(nn.Module):
    """From symbols (T, N) and states to logits of the next symbols (T, N, V) and the next states."""

    def __init__(self, network: nn.Module, *, single: bool) -> None:
        super().__init__()
        self.network, self.single = network, single

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run one step (N) or all steps (T, N)."""
        x, *state = inputs
        y, new = self.network(x.unsqueeze(0) if self.single else x, packed_state(state))
        return flat(y.squeeze(0) if self.single else y, new)


def _generator_networks(estimator: SequenceGenerator) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    network = estimator.network_
    layer: Any = network.layers.layer
    sizes = network.sizes
    is_symbol = network.embedding is not None

    def example(*shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.int64) if is_symbol else torch.zeros(*shape, sizes.width)

    step = step_network(_Generator(network, single=True), layer, example(2), sizes.width)
    names = state_names(layer)
    free = {"x": {0: "steps", 1: "batch"}, **{name: {1: "batch"} for name in names}}
    inputs = {"x": example(3, 2), **{name: step.inputs[name] for name in names}}
    module = _Generator(network, single=False)
    defaults = Defaults(tuple(names), "", "x", 1, 0)
    sequence = OnnxNetwork(module, inputs, free, step.outputs, defaults, {"x": sizes.width})
    return {"sequence": sequence, "step": step}, {"task": "generate", "unit": str(estimator.unit_)}


def _as_text(encoder: Any) -> str:
    return json.dumps(asdict(encoder) if is_dataclass(encoder) and not isinstance(encoder, type) else str(encoder))
