"""Progress bars of others: tqdm's and rich's."""

from __future__ import annotations

import importlib
from typing import Any, Optional, Protocol

from ._dialect import Dialect

__all__ = ["Bar", "bar_of"]


class Bar(Protocol):
    """Something that shows how far a download is."""

    def show(self, consumed_bytes: int, total_bytes: int) -> None: ...
    def close(self) -> None: ...


def bar_of(progress: Any, name: str, dialect: Dialect) -> Optional[Bar]:
    """The bar that a caller asked for with ``progress``."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _new_bar(name, dialect)
    if callable(getattr(progress, "add_task", None)) and callable(getattr(progress, "update", None)):
        return _Rich(progress, name)
    if callable(getattr(progress, "update", None)) and hasattr(progress, "total"):
        return _Tqdm(progress)
    raise dialect.client_error(
        f"progress is {progress!r}: it must be True, a tqdm bar or a rich.progress.Progress"
    )


def _new_bar(name: str, dialect: Dialect) -> Bar:
    tqdm = _module("tqdm.auto")
    if tqdm is not None:
        bar = tqdm.tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024)
        return _Tqdm(bar, is_ours=True)
    rich = _module("rich.progress")
    if rich is not None:
        columns = (
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.DownloadColumn(binary_units=True),
            rich.TransferSpeedColumn(),
            rich.TimeRemainingColumn(),
        )
        return _Rich(rich.Progress(*columns), name, is_ours=True)
    raise dialect.client_error("progress=True needs tqdm or rich: neither is installed")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _Tqdm:
    def __init__(self, bar: Any, is_ours: bool = False) -> None:
        self._bar = bar
        self._is_ours = is_ours
        self._is_begun = False

    def show(self, consumed_bytes: int, total_bytes: int) -> None:
        if not self._is_begun:
            self._is_begun = True
            # What was there before did not come now: it must not count as speed.
            self._bar.total = total_bytes
            self._bar.initial = self._bar.n = consumed_bytes
            self._bar.refresh()
        self._bar.update(consumed_bytes - self._bar.n)

    def close(self) -> None:
        if self._is_ours:
            self._bar.close()
        else:
            self._bar.refresh()


class _Rich:
    def __init__(self, progress: Any, name: str, is_ours: bool = False) -> None:
        self._progress = progress
        self._is_ours = is_ours
        self._name = name
        self._task: Any = None

    def show(self, consumed_bytes: int, total_bytes: int) -> None:
        if self._task is None:
            if self._is_ours:
                self._progress.start()
            self._task = self._progress.add_task(self._name, total=total_bytes, completed=consumed_bytes)
        self._progress.update(self._task, completed=consumed_bytes)

    def close(self) -> None:
        if self._is_ours and self._task is not None:
            self._progress.stop()
