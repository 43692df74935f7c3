"""A download that runs beside its caller."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from typing import Any, Callable, Optional, cast

from . import _tosget
from ._calls import DownloadCall, running
from ._failure import CANCELED
from .exceptions import TosClientError
from .models2 import DownloadFileOutput, ProgressSnapshot

__all__ = ["Download"]

# An interpreter that ends gives its downloads this long, all of them together, to record what has arrived; they need some
# milliseconds.
_FAREWELL = 5.0


class Download:
    """A download that runs on a thread of its own, on which its listeners are called as well.

    Made by :meth:`tosget.TosClientV2.download`. It goes on if nobody holds it, and is stopped, with its checkpoint kept,
    when the interpreter ends.

    >>> import tosget as tos
    >>> def fetch(client: tos.TosClientV2) -> None:
    ...     download = client.download("bucket-test", "object-test", "/data/object")
    ...     download.pause()
    ...     print(download.state, download.progress().consumed_bytes)
    ...     download.resume()
    ...     print(download.wait().verification)
    """

    def __init__(self, call: DownloadCall, again: Callable[[], DownloadCall], has_checkpoint: bool) -> None:
        self._call = call
        self._again = again
        self._has_checkpoint = has_checkpoint
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._is_pause_wanted = False
        self._is_paused = False
        self._is_abort: Optional[bool] = None
        self._is_done = False
        self._output: Any = None
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._work, name="tosget-download", daemon=True)
        self._thread.start()
        _THREADS.add(self._thread)

    @property
    def state(self) -> str:
        """``running``, ``paused``, ``succeeded``, ``canceled`` or ``failed``.

        >>> import tosget as tos
        >>> def is_well(download: tos.Download) -> bool:
        ...     return download.state not in ("canceled", "failed")
        """
        with self._changed:
            if not self._is_done:
                return "paused" if self._is_paused else "running"
            if self._error is None:
                return "succeeded"
            return "canceled" if _is_cancel(self._error) else "failed"

    def done(self) -> bool:
        """Whether it has ended, in whatever way.

        >>> import tosget as tos
        >>> def ended(downloads: list[tos.Download]) -> list[tos.Download]:
        ...     return [download for download in downloads if download.done()]
        """
        return self._is_done

    def progress(self) -> ProgressSnapshot:
        """How far it is now; before the server has answered, all numbers are 0.

        >>> import tosget as tos
        >>> def show(download: tos.Download) -> None:
        ...     now = download.progress()
        ...     print(f"{now.consumed_bytes} of {now.total_bytes} bytes")
        """
        self._check_process()
        operation = self._call.operation
        return ProgressSnapshot() if operation is None else ProgressSnapshot(**operation.progress())

    def pause(self) -> None:
        """Stops it until :meth:`resume`; no connection is kept. When this returns, nothing is in flight any more (unless
        a listener of this download calls it: that can't wait for itself).

        A pause is an end with the checkpoint kept, and :meth:`resume` is the same call again; listeners are told so.
        What has ended stays as it is.

        :raises TosClientError: if the download keeps no checkpoint.

        >>> import tosget as tos
        >>> def let_others_go_first(download: tos.Download, others: list[tos.Download]) -> None:
        ...     download.pause()
        ...     for other in others:
        ...         other.wait()
        ...     download.resume()
        """
        self._check_process()
        if not self._has_checkpoint:
            raise TosClientError("a download with enable_checkpoint=False can't be paused: nothing would be kept")
        with self._changed:
            if self._is_done:
                return
            self._is_pause_wanted = True
            self._call.cancel(False)
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._is_paused or self._is_done)

    def resume(self) -> None:
        """Goes on after :meth:`pause`.

        >>> import tosget as tos
        >>> def go_on(downloads: list[tos.Download]) -> None:
        ...     for download in downloads:
        ...         download.resume()
        """
        self._check_process()
        with self._changed:
            self._is_pause_wanted = False
            self._changed.notify_all()

    def cancel(self, is_abort: bool = False) -> None:
        """Stops it: :meth:`wait` raises ``TosClientError('the task is canceled')``. ``is_abort=True`` removes checkpoint
        and temporary file, ``False`` keeps them. The first call decides.

        >>> import tosget as tos
        >>> def forget(download: tos.Download) -> None:
        ...     download.cancel(is_abort=True)
        """
        self._check_process()
        with self._changed:
            if self._is_abort is None:
                self._is_abort = bool(is_abort)
            self._call.cancel(self._is_abort)
            self._changed.notify_all()

    def wait(self, timeout: Optional[float] = None) -> DownloadFileOutput:
        """Waits for the end, and returns or raises what :meth:`tosget.TosClientV2.download_file` would.

        :param timeout: seconds to wait at most (default: as long as it takes).
        :raises TimeoutError: if it has not ended by then; the download goes on.

        >>> import tosget as tos
        >>> def etag(download: tos.Download) -> str | None:
        ...     return download.wait(timeout=60).etag
        """
        self._check_process()
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_done, timeout):
                raise TimeoutError(f"the download has not ended within {timeout} s")
        if self._error is not None:
            raise self._error
        return cast(DownloadFileOutput, self._output)

    def _work(self) -> None:
        try:
            self._output = self._run_to_the_end()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._is_done = True
                self._changed.notify_all()

    def _run_to_the_end(self) -> Any:
        while True:
            try:
                return self._call.run()
            except Exception as error:
                if not _is_cancel(error) or not self._is_to_go_on():
                    raise

    def _is_to_go_on(self) -> bool:
        """Whether that was a pause; waits for its end."""
        with self._changed:
            if not self._is_pause_wanted:
                return False
            self._is_paused = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_pause_wanted or self._is_abort is not None)
            self._is_pause_wanted = self._is_paused = False
            self._call = self._again()
            if self._is_abort is not None:
                # The call again, so that what the pause left is removed where that is wanted.
                self._call.cancel(self._is_abort)
        return True

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise RuntimeError("this download belongs to the process that this one was forked from")


# Of downloads that have not ended.
_THREADS: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


@atexit.register
def _farewell() -> None:
    """Stops what is under way, and waits until what has arrived is recorded and no thread of the engine's comes back."""
    end = time.monotonic() + _FAREWELL
    for operation in list(running):
        operation.cancel(False)
    for thread in list(_THREADS):
        thread.join(max(0.0, end - time.monotonic()))
    # Of downloads that are waited for by others' threads.
    while running and time.monotonic() < end:
        time.sleep(0.005)
    _tosget.wait_until_idle(max(0.0, end - time.monotonic()))


def _is_cancel(error: BaseException) -> bool:
    return isinstance(error, TosClientError) and error.message == CANCELED
