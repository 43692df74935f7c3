"""What a call raises: the official package's exceptions, with the same attributes and some more.

Every exception of a download is a :class:`TosClientError` (a bad argument, the network, the disk, a cancel …) or a
:class:`TosServerError` (the server said no). Both tell what to do next:

>>> import tosget as tos
>>> try:
...     tos.TosClientV2("ak", "sk", "http://127.0.0.1:9", "cn-beijing").download_file("bucket-test", "k", "")
... except tos.exceptions.TosClientError as error:
...     print(error.message, error.kind, error.is_resumable)
tos: file_path =  is invalid InvalidArgument False
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Protocol

__all__ = [
    "CancelError",
    "CancelNotWithAbortError",
    "CancelWithAbortError",
    "RenameFileError",
    "TosClientError",
    "TosError",
    "TosServerError",
]


class _Answer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def request_id(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class TosError(Exception):
    """What both kinds of errors have in common.

    >>> import tosget as tos
    >>> issubclass(tos.exceptions.TosServerError, tos.exceptions.TosError)
    True
    """

    message: str
    """What happened."""
    request_url: str
    """The URL that was asked for, where one was; without the query of a presigned URL."""
    kind: str
    """What it was about: ``InvalidArgument``, ``Network``, ``Server``, ``Protocol``, ``ObjectChanged``, ``Disk``,
    ``Checkpoint``, ``CheckpointHeld`` (another download is at the same file), ``Verification``, ``Canceled``."""
    hint: Optional[str]
    """What can be done about it, where that is known."""
    checkpoint: Optional[str]
    """The checkpoint that was kept; the same call again goes on from it."""
    is_transient: bool
    """Whether the same call may succeed later without anybody changing anything: network failures, overload."""

    def __init__(
        self,
        status: Optional[int] = None,
        headers: Optional[Mapping[str, str]] = None,
        body: Any = None,
        details: Optional[Mapping[str, str]] = None,
    ) -> None:
        super().__init__()
        self.status = status
        self.headers = headers
        self.body = body
        self.details = details
        if headers:
            self.request_id = headers.get("x-tos-request-id", "")
            self.etag = headers.get("ETag")
        if details:
            self.code = details.get("Code", "")
            self.message = details.get("Message", "")
        self.request_url = ""
        self.kind = "Other"
        self.hint = None
        self.checkpoint = None
        self.is_transient = False

    @property
    def is_resumable(self) -> bool:
        """Whether bytes were kept that the same call again need not fetch.

        >>> import tosget as tos
        >>> tos.TosClientError("a bad argument").is_resumable
        False
        """
        return self.checkpoint is not None


class TosClientError(TosError):
    """A bad argument, a failure of the network or the disk, a cancel.

    ``message`` is ``the task is canceled`` for a cancel and ``http request timeout`` for a failure of the network, as
    in the official package; ``cause`` is the exception behind it, if there is one.

    >>> import tosget as tos
    >>> str(tos.exceptions.TosClientError("the task is canceled"))
    "{'message': 'the task is canceled', 'case': 'None'}"
    """

    def __init__(self, msg: str, cause: Optional[BaseException] = None) -> None:
        super().__init__()
        self.message = msg
        self.cause = cause

    def __str__(self) -> str:
        error = {"message": self.message, "case": str(self.cause)}
        if self.request_url:
            error["request_url"] = self.request_url
        return str(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.message, self.cause), dict(self.__dict__))


class TosServerError(TosError):
    """The server said no.

    >>> import tosget as tos
    >>> def report(error: tos.exceptions.TosServerError) -> None:
    ...     print(error.status_code, error.code, error.message, error.request_id, error.ec, error.request_url)
    """

    def __init__(
        self, resp: _Answer, msg: str, code: str, host_id: str, resource: str, ec: str = ""
    ) -> None:
        super().__init__()
        self.message = msg
        self.request_id: str = resp.request_id
        self.id2: Optional[str] = resp.headers.get("x-tos-id-2")
        self.status_code: int = resp.status
        self.header: Mapping[str, str] = resp.headers
        self.code: str = code
        self.host_id: str = host_id
        self.resource: str = resource
        self.ec: str = ec
        self.key: str = ""

    def __str__(self) -> str:
        error = {
            "message": self.message,
            "request_id": self.request_id,
            "id2": self.id2,
            "status_code": self.status_code,
            "header": self.header,
            "code": self.code,
            "host_id": self.host_id,
            "resource": self.resource,
        }
        if self.ec:
            error["ec"] = self.ec
        if self.request_url:
            error["request_url"] = self.request_url
        return str(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_blank_server_error, (type(self),), dict(self.__dict__))


def _blank_server_error(kind: type[TosServerError]) -> TosServerError:
    return kind.__new__(kind)


class CancelError(Exception):
    """How a cancel looks from inside, in the events of the parts that it stopped.

    >>> import tosget as tos
    >>> issubclass(tos.exceptions.CancelWithAbortError, tos.exceptions.CancelError)
    True
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return str({"message": self.message})


class CancelWithAbortError(CancelError):
    """The caller canceled with ``is_abort=True``: checkpoint and temporary file are removed.

    >>> import tosget as tos
    >>> tos.exceptions.CancelWithAbortError("canceled").message
    'canceled'
    """


class CancelNotWithAbortError(CancelError):
    """The caller canceled with ``is_abort=False``: checkpoint and temporary file are kept.

    >>> import tosget as tos
    >>> tos.exceptions.CancelNotWithAbortError("canceled").message
    'canceled'
    """


class RenameFileError(Exception):
    """The temporary file could not become the file; in the event that tells so.

    >>> import tosget as tos
    >>> tos.exceptions.RenameFileError(OSError("read-only")).message
    'failed to do rename file task'
    """

    def __init__(self, cause: Optional[BaseException]) -> None:
        super().__init__(cause)
        self.cause = cause
        self.message = "failed to do rename file task"

    def __str__(self) -> str:
        return str({"message": self.message, "case": str(self.cause)})
