"""Errors of the server, as clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES = {
    400: "The body is not a JSON object.",
    401: "The token is missing or wrong.",
    404: "It does not exist.",
    405: "The method does not exist here.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "The content does not fit the model.",
    429: "A limit is reached; try again after `Retry-After` seconds.",
    500: "The server failed.",
    503: "The server is shutting down.",
    504: "The request took too long.",
}
"""What the responses of a status mean."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        code: a name for programs.
        message: a sentence for people.
        headers: of the response.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """The content of the response."""
        return {"error": {"code": self.code, "message": str(self)}}


def not_json() -> RequestError:
    """Return the error for a body that is not a JSON object."""
    message = "expected a JSON object, with the header Content-Type: application/json"
    return RequestError(400, "not_json", message)


def unauthorized() -> RequestError:
    """Return the error for a token that is missing or wrong."""
    message = "expected the header Authorization: Bearer with the token of this server"
    return RequestError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


def not_found(stream: str) -> RequestError:
    """Return the error for a stream that does not exist."""
    message = f"stream {stream[:64]!r} does not exist; create one by POST /v1/streams"
    return RequestError(404, "stream_not_found", message)


def slow_body(seconds: float) -> RequestError:
    """Return the error for a body that does not arrive."""
    return RequestError(
        408, "slow_body", f"the body did not arrive within {seconds:g} seconds", {"Connection": "close"}
    )


def too_large(limit: int) -> RequestError:
    """Return the error for a body that is too large."""
    return RequestError(413, "too_large", f"the body has more than {limit} bytes", {"Connection": "close"})


def invalid(message: str) -> RequestError:
    """Return the error for content that does not fit the model."""
    return RequestError(422, "invalid", message)


def too_many_streams(limit: int) -> RequestError:
    """Return the error for a stream beyond the limit."""
    message = f"the server holds its limit of {limit} streams; delete one, or try again later"
    return RequestError(429, "too_many_streams", message, {"Retry-After": "10"})


def overloaded(limit: int) -> RequestError:
    """Return the error for a request that finds the queue full."""
    message = f"{limit} requests are waiting already; try again later"
    return RequestError(429, "queue_full", message, {"Retry-After": "1"})


def draining() -> RequestError:
    """Return the error for a request to a server that ends."""
    return RequestError(503, "draining", "the server is shutting down", {"Retry-After": "1"})


def timed_out(seconds: float) -> RequestError:
    """Return the error for a request that took too long."""
    return RequestError(504, "timeout", f"the request was not answered within {seconds:g} seconds")
