"""The shapes of sequence: one or many steps in, one or many steps out, around any recurrent layer.

Each is a recurrent layer and an output layer y = f_y(W_y h + b_y). The textbook's y_{t+1}, which reads h_{t+1} and so
has seen x_0 … x_t, is the output at position t here. States go in and come out, so that a sequence can be cut anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime._reference import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from throughtime.nn._recurrent import AbstractRecurrent, Activation

_OUTPUT_ACTIVATIONS = {"identity": lambda y: y, **ACTIVATIONS}


class Output(nn.Linear):
    """The output layer: y = f_y(W_y h + b_y).

    Args:
        features: units that it reads.
        output_size: outputs.
        activation: 'identity', 'sigmoid', 'tanh', 'relu' or any function of a tensor.
    """

    def __init__(self, features: int, output_size: int, activation: Activation = "identity", **factory: Any) -> None:
        super().__init__(features, output_size, **factory)
        if isinstance(activation, str) and activation not in _OUTPUT_ACTIVATIONS:
            raise ValueError(
                f"output_activation: expected one of {', '.join(_OUTPUT_ACTIVATIONS)} or a function, got {activation!r}"
            )
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, features) to (…, output_size)."""
        f = _OUTPUT_ACTIVATIONS[self.activation] if isinstance(self.activation, str) else self.activation
        return f(super().forward(input))


class AbstractLayout(nn.Module):
    """A recurrent layer and an output layer."""

    def __init__(
        self, layer: AbstractRecurrent, output_size: int, *, output_activation: Activation = "identity"
    ) -> None:
        super().__init__()
        self.layer = layer
        weight = layer.all_weights[0][0]
        self.output = Output(
            features_of(layer), output_size, output_activation, device=weight.device, dtype=weight.dtype
        )

    @property
    def batch_first(self) -> bool:
        """Whether inputs are (N, T, I) rather than (T, N, I)."""
        return self.layer.batch_first


def features_of(layer: AbstractRecurrent) -> int:
    """Features of a layer's output: D*H."""
    return layer.directions * (layer.proj_size or layer.hidden_size)


class ManyToMany(AbstractLayout):
    """An output for each input: tagging, or the next value at every step.

    >>> import torch
    >>> from throughtime import nn
    >>> model = nn.ManyToMany(nn.RNN(1, 8, recurrent_bias=False), 1, output_activation="tanh")
    >>> y, state = model(torch.zeros(5, 2, 1))
    >>> y.shape
    torch.Size([5, 2, 1])
    """

    def forward(
        self, x: Tensor, state: Any = None, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Any]:
        """Map (T, N, I) and a state to (T, N, output_size) and the final state."""
        h, state = self.layer(x, state, lengths=lengths)
        return self.output(h), state


class ManyToOne(AbstractLayout):
    """One output for a whole sequence, read from its final state: sentiment, a class, a forecast.

    >>> import torch
    >>> from throughtime import nn
    >>> y, state = nn.ManyToOne(nn.GRU(3, 8, bidirectional=True), 4)(torch.zeros(5, 2, 3), lengths=[5, 2])
    >>> y.shape
    torch.Size([2, 4])
    """

    def forward(
        self, x: Tensor, state: Any = None, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Any]:
        """Map (T, N, I) and a state to (N, output_size) and the final state."""
        _, state = self.layer(x, state, lengths=lengths)
        return self.output(last_hidden(self.layer, state)), state


def last_hidden(layer: AbstractRecurrent, state: Any) -> Tensor:
    """The final h of the last layer, both directions joined: (N, D*H), or (D*H,) for a single sequence."""
    h = state[0] if isinstance(state, tuple) else state
    return torch.cat(tuple(h[-layer.directions :]), -1)


