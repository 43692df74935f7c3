"""Progress bars of others: tqdm's and rich's.

A bar never fails, stops or slows a download, whatever its stream does: it is drawn by a thread of its own.
"""

from __future__ import annotations

import importlib
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any, Callable, Optional, Protocol, Tuple

from . import _apart
from ._dialect import Dialect
from ._stream import Stream, is_ready, stream_to

__all__ = ["Bar", "bar_of"]


def bar_of(progress: Any, name: str, dialect: Dialect) -> Optional[Bar]:
    """The bar that a caller asked for with ``progress``."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return Bar(_new_drawing(name, dialect))
    if callable(getattr(progress, "add_task", None)) and callable(getattr(progress, "update", None)):
        return Bar(lambda: _Rich(progress, name))
    if callable(getattr(progress, "update", None)) and hasattr(progress, "total"):
        return Bar(lambda: _Tqdm(progress))
    raise dialect.client_error(
        f"progress is {progress!r}: it must be True, a tqdm bar or a rich.progress.Progress"
    )


class _Drawing(Protocol):
    """Something that shows how far a download is."""

    def show(self, consumed_bytes: int, total_bytes: int) -> None: ...
    def close(self) -> None: ...


class Bar:
    """A bar that is drawn by a thread of its own, which always shows the latest."""

    def __init__(self, make: Callable[[], _Drawing]) -> None:
        self._make = make
        self._latest: Optional[Tuple[int, int]] = None
        self._is_ended = False
        self._changed = threading.Event()
        self._thread = _apart.begin(self._work)

    def show(self, consumed_bytes: int, total_bytes: int) -> None:
        self._latest = consumed_bytes, total_bytes
        self._changed.set()

    def close(self) -> None:
        """Waits until the end is drawn, but not for long."""
        _apart.wait_for(self._end())

    async def close_async(self) -> None:
        """As :meth:`close`; the event loop goes on."""
        await _apart.wait_for_async(self._end())

    def _end(self) -> Optional[threading.Thread]:
        self._is_ended = True
        self._changed.set()
        return self._thread

    def _work(self) -> None:
        drawing = self._make()
        try:
            is_ended = False
            while not is_ended:
                self._changed.wait()
                self._changed.clear()
                # In this order: nothing comes after the end.
                is_ended = self._is_ended
                if self._latest is not None:
                    drawing.show(*self._latest)
        finally:
            drawing.close()


def _new_drawing(name: str, dialect: Dialect) -> Callable[[], _Drawing]:
    tqdm = _module("tqdm.auto")
    if tqdm is not None:
        stderr = sys.stderr
        return lambda: _new_tqdm(tqdm.tqdm, name, stream_to(stderr))
    rich = _module("rich.progress")
    if rich is not None:
        stdout = sys.stdout
        return lambda: _new_rich(rich, name, stream_to(stdout))
    raise dialect.client_error("progress=True needs tqdm or rich: neither is installed")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _new_tqdm(kind: Any, name: str, stream: Stream) -> _Drawing:
    if not stream.never_waits:
        # It shares nothing with the bars of others, which would wait for this one.
        own = {"_lock": threading.RLock(), "_instances": weakref.WeakSet(), "monitor_interval": 0}
        kind = type(kind.__name__, (kind,), own)
    bar = kind(desc=name, unit="B", unit_scale=True, unit_divisor=1024, file=stream)
    return _Tqdm(bar, stream)


def _new_rich(rich: Any, name: str, stream: Stream) -> _Drawing:
    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(binary_units=True),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
    )
    console = importlib.import_module("rich.console").Console(file=stream)
    # What others print must not depend on a bar.
    progress = rich.Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
    return _Rich(progress, name, stream)


class _Tqdm:
    def __init__(self, bar: Any, ours: Optional[Stream] = None) -> None:
        self._bar = bar
        self._ours = ours
        self._is_begun = False

    def show(self, consumed_bytes: int, total_bytes: int) -> None:
        if not self._is_begun:
            self._is_begun = True
            # What was there before did not come now: it must not count as speed.
            self._bar.total = total_bytes
            self._bar.initial = self._bar.n = consumed_bytes
            self._draw(self._bar.refresh)
        if not self._draw(lambda: self._bar.update(consumed_bytes - self._bar.n)):
            self._bar.n = consumed_bytes

    def close(self) -> None:
        if self._ours is None:
            self._draw(self._bar.refresh)
            return
        try:
            self._draw(self._bar.close)
        finally:
            self._ours.close()

    def _draw(self, draw: Callable[[], object]) -> bool:
        """Draws, if the stream takes something: who waits for a stream holds the lock of all bars."""
        stream = getattr(self._bar, "fp", None)
        if not is_ready(getattr(stream, "_wrapped", stream)):
            return False
        try:
            draw()
        except BaseException:
            # tqdm keeps the lock when a stream raises.
            with suppress(BaseException):
                self._bar.get_lock().release()
            raise
        return True


class _Rich:
    def __init__(self, progress: Any, name: str, ours: Optional[Stream] = None) -> None:
        self._progress = progress
        self._ours = ours
        self._name = name
        self._task: Any = None

    def show(self, consumed_bytes: int, total_bytes: int) -> None:
        if self._task is None:
            if self._ours is not None:
                self._progress.start()
            self._task = self._progress.add_task(self._name, total=total_bytes, completed=consumed_bytes)
        self._progress.update(self._task, completed=consumed_bytes)

    def close(self) -> None:
        if self._ours is None:
            return
        try:
            if self._task is not None:
                self._progress.stop()
        finally:
            self._ours.close()
