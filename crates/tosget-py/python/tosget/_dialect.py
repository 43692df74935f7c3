"""Whose classes a call speaks in: tosget's own, or those of the official package where it is accelerated."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Mapping, Optional

from . import enum, exceptions, models2
from ._answer import Answer, of_object

__all__ = ["OWN", "Dialect"]

# What our exceptions know beyond the official ones'; see `exceptions.TosError`.
_UNKNOWN = {"kind": "Other", "hint": None, "checkpoint": None, "is_transient": False, "is_resumable": False}


class Dialect:
    """The classes of one package: the official package's modules and ours have the same names in them."""

    def __init__(
        self, exceptions_of: ModuleType, enum_of: ModuleType, models_of: ModuleType, output: Optional[type] = None
    ) -> None:
        self.exceptions: Any = exceptions_of
        self.transfer_type: Any = enum_of.DataTransferType
        self.event_type: Any = enum_of.DownloadEventType
        self._head: Any = models_of.HeadObjectOutput
        self._output: Any = output or type("DownloadFileOutput", (models2.Outcome, self._head), {})

    def client_error(
        self, message: str, cause: Optional[BaseException] = None, **known: Any
    ) -> Exception:
        error: Exception = self.exceptions.TosClientError(message, cause)
        error.__cause__ = cause
        return _with(error, {"kind": "InvalidArgument", **known})

    def server_error(self, server: Mapping[str, Any], **known: Any) -> Exception:
        answer = Answer(server["status_code"], server["headers"], server["request_id"])
        error: Exception = self.exceptions.TosServerError(
            answer, server["message"], server["code"], server["host_id"], server["resource"], server["ec"]
        )
        return _with(error, {**known, "request_url": server["request_url"]})

    def head_output(self, told: Mapping[str, Any], disable_encoding_meta: Optional[bool]) -> Any:
        return self._head(Answer(200, told["headers"]), disable_encoding_meta)

    def download_output(self, told: Mapping[str, Any], disable_encoding_meta: Optional[bool]) -> Any:
        output = self._output(of_object(told["object"]), disable_encoding_meta)
        output._add(told)
        return output


def _with(error: Exception, known: Mapping[str, Any]) -> Exception:
    if not isinstance(error, exceptions.TosError):
        vars(error).update(_UNKNOWN, is_resumable=known.get("checkpoint") is not None)
    vars(error).update(known)
    hint = known.get("hint")
    # Shown below a traceback, from Python 3.11 on.
    if hint is not None and hasattr(error, "add_note"):
        error.add_note(f"hint: {hint}")
    return error


OWN = Dialect(exceptions, enum, models2, models2.DownloadFileOutput)
