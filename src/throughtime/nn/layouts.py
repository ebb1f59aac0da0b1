"""Networks from one or many steps to one or many steps, around any recurrent layer.

Each is a recurrent layer and an output layer y = f_y(W_y h + b_y). The textbook's y_{t+1}, which reads h_{t+1} and so
has seen x_0 … x_t, is the output at position t here. States are arguments and results, so that a sequence can be cut
anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from throughtime._core import rng
from throughtime._core.activations import ACTIVATIONS
from throughtime.nn._dropout import Dropout
from throughtime.nn._notebook import NotebookReprMixin
from throughtime.nn.attention import Attention
from throughtime.nn.pooling import Pooling, output_features

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from throughtime._core.activations import Activation
    from throughtime.nn._recurrent import AbstractRecurrent

_OUTPUT_ACTIVATIONS = {"identity": lambda y: y, **ACTIVATIONS}


class Output(nn.Linear):
    """The output layer: y = f_y(W_y h + b_y).

    Args:
        features: number of inputs.
        output_size: number of outputs.
        activation: 'identity', 'sigmoid', 'tanh', 'relu' or any function of a tensor.
    """

    def __init__(
        self, features: int, output_size: int, activation: str | Activation = "identity", **factory: Any
    ) -> None:
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


class AbstractLayout(NotebookReprMixin):
    """A recurrent layer and an output layer."""

    def __init__(
        self, layer: AbstractRecurrent, output_size: int, *, output_activation: str | Activation = "identity"
    ) -> None:
        super().__init__()
        self.layer = layer
        weight = layer.all_weights[0][0]
        self.output = Output(
            output_features(layer), output_size, output_activation, device=weight.device, dtype=weight.dtype
        )

    @property
    def batch_first(self) -> bool:
        """Whether inputs are (N, T, I) rather than (T, N, I)."""
        return self.layer.batch_first


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
        self, x: Tensor | PackedSequence, state: Any = None, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Any, Any]:
        """Map (T, N, I) and a state to (T, N, output_size) and the final state; a `PackedSequence` to another."""
        h, state = self.layer(x, state, lengths=lengths)
        if isinstance(h, PackedSequence):
            return PackedSequence(self.output(h.data), *h[1:]), state
        return self.output(h), state


class ManyToOne(AbstractLayout):
    """One output for a whole sequence, from its final state or from all its steps: sentiment, a class, a forecast.

    Args:
        layer: a recurrent layer.
        output_size: number of outputs.
        output_activation: that of the output layer.
        pooling: the input of the output layer: 'final', 'mean', 'max' or 'attention'; see `Pooling`.

    >>> import torch
    >>> from throughtime import nn
    >>> y, state = nn.ManyToOne(nn.GRU(3, 8, bidirectional=True), 4)(torch.zeros(5, 2, 3), lengths=[5, 2])
    >>> y.shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        layer: AbstractRecurrent,
        output_size: int,
        *,
        output_activation: str | Activation = "identity",
        pooling: str = "final",
    ) -> None:
        super().__init__(layer, output_size, output_activation=output_activation)
        self.pooling = Pooling(layer, pooling)

    def forward(
        self, x: Tensor | PackedSequence, state: Any = None, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Any]:
        """Map (T, N, I), or a `PackedSequence`, and a state to (N, output_size) and the final state."""
        h, state = self.layer(x, state, lengths=lengths)
        return self.output(self.pooling(h, state, lengths=lengths)), state


