"""A call from its begin to its end: takes what the engine tells, calls the listeners, and stops the engine when something
here fails.

Listeners are called where the call is waited for: by the thread that called ``download_file``, or by the event loop. So calls
come one at a time and in order, what a listener raises is raised where it belongs, and a Ctrl-C is handled as Python does.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from contextlib import suppress
from typing import Any, Callable, Dict, Mapping, Optional

from . import _tosget
from ._arguments import DownloadArguments
from ._dialect import Dialect
from ._failure import exception_of, refused
from ._progress import Bar, bar_of
from .checkpoint import CancelHook
from .models2 import DownloadEvent, DownloadPart

__all__ = ["DownloadCall", "wait_for"]

# How long the engine is waited for before Python gets to look at signals, and at hooks that can't call us. A Ctrl-C is to
# have an effect within 0.1 s; most of that is for what the engine has to do then, and for a busy machine.
PATIENCE = 0.02

# For where there is nothing to look at: Python handles signals on its main thread only.
LONG_PATIENCE = 10.0

_OWN_EVENTS = 100
_ABORTED, _RENAME_FAILED = 5, 7
# What a listener is told of each event, in the official package's order.
_PLACE = ("bucket", "key", "version_id", "file_path", "checkpoint_file", "temp_file")

News = tuple[str, Dict[str, Any]]

# What is under way in this process, so that an interpreter that ends can stop it in order.
running: weakref.WeakSet[_tosget.Operation] = weakref.WeakSet()


def keep_standard_streams() -> None:
    """Opens those that are closed on nothing. Else a file of ours would get the number of one, and with it whatever is said there."""
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)


keep_standard_streams()


def is_last(news: Optional[News]) -> bool:
    return news is not None and news[0] not in ("transfer", "event")


def wait_for(operation: _tosget.Operation, dialect: Dialect) -> Dict[str, Any]:
    """Waits for a call without listeners."""
    running.add(operation)
    patience = _patience()
    try:
        news = operation.next(patience)
        while not is_last(news):
            news = operation.next(patience)
    except BaseException:
        stop(operation)
        raise
    finally:
        running.discard(operation)
    assert news is not None
    return result_of(news, dialect)


def result_of(news: News, dialect: Dialect) -> Dict[str, Any]:
    kind, told = news
    if kind == "failed":
        raise exception_of(told, dialect)
    return told


def stop(operation: _tosget.Operation) -> None:
    """Stops a download and waits until what has arrived is recorded. Another Ctrl-C ends the waiting."""
    operation.cancel(False)
    patience = _patience()
    while not is_last(operation.next(patience)):
        pass


def _patience() -> float:
    is_main = threading.current_thread() is threading.main_thread()
    return PATIENCE if is_main else LONG_PATIENCE


class DownloadCall:
    """One download with its listeners."""

    def __init__(
        self,
        begin: Callable[[Mapping[str, Any]], _tosget.Operation],
        arguments: DownloadArguments,
        dialect: Dialect,
        *,
        is_custom_domain: bool,
        is_meta_raw: Optional[bool],
    ) -> None:
        self._begin = begin
        self._arguments = arguments
        self._dialect = dialect
        self._is_meta_raw = is_meta_raw
        self._request = arguments.request(dialect, is_custom_domain)
        # What was asked for by `cancel`: perhaps before there is anything to cancel.
        self._is_abort: Optional[bool] = None
        self.operation: Optional[_tosget.Operation] = None

    def run(self) -> Any:
        """Downloads; calls the listeners on this thread."""
        with self._listening() as listeners:
            operation = self._start()
            patience = PATIENCE if self._is_hook_asked else _patience()
            try:
                news = self._next(operation, patience)
                while not is_last(news):
                    if news is not None:
                        listeners.tell(news)
                    news = self._next(operation, patience)
            except BaseException:
                stop(operation)
                raise
            finally:
                self._end(operation)
            assert news is not None
            return self._output(news)

    async def run_async(self) -> Any:
        """Downloads; calls the listeners on the event loop."""
        async with self._listening() as listeners:
            operation = self._start()
            waiter = _Waiter(operation, PATIENCE if self._is_hook_asked else None)
            try:
                news = self._next(operation, 0)
                while not is_last(news):
                    if news is None:
                        await waiter.wait()
                    else:
                        listeners.tell(news)
                        # Others on the loop get their turn, however much there is to tell.
                        await asyncio.sleep(0)
                    news = self._next(operation, 0)
            except BaseException:
                await stop_async(operation, waiter)
                raise
            finally:
                self._end(operation)
            assert news is not None
            return self._output(news)

    def cancel(self, is_abort: bool) -> None:
        """Stops the download, as soon as it has begun; from any thread. The first call decides."""
        if self._is_abort is None:
            self._is_abort = is_abort
        if self.operation is not None:
            self.operation.cancel(self._is_abort)

    def _listening(self) -> _Listeners:
        return _Listeners(self._arguments, self._dialect, lambda: bool(self._is_abort))

    def _start(self) -> _tosget.Operation:
        keep_standard_streams()
        operation = refused(lambda: self._begin(self._request), self._dialect)
        self.operation = operation
        running.add(operation)
        hook = self._arguments.cancel_hook
        if isinstance(hook, CancelHook):
            hook._watch(self)
        if self._is_abort is not None:
            operation.cancel(self._is_abort)
        return operation

    def _end(self, operation: _tosget.Operation) -> None:
        running.discard(operation)
        hook = self._arguments.cancel_hook
        if isinstance(hook, CancelHook):
            hook._forget(self)

    def _next(self, operation: _tosget.Operation, patience: float) -> Optional[News]:
        if self._is_hook_asked:
            self._ask_hook()
        return operation.next(patience)

    @property
    def _is_hook_asked(self) -> bool:
        """A hook of the official package, or one that decides for itself, can't call us."""
        hook = self._arguments.cancel_hook
        return hook is not None and (
            not isinstance(hook, CancelHook) or type(hook).is_cancel is not CancelHook.is_cancel
        )

    def _ask_hook(self) -> None:
        try:
            self._arguments.cancel_hook.is_cancel()
        except Exception as error:
            names = [kind.__name__ for kind in type(error).__mro__]
            if "CancelError" not in names:
                raise
            self.cancel("CancelWithAbortError" in names)

    def _output(self, news: News) -> Any:
        return self._dialect.download_output(result_of(news, self._dialect), self._is_meta_raw)


