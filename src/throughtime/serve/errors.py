"""Errors of the server, as clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def invalid(message: str) -> RequestError:
    """Return the error for content that does not fit the model."""
    return RequestError(422, "invalid", message)


def not_found(stream: str) -> RequestError:
    """Return the error for a stream that does not exist."""
    message = f"stream {stream[:64]!r} does not exist; create one by POST /v1/streams"
    return RequestError(404, "stream_not_found", message)


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
