"""Canceling a download from outside.

>>> import tosget as tos
>>> hook = tos.checkpoint.CancelHook()
>>> def fetch(client: tos.TosClientV2) -> None:
...     client.download_file("bucket-test", "object-test", "/data/object", cancel_hook=hook)
>>> hook.cancel(False)  # by another thread, or by a listener
"""

from __future__ import annotations

import threading
from typing import Any, Optional, Protocol

from .exceptions import CancelNotWithAbortError, CancelWithAbortError

__all__ = ["CancelHook"]


class _Cancelable(Protocol):
    def cancel(self, is_abort: bool) -> None: ...


class CancelHook:
    """Stops the downloads that were given it, at once, from any thread.

    May be subclassed; who overrides :meth:`cancel` calls the inherited one.

    >>> import tosget as tos
    >>> class Noted(tos.checkpoint.CancelHook):
    ...     def cancel(self, is_abort: bool) -> None:
    ...         super().cancel(is_abort=is_abort)
    ...         print("canceled")
    >>> Noted().cancel(False)
    canceled
    """

    _is_cal: bool
    _is_abort: Optional[bool]
    _lock: threading.Lock
    _running: set[_Cancelable]

    # Not in __init__, which a subclass may forget to call.
    def __new__(cls, *_: Any, **__: Any) -> CancelHook:
        hook = super().__new__(cls)
        hook._is_cal = False
        hook._is_abort = None
        hook._lock = threading.Lock()
        hook._running = set()
        return hook

    def cancel(self, is_abort: bool) -> None:
        """Stops the downloads; they raise ``TosClientError('the task is canceled')``.

        ``is_abort=False`` keeps checkpoint and temporary file, so that the same call again goes on; ``True`` removes them.
        The file that was there before stays in either case. For a download the first call decides.

        >>> import tosget as tos
        >>> tos.CancelHook().cancel(is_abort=True)
        """
        with self._lock:
            self._is_cal = True
            self._is_abort = is_abort
            running = list(self._running)
        for download in running:
            download.cancel(bool(is_abort))

    def is_cancel(self) -> None:
        """Raises :class:`~tosget.exceptions.CancelWithAbortError` or
        :class:`~tosget.exceptions.CancelNotWithAbortError` once :meth:`cancel` was called.

        >>> import tosget as tos
        >>> hook = tos.CancelHook()
        >>> hook.is_cancel()
        >>> hook.cancel(False)
        >>> try:
        ...     hook.is_cancel()
        ... except tos.exceptions.CancelNotWithAbortError as error:
        ...     print(error.message)
        the task is canceled
        """
        with self._lock:
            if self._is_cal:
                kind = CancelWithAbortError if self._is_abort else CancelNotWithAbortError
                raise kind("the task is canceled")

    def _watch(self, download: _Cancelable) -> None:
        """From now on the download is stopped, too; at once if the hook was pulled before."""
        with self._lock:
            self._running.add(download)
            is_late, is_abort = self._is_cal, bool(self._is_abort)
        if is_late:
            download.cancel(is_abort)

    def _forget(self, download: _Cancelable) -> None:
        with self._lock:
            self._running.discard(download)