class OneToOne(AbstractLayout):
    """One input, one output; the state links one call to the next, so that a stream is run step by step."""

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map (N, I) and a state to (N, output_size) and the next state."""
        time = 1 if self.batch_first and x.dim() == 2 else 0
        h, state = self.layer(x.unsqueeze(time), state)
        return self.output(h.squeeze(time)), state


class OneToMany(AbstractLayout):
    """A whole sequence from one input or none: each output is fed back as the next input.

    Args:
        layer: a recurrent layer in one direction.
        output_size: number of outputs.
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
        output_activation: str | Activation = "identity",
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

    def forward(
        self,
        x: Tensor | None,
        steps: int,
        state: Any = None,
        *,
        batch: int = 1,
        attend: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Any]:
        """Map (N, I), or None for zeros and a batch of `batch` rows, to (steps, N, output_size) and the final state.

        Args:
            x: the first input.
            steps: number of steps to run.
            state: the initial state.
            batch: number of rows, if x is None.
            attend: maps the layer's output of a step to the input of the output layer; the output itself if None.
        """
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, got {steps}")
        inputs = self.output.weight.new_zeros(batch, self.layer.input_size) if x is None else x
        time = 1 if self.batch_first else 0
        outputs = []
        for _ in range(steps):
            h, state = self.layer(inputs.unsqueeze(time), state)
            y = self.output((h if attend is None else attend(h)).squeeze(time))
            outputs.append(y)
            inputs = y if self.feedback is None else self.feedback(y)
        return torch.stack(outputs, time), state


