"""A server's answer, in the shape that the official package's classes read it from."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

__all__ = ["Answer", "Headers"]


class Headers(Mapping[str, str]):
    """Headers, whose names are the same in upper and lower case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return repr(self._headers)


class Answer:
    """The head of an answer; its body has been read."""

    def __init__(self, status: int, headers: Mapping[str, str], request_id: str = "") -> None:
        self.status = status
        self.headers = Headers(headers)
        self.request_id = request_id or self.headers.get("x-tos-request-id", "")

    def read(self, amt: Any = None) -> bytes:
        return b""


# They tell of a range and of how it was sent, not of the object.
_OF_A_RANGE = ("content-range", "x-tos-raw-content-length", "transfer-encoding")


def of_object(told: Mapping[str, Any]) -> Answer:
    """What HEAD would have answered, from the answer to a download's first ranged GET."""
    headers = {name: value for name, value in told["headers"].items() if name not in _OF_A_RANGE}
    headers["content-length"] = str(told["content_length"])
    if told["content_encoding"] is None:
        headers.pop("content-encoding", None)
    else:
        headers["content-encoding"] = told["content_encoding"]
    return Answer(200, headers)
