"""A limit on how fast bytes are taken in.

>>> from tosget.utils import RateLimiter
>>> RateLimiter(rate=5 * 1024 * 1024, capacity=10 * 1024 * 1024)
RateLimiter(rate=5242880, capacity=10485760)
"""

from __future__ import annotations

from typing import Any

from . import _tosget
from ._failure import refused
from .exceptions import TosClientError

__all__ = ["RateLimiter"]


class RateLimiter:
    """A token bucket: ``rate`` bytes per second on average, and bursts of up to ``capacity`` bytes after a pause.

    Any number of downloads may share one; together they keep to it. Any numbers from 1 on will do. A child of a fork
    has a bucket of its own with the same numbers.

    >>> import tosget as tos
    >>> limiter = tos.RateLimiter(rate=5 * 1024 * 1024, capacity=10 * 1024 * 1024)
    >>> limiter.set_rate(20 * 1024 * 1024)  # from now on, also for downloads that are running
    >>> limiter.rate
    20971520
    """

    def __init__(self, rate: float, capacity: float) -> None:
        self._native = refused(
            lambda: _tosget.RateLimiter(_whole("rate", rate), _whole("capacity", capacity))
        )

    @property
    def rate(self) -> int:
        """Bytes per second.

        >>> import tosget as tos
        >>> tos.RateLimiter(rate=1000, capacity=5000).rate
        1000
        """
        return self._native.rate

    @property
    def capacity(self) -> int:
        """Bytes of a burst.

        >>> import tosget as tos
        >>> tos.RateLimiter(rate=1000, capacity=5000).capacity
        5000
        """
        return self._native.capacity

    def set_rate(self, rate: float) -> None:
        """Another rate from now on, in bytes per second; also for downloads that are running.

        >>> import tosget as tos
        >>> limiter = tos.RateLimiter(rate=1000, capacity=5000)
        >>> limiter.set_rate(2000)
        >>> limiter
        RateLimiter(rate=2000, capacity=5000)
        """
        refused(lambda: self._native.set_rate(_whole("rate", rate)))

    def set_capacity(self, capacity: float) -> None:
        """Another capacity from now on, in bytes.

        >>> import tosget as tos
        >>> limiter = tos.RateLimiter(rate=1000, capacity=5000)
        >>> limiter.set_capacity(8000)
        >>> limiter
        RateLimiter(rate=1000, capacity=8000)
        """
        refused(lambda: self._native.set_capacity(_whole("capacity", capacity)))

    def reset(self) -> RateLimiter:
        """A new bucket with the same numbers.

        >>> import tosget as tos
        >>> tos.RateLimiter(rate=1000, capacity=5000).reset()
        RateLimiter(rate=1000, capacity=5000)
        """
        return RateLimiter(self.rate, self.capacity)

    def __repr__(self) -> str:
        return f"RateLimiter(rate={self.rate}, capacity={self.capacity})"


def _whole(name: str, number: Any) -> int:
    """Bytes are whole, but people compute them."""
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not is_number or not 1 <= number < 2**63:
        raise TosClientError(f"{name} of a rate limiter is {number!r}: it must be a number of bytes, at least 1")
    return int(number)