class EncoderDecoder(NotebookReprMixin):
    """Many to many of different lengths: an encoder reads the whole input, a decoder starts from its final state.

    With attention the output layer reads tanh(W_c [context; h]) instead of h, where the context is the average of the
    encoder's outputs that `Attention` computes for h. The recurrence does not read it, so that a given target is
    decoded in one call of the layer. Source: Luong et al. 2015, Effective Approaches to Attention-based Neural Machine
    Translation.

    Args:
        encoder: a recurrent layer, in one direction or both.
        decoder: a recurrent layer of the same cell and number of layers in one direction, whose input is an output; it
            has as many hidden units as both directions of the encoder together.
        output_size: number of outputs.
        output_activation: that of the output layer.
        feedback: maps an output (N, output_size) to the decoder's next input; see `OneToMany`.
        attention: None, 'dot', 'general' or 'additive'; see `Attention`.
        dropout: probability with which a feature that the output layer reads is zeroed in training.

    Raises:
        ValueError: if the encoder's state does not fit the decoder.

    >>> import torch
    >>> from throughtime import nn
    >>> model = nn.EncoderDecoder(nn.LSTM(3, 4, bidirectional=True), nn.LSTM(2, 8), 2, attention="general")
    >>> y, state = model(torch.zeros(5, 4, 3), steps=7, lengths=[5, 2, 4, 1])
    >>> y.shape
    torch.Size([7, 4, 2])
    """

    def __init__(
        self,
        encoder: AbstractRecurrent,
        decoder: AbstractRecurrent,
        output_size: int,
        *,
        output_activation: str | Activation = "identity",
        feedback: Callable[[Tensor], Tensor] | None = None,
        attention: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name in ("cell", "num_layers", "proj_size", "batch_first"):
            ours, theirs = getattr(encoder, name), getattr(decoder, name)
            if ours != theirs:
                raise ValueError(f"decoder: expected the encoder's {name} = {ours}, got {theirs}")
        units = encoder.hidden_size * encoder.directions
        if decoder.hidden_size != units or (encoder.bidirectional and encoder.proj_size):
            raise ValueError(
                f"decoder: expected hidden_size = {units}, the encoder's in all its directions and without a "
                f"projection, got {decoder.hidden_size}"
            )
        self.encoder = encoder
        self.decoder = OneToMany(decoder, output_size, output_activation=output_activation, feedback=feedback)
        self.dropout = Dropout(dropout)
        self.attention = self.combine = None
        if attention is not None:
            weight = decoder.all_weights[0][0]
            factory = {"device": weight.device, "dtype": weight.dtype}
            features = output_features(decoder)
            self.attention = Attention(features, output_features(encoder), attention, **factory)
            self.combine = nn.Linear(features + output_features(encoder), features, **factory)

    @property
    def batch_first(self) -> bool:
        """Whether inputs are (N, T, I) rather than (T, N, I)."""
        return self.encoder.batch_first

    def forward(
        self,
        x: Tensor | PackedSequence,
        inputs: Tensor | None = None,
        *,
        steps: int | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        teacher_forcing_ratio: float = 1.0,
    ) -> tuple[Tensor, Any]:
        """Map (T, N, I) to (F, N, output_size) and the decoder's final state.

        Args:
            x: the input of the encoder; a `PackedSequence` has its own lengths.
            inputs: the input of the decoder at each of F steps (teacher forcing), or None for its own outputs, after
                zeros.
            steps: F, if `inputs` is None.
            lengths: valid steps of each row of x.
            teacher_forcing_ratio: share of `inputs` that are read; the decoder's own outputs replace the others, see
                `mix_teacher_forcing`.
        """
        if isinstance(x, PackedSequence):
            x, lengths = pad_packed_sequence(x, batch_first=self.batch_first)
        memory, state = self.encode(x, lengths=lengths)
        if inputs is not None:
            inputs = self.mix_teacher_forcing(inputs, memory, state, lengths=lengths, ratio=teacher_forcing_ratio)
            h, state = self.decoder.layer(inputs, state)
            return self.decoder.output(self.attend(h, memory, lengths=lengths)[0]), state
        if steps is None:
            raise ValueError(
                "steps: expected the number of steps to decode, or inputs= for teacher forcing; got neither"
            )
        batch = x.shape[0] if self.batch_first else x.shape[1]

        def attend(h: Tensor) -> Tensor:
            return self.attend(h, memory, lengths=lengths)[0]

        return self.decoder(None, steps, state, batch=batch, attend=attend)

    def encode(self, x: Tensor, *, lengths: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Any]:
        """Return the outputs of the encoder (T, N, D*H), and the initial state of the decoder."""
        memory, state = self.encoder(x, lengths=lengths)
        if self.encoder.bidirectional:
            is_pair = isinstance(state, tuple)
            joined = tuple(map(_join_directions, state if is_pair else (state,)))
            state = joined if is_pair else joined[0]
        return memory, state

    def mix_teacher_forcing(
        self,
        inputs: Tensor,
        memory: Tensor,
        state: Any,
        *,
        ratio: float,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> Tensor:
        """Keep a random share of the decoder's inputs (F, N, I), and replace the others by its own outputs.

        So it learns to continue after its own mistakes (Bengio et al. 2015, Scheduled Sampling for Sequence
        Prediction). The outputs are those for the given inputs, all steps at once, and the first input stays (Duckworth
        et al. 2019, Parallel Scheduled Sampling).
        """
        if ratio >= 1:
            return inputs
        with torch.no_grad():
            h, _ = self.decoder.layer(inputs, state)
            y = self.decoder.output(self.attend(h, memory, lengths=lengths)[0])
        time = 1 if self.batch_first else 0
        first, targets = inputs.tensor_split([1], time)
        own = y.narrow(time, 0, y.shape[time] - 1)
        if self.decoder.feedback is not None:
            own = self.decoder.feedback(own.flatten(0, 1)).unflatten(0, own.shape[:2])
        kept = torch.rand(own.shape[:2], device=own.device, generator=rng.generator(own.device)) < ratio
        return torch.cat([first, torch.where(kept.unsqueeze(-1), targets, own)], time)

    def attend(
        self, h: Tensor, memory: Tensor, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the input of the output layer for the decoder's outputs (F, N, H), and attention weights (N, F, T)."""
        weights = None
        if self.attention is not None and self.combine is not None:
            swap = self.batch_first
            query, keys = (h.transpose(0, 1), memory.transpose(0, 1)) if swap else (h, memory)
            context, weights = self.attention(query, keys, lengths=lengths)
            h = torch.tanh(self.combine(torch.cat([context.transpose(0, 1) if swap else context, h], -1)))
        return self.dropout(h), weights


def _join_directions(state: Tensor) -> Tensor:
    """Return a state (L*2, N, H) of both directions as one of (L, N, 2*H)."""
    return torch.cat([state[0::2], state[1::2]], -1)