class _Listeners:
    """Who hears of a download."""

    def __init__(
        self, arguments: DownloadArguments, dialect: Dialect, is_aborted: Callable[[], bool]
    ) -> None:
        self._arguments = arguments
        self._dialect = dialect
        self._is_aborted = is_aborted
        self._bar: Optional[Bar] = bar_of(arguments.progress, os.path.basename(arguments.key), dialect)

    def __enter__(self) -> _Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    async def __aenter__(self) -> _Listeners:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._bar is not None:
            await self._bar.close_async()

    def tell(self, news: News) -> None:
        kind, told = news
        if kind == "transfer":
            self._tell_transfer(told)
        else:
            self._tell_event(told)

    def _tell_transfer(self, told: Mapping[str, Any]) -> None:
        consumed, total = told["consumed_bytes"], told["total_bytes"]
        if self._bar is not None:
            self._bar.show(consumed, total)
        listener = self._arguments.data_transfer_listener
        if listener is not None:
            transfer_type = self._dialect.transfer_type(told["data_transfer_type"])
            listener(consumed, total, told["rw_once_bytes"], transfer_type)

    def _tell_event(self, told: Mapping[str, Any]) -> None:
        number = told["event_type"]
        part = told["download_part"] and DownloadPart(**told["download_part"])
        error = told["error"] and self._error(number, told["error"])
        place = {name: told[name] for name in _PLACE}
        listener = self._arguments.download_event_listener
        if listener is not None and number < _OWN_EVENTS:
            listener(self._dialect.event_type(number), error, *place.values(), part)
        listener = self._arguments.event_listener
        if listener is not None:
            event_type = self._dialect.event_type(number)
            listener(
                DownloadEvent(
                    event_type=event_type, error=error, download_part=part, details=told["details"], **place
                )
            )

    def _error(self, number: int, told: Mapping[str, Any]) -> BaseException:
        exceptions = self._dialect.exceptions
        error: BaseException = exception_of(told, self._dialect)
        if number == _ABORTED and told["kind"] == "Canceled":
            kind = exceptions.CancelWithAbortError if self._is_aborted() else exceptions.CancelNotWithAbortError
            error = kind(told["message"])
        elif number == _RENAME_FAILED:
            error = exceptions.RenameFileError(error)
        return error


async def stop_async(operation: _tosget.Operation, waiter: _Waiter) -> None:
    """As :func:`stop`; another cancel ends the waiting."""
    operation.cancel(False)
    news = operation.next(0)
    while not is_last(news):
        # Only when there is nothing: the engine does not call twice.
        if news is None:
            await waiter.wait()
        news = operation.next(0)


class _Waiter:
    """Wakes a coroutine when the engine has something to tell."""

    def __init__(self, operation: _tosget.Operation, patience: Optional[float]) -> None:
        self._patience = patience
        self._woken = woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        operation.on_news(wake)

    async def wait(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), self._patience)
        except asyncio.TimeoutError:
            pass
        self._woken.clear()