class OneToOne(AbstractLayout):
    """One input, one output; the state links one call to the next, so that a stream is served step by step."""

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map (N, I) and a state to (N, output_size) and the next state."""
        time = 1 if self.batch_first and x.dim() == 2 else 0
        h, state = self.layer(x.unsqueeze(time), state)
        return self.output(h.squeeze(time)), state


class OneToMany(AbstractLayout):
    """A whole sequence from one input or none: each output is fed back as the next input.

    Args:
        layer: a recurrent layer in one direction.
        output_size: outputs.
        output_activation: that of the output layer.
        feedback: maps an output (N, output_size) to the next input (N, I), for instance a sample from it; None feeds
            the output itself, which needs output_size = I.

    Raises:
        ValueError: if the layer is bidirectional, or the output does not fit the input.
    """

    def __init__(
        self,
        layer: AbstractRecurrent,
        output_size: int,
        *,
        output_activation: Activation = "identity",
        feedback: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(layer, output_size, output_activation=output_activation)
        if layer.bidirectional:
            raise ValueError("layer: expected one direction, got a bidirectional one: what comes next is not known yet")
        if feedback is None and output_size != layer.input_size:
            raise ValueError(
                f"output_size: expected input_size = {layer.input_size} of the layer that reads the outputs, got "
                f"{output_size}; give feedback= to map one to the other"
            )
        self.feedback = feedback

    def forward(self, x: Tensor | None, steps: int, state: Any = None, *, batch: int = 1) -> tuple[Tensor, Any]:
        """Map (N, I), or None for zeros and a batch of `batch` rows, to (steps, N, output_size) and the final state."""
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, got {steps}")
        given = self.output.weight.new_zeros(batch, self.layer.input_size) if x is None else x
        time = 1 if self.batch_first else 0
        outputs = []
        for _ in range(steps):
            h, state = self.layer(given.unsqueeze(time), state)
            y = self.output(h.squeeze(time))
            outputs.append(y)
            given = y if self.feedback is None else self.feedback(y)
        return torch.stack(outputs, time), state


class EncoderDecoder(nn.Module):
    """Many to many of different lengths: an encoder reads the whole input, a decoder starts from its final state.

    Args:
        encoder: a recurrent layer in one direction.
        decoder: a recurrent layer of the same cell, layers and hidden units, whose input is an output.
        output_size: outputs.
        output_activation: that of the output layer.
        feedback: maps an output (N, output_size) to the decoder's next input; see `OneToMany`.

    Raises:
        ValueError: if the encoder's state does not fit the decoder.

    >>> import torch
    >>> from throughtime import nn
    >>> y, state = nn.EncoderDecoder(nn.LSTM(3, 8), nn.LSTM(2, 8), 2)(torch.zeros(5, 4, 3), steps=7)
    >>> y.shape
    torch.Size([7, 4, 2])
    """

    def __init__(
        self,
        encoder: AbstractRecurrent,
        decoder: AbstractRecurrent,
        output_size: int,
        *,
        output_activation: Activation = "identity",
        feedback: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        for name in ("cell", "hidden_size", "num_layers", "directions", "proj_size"):
            ours, theirs = getattr(encoder, name), getattr(decoder, name)
            if ours != theirs:
                raise ValueError(f"decoder: expected the encoder's {name} = {ours}, got {theirs}")
        self.encoder = encoder
        self.decoder = OneToMany(decoder, output_size, output_activation=output_activation, feedback=feedback)

    @property
    def batch_first(self) -> bool:
        """Whether inputs are (N, T, I) rather than (T, N, I)."""
        return self.encoder.batch_first

    def forward(
        self,
        x: Tensor,
        inputs: Tensor | None = None,
        *,
        steps: int | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, Any]:
        """Map (T, N, I) to (F, N, output_size) and the decoder's final state.

        Args:
            x: what the encoder reads.
            inputs: what the decoder reads at each of F steps (teacher forcing), or None: its own outputs, zeros first.
            steps: F, where `inputs` is None.
            lengths: valid steps of each row of x.
        """
        _, state = self.encoder(x, lengths=lengths)
        if inputs is not None:
            h, state = self.decoder.layer(inputs, state)
            return self.decoder.output(h), state
        if steps is None:
            raise ValueError(
                "steps: expected the number of steps to decode, or inputs= for teacher forcing; got neither"
            )
        batch = x.shape[0] if self.batch_first else x.shape[1]
        return self.decoder(None, steps, state, batch=batch)
