"""Streams for bars of our own, which never fail."""

from __future__ import annotations

import io
import os
import select
from contextlib import suppress
from typing import Any, Optional

__all__ = ["Stream", "is_ready", "stream_to"]

# A pipe that is ready takes so many bytes at once.
_AT_ONCE = 512


class Stream:
    """Writes to something that only looks like a file. It may hang."""

    # Whether other bars may be held up by this one.
    never_waits = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.encoding = "utf-8"
        with suppress(BaseException):
            self.encoding = str(stream.encoding or self.encoding)

    def write(self, text: str) -> int:
        with suppress(BaseException):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(BaseException):
            self._stream.flush()

    def isatty(self) -> bool:
        with suppress(BaseException):
            return bool(self._stream.isatty())
        return False

    def close(self) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        """tqdm looks for the standard streams, to know the terminal's width and to keep what is written there apart from its bars."""
        return other is self or other is self._stream

    __hash__ = object.__hash__


class _File(Stream):
    """Writes to a file, by a descriptor of its own: what is not taken at once is left out.

    Not through the stream: a thread that hangs there keeps its lock, and an interpreter that ends aborts. And when a stream is closed,
    its number may soon be that of another file.
    """

    def __init__(self, stream: Any, fd: int) -> None:
        super().__init__(stream)
        self._fd: Optional[int] = fd
        self.never_waits = not os.get_blocking(fd)

    def write(self, text: str) -> int:
        with suppress(OSError):
            rest = text.encode(self.encoding, "replace")
            while rest and self._fd is not None and _takes(self._fd):
                rest = rest[os.write(self._fd, rest[:_AT_ONCE]) :]
        return len(text)

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        if self._fd is None:
            raise ValueError("this stream is closed")
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


def stream_to(stream: Any) -> Stream:
    """What writes to the same place as a stream, which may be anything."""
    fd = _descriptor_of(stream)
    if fd is None:
        return Stream(stream)
    try:
        return _File(stream, _copy_of(fd))
    except OSError:
        # Its number is nobody's, or will be another's.
        return Stream(None)


def is_ready(stream: Any) -> bool:
    """Whether a stream takes something now, as far as that can be told."""
    fd = _descriptor_of(stream)
    return fd is None or _takes(fd)


def _descriptor_of(stream: Any) -> Optional[int]:
    """The descriptor of a text file. Whatever else names one may write elsewhere, or more: a copy to a log, a compressed file."""
    with suppress(BaseException):
        if type(stream) is io.TextIOWrapper and hasattr(select, "poll"):
            raw = getattr(stream.buffer, "raw", stream.buffer)
            return raw.fileno() if type(raw) is io.FileIO else None
    return None


def _copy_of(fd: int) -> int:
    with suppress(OSError):
        # Opened anew, it does not wait while the other still does.
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    return os.dup(fd)


def _takes(fd: int) -> bool:
    ready = select.poll()
    ready.register(fd, select.POLLOUT)
    return bool(ready.poll(0))
