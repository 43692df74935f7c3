"""The official package's own objects, read so that the engine can do as they say. It need not be installed."""

from __future__ import annotations

import sys
import weakref
from typing import Any, Optional

from . import _tosget

__all__ = ["limiter_of", "module"]

# One bucket of ours for each limiter of theirs, so that downloads that share theirs share ours.
_LIMITERS: weakref.WeakKeyDictionary[Any, _tosget.RateLimiter] = weakref.WeakKeyDictionary()


def module(name: str) -> Any:
    """A module of the official package, if it is loaded; nothing where `tos` is tosget itself."""
    found = sys.modules.get(name)
    return None if getattr(found, "__package__", "").startswith("tosget") else found


def limiter_of(limiter: Any) -> Optional[_tosget.RateLimiter]:
    """A bucket with the rate and the capacity of an official limiter; nothing for anything else."""
    utils = module("tos.utils")
    official = getattr(utils, "RateLimiter", None)
    if official is None or not isinstance(limiter, official) or type(limiter).acquire is not official.acquire:
        return None
    rate, capacity = max(1, int(limiter._rate)), max(1, int(limiter._capacity))
    native = _LIMITERS.setdefault(limiter, _tosget.RateLimiter(rate, capacity))
    if native.rate != rate:
        native.set_rate(rate)
    if native.capacity != capacity:
        native.set_capacity(capacity)
    return native
