"""The engine's errors become exceptions here, and nowhere else."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, TypeVar

from . import _tosget
from ._dialect import OWN, Dialect

__all__ = ["exception_of", "refused"]

_T = TypeVar("_T")

CANCELED = "the task is canceled"
# The official package's words for every failure of the network.
_NETWORK = "http request timeout"


def refused(call: Callable[[], _T], dialect: Dialect = OWN) -> _T:
    """Calls the engine; what it refuses is raised as users know it."""
    try:
        return call()
    except _tosget.Failure as failure:
        error = exception_of(failure.args[0], dialect)
    raise error


def exception_of(told: Mapping[str, Any], dialect: Dialect) -> BaseException:
    """The exception for what ended a call."""
    raised: Optional[BaseException] = told["raised"]
    if raised is not None:
        # The user's own, such as a credentials provider's.
        return raised
    known = {name: told[name] for name in ("kind", "hint", "checkpoint", "is_transient")}
    if told["server"] is not None:
        return dialect.server_error(told["server"], **known)
    if told["kind"] == "Canceled":
        return dialect.client_error(CANCELED, **known)
    if told["kind"] == "Network":
        return dialect.client_error(_NETWORK, _os_error(ConnectionError, told), **known)
    if told["kind"] == "Disk":
        return dialect.client_error(told["message"], _os_error(OSError, told), **known)
    causes = ": ".join(told["causes"])
    return dialect.client_error(told["message"], RuntimeError(causes) if causes else None, **known)


def _os_error(kind: type[OSError], told: Mapping[str, Any]) -> OSError:
    text = ": ".join([told["message"], *told["causes"]])
    if told["errno"] is None:
        return kind(text)
    # Python finds the class to the number: ConnectionRefusedError, PermissionError …
    error = OSError(told["errno"], text)
    return error if isinstance(error, kind) else kind(told["errno"], text)
