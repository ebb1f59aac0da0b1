"""The contents of requests and responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, create_model

if TYPE_CHECKING:
    from throughtime.runtime import StreamingNetwork
    from throughtime.serve.limits import Limits

Step = list[float]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CreateStream(_Strict):
    """A stream to create."""

    snapshot: str | None = Field(None, description="State to start from; zero if missing.")


class Stream(_Strict):
    """A stream."""

    id: str


class Outputs(_Strict):
    """Outputs in the form of the inputs."""

    y: Step | list[Step]


class SequenceOutputs(_Strict):
    """Outputs of whole sequences."""

    y: list[list[Step]]


class Snapshot(_Strict):
    """The state of a stream, for this model alone."""

    snapshot: str


class Status(_Strict):
    """Whether the server works."""

    status: str


class Problem(_Strict):
    """Why a request was refused."""

    code: str
    message: str


class Error(_Strict):
    """A request that was refused."""

    error: Problem


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of responses of these statuses."""
    texts = {
        400: "The body is not JSON.",
        401: "The token is missing or wrong.",
        404: "The stream does not exist.",
        405: "The method does not exist here.",
        413: "The body is too large.",
        422: "The content does not fit the model.",
        429: "A limit is reached; try again after `Retry-After` seconds.",
        503: "The server is shutting down.",
        504: "The request took too long.",
    }
    return {status: {"model": Error, "description": texts[status]} for status in statuses}


class InputSchemas(NamedTuple):
    """The contents of requests for a network, with its sizes.

    Attributes:
        steps: a step or several of one stream, `x`.
        sequences: whole sequences, `x`.
    """

    steps: type[BaseModel]
    sequences: type[BaseModel]

    @classmethod
    def of(cls, network: StreamingNetwork, limits: Limits) -> InputSchemas:
        """Return the schemas for a network."""
        largest, size = float(np.finfo(network.dtype).max), network.input_size
        number: Any = Annotated[float, Field(ge=-largest, le=largest, allow_inf_nan=False)]
        step: Any = Annotated[list[number], Field(min_length=size, max_length=size)]
        sequence: Any = Annotated[list[step], Field(min_length=1, max_length=limits.steps)]
        sequences: Any = Annotated[list[sequence], Field(min_length=1, max_length=limits.queue)]
        text = f"A step of {size} numbers, or a list of such steps."
        several = (
            f"Sequences of steps of {size} numbers, each from the state zero; {limits.steps} steps in all at most."
        )
        return cls(
            create_model("Steps", __base__=_Strict, x=(step | sequence, Field(description=text))),
            create_model("Sequences", __base__=_Strict, x=(sequences, Field(description=several))),
        )
