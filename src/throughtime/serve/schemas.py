"""The contents of requests and responses."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]
Step = list[Number]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CreateStream(_Strict):
    """A stream to create."""

    snapshot: str | None = Field(None, description="State to start from; zero if missing.")


class Stream(_Strict):
    """A stream."""

    id: str


class Steps(_Strict):
    """Inputs of one step, or of several steps."""

    x: Step | list[Step] = Field(description="I numbers, or a list of such steps.", examples=[[0.5], [[0.5], [0.25]]])


class Outputs(_Strict):
    """Outputs in the form of the inputs."""

    y: Step | list[Step]


class Sequences(_Strict):
    """Whole sequences, each from the state zero."""

    x: list[list[Step]] = Field(description="Sequences of steps of I numbers.", examples=[[[[0.5], [0.25]]]])


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
