"""Decoration is done by threads of its own: what it raises gets nowhere, and what hangs is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from contextlib import suppress
from typing import Callable, Optional, Set

__all__ = ["begin", "wait_for", "wait_for_async"]

# How long a call waits at its end for its decoration, in seconds. More than that, and a stream takes nothing.
_PATIENCE = 1.0

# Where so many hang, another one would not be seen either, and each costs a thread.
_MOST_HANGING = 8

# Threads that were not done when their call ended.
_left: Set[threading.Thread] = set()


def begin(work: Callable[[], object]) -> Optional[threading.Thread]:
    """Does the work on a thread of its own, if there is one to be had."""
    context = contextvars.copy_context()

    def run() -> None:
        # Signals are no matter of this thread, so whatever is raised here is the decoration's.
        with suppress(BaseException):
            context.run(work)

    if _hanging() >= _MOST_HANGING:
        return None
    thread = threading.Thread(target=run, name="tosget-decoration", daemon=True)
    try:
        thread.start()
    except Exception:
        return None
    return thread


def wait_for(thread: Optional[threading.Thread]) -> None:
    """Waits until the work is done, but not for long."""
    if thread is not None:
        thread.join(_patience())
        _leave(thread)


async def wait_for_async(thread: Optional[threading.Thread]) -> None:
    """As :func:`wait_for`; the event loop goes on."""
    if thread is not None:
        end = time.monotonic() + _patience()
        while thread.is_alive() and time.monotonic() < end:
            await asyncio.sleep(0.005)
        _leave(thread)


def _patience() -> float:
    """Nothing where some hang: so a stream costs one wait, and not one for each call."""
    return 0 if _hanging() else _PATIENCE


def _leave(thread: threading.Thread) -> None:
    if thread.is_alive():
        _left.add(thread)


def _hanging() -> int:
    for thread in tuple(_left):
        if not thread.is_alive():
            _left.discard(thread)
    return len(_left)
