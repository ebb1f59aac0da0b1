"""The contents of requests and responses."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

Step = list[float]


class Content(BaseModel):
    """A JSON object without other members, whose values have the types that are asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CreateStream(Content):
    """A stream to create."""

    snapshot: str | None = Field(None, description="State to start from; zero if missing.")


class Stream(Content):
    """A stream."""

    id: str


class Outputs(Content):
    """Outputs in the form of the inputs."""

    y: Step | list[Step]


class SequenceOutputs(Content):
    """Outputs of whole sequences."""

    y: list[list[Step]]


class Snapshot(Content):
    """The state of a stream, for this model alone."""

    snapshot: str


class Status(Content):
    """Whether the server works."""

    status: str


class Problem(Content):
    """Why a request was refused."""

    code: str
    message: str


class Error(Content):
    """A request that was refused."""

    error: Problem


def step_content(inputs: int, dtype: np.dtype[Any], max_steps: int) -> type[Content]:
    """Return the content of a request that advances a stream."""
    step = _step(inputs, dtype)
    steps = Annotated[list[step], Field(min_length=1, max_length=max_steps)]
    either: Any = Annotated[Annotated[step, Tag("step")] | Annotated[steps, Tag("steps")], Discriminator(_form)]
    text = f"A step of {_numbers(inputs)}, or a list of such steps."
    return create_model("Steps", __base__=Content, x=(either, Field(description=text)))


def sequences_content(inputs: int, dtype: np.dtype[Any], max_steps: int, max_sequences: int) -> type[Content]:
    """Return the content of a request that runs whole sequences."""
    sequence = Annotated[list[_step(inputs, dtype)], Field(min_length=1, max_length=max_steps)]
    sequences: Any = Annotated[list[sequence], Field(min_length=1, max_length=max_sequences)]
    text = f"Sequences of steps of {_numbers(inputs)}, each from the state zero; {max_steps} steps in all at most."
    return create_model("Sequences", __base__=Content, x=(sequences, Field(description=text)))


def _step(inputs: int, dtype: np.dtype[Any]) -> Any:
    largest = float(np.finfo(dtype).max)
    number = Annotated[float, Field(ge=-largest, le=largest, allow_inf_nan=False)]
    return Annotated[list[number], Field(min_length=inputs, max_length=inputs)]


def _numbers(inputs: int) -> str:
    return f"{inputs} number{'s' if inputs > 1 else ''}"


def _form(x: Any) -> str:
    return "steps" if isinstance(x, list) and x and isinstance(x[0], list) else "step"
