"""A call's arguments: checked by name before any byte moves, and put into the engine's words."""

from __future__ import annotations

import math
import operator
import os
import string
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Mapping, Optional, TypedDict, Union

from . import _tosget
from ._dialect import Dialect
from .checkpoint import CancelHook
from .models2 import DownloadEvent, GenericInput
from .utils import RateLimiter

__all__ = ["DownloadArguments", "DownloadOptions", "HeadArguments"]

PART_SIZE = 20 * 1024 * 1024
TASK_NUM = 1
PROGRESS_INTERVAL = 0.02

PathLike = Union[str, "os.PathLike[str]"]
DataTransferListener = Callable[[int, int, int, Any], object]
DownloadEventListener = Callable[[Any, Any, str, str, Any, str, Any, str, Any], object]


class DownloadOptions(TypedDict, total=False):
    """The optional arguments of a download; :meth:`tosget.TosClientV2.download_file` tells what they mean."""

    version_id: Optional[str]
    if_match: Optional[str]
    if_modified_since: Optional[datetime]
    if_none_match: Optional[str]
    if_unmodified_since: Optional[datetime]
    ssec_algorithm: Optional[str]
    ssec_key: Optional[str]
    ssec_key_md5: Optional[str]
    part_size: int
    task_num: int
    enable_checkpoint: bool
    checkpoint_file: Optional[PathLike]
    data_transfer_listener: Optional[DataTransferListener]
    download_event_listener: Optional[DownloadEventListener]
    rate_limiter: Optional[RateLimiter]
    cancel_hook: Optional[CancelHook]
    traffic_limit: Optional[int]
    generic_input: Optional[GenericInput]
    progress: Any
    progress_interval: float
    event_listener: Optional[Callable[[DownloadEvent], object]]
    recheck: str
    preserve_mtime: bool
    max_restarts: int


@dataclass(frozen=True)
class HeadArguments:
    """What :meth:`tosget.TosClientV2.head_object` takes."""

    bucket: Any
    key: Any
    version_id: Any = None
    if_match: Any = None
    if_modified_since: Any = None
    if_none_match: Any = None
    if_unmodified_since: Any = None
    ssec_algorithm: Any = None
    ssec_key: Any = field(default=None, repr=False)
    ssec_key_md5: Any = None
    generic_input: Any = None

    def request(self, dialect: Dialect, is_custom_domain: bool) -> Dict[str, Any]:
        """The engine's request."""
        check = _Check(dialect)
        check.generic_input(self.generic_input)
        return {
            "bucket": check.bucket(self.bucket, is_custom_domain),
            "key": check.key(self.key),
            "version_id": check.text("version_id", self.version_id),
            "if_match": check.text("if_match", self.if_match),
            "if_none_match": check.text("if_none_match", self.if_none_match),
            "if_modified_since": check.time("if_modified_since", self.if_modified_since),
            "if_unmodified_since": check.time("if_unmodified_since", self.if_unmodified_since),
            "ssec": check.ssec(self.ssec_algorithm, self.ssec_key, self.ssec_key_md5),
        }


@dataclass(frozen=True)
class DownloadArguments(HeadArguments):
    """What :meth:`tosget.TosClientV2.download_file` takes."""

    file_path: Any = None
    part_size: Any = PART_SIZE
    task_num: Any = TASK_NUM
    enable_checkpoint: Any = True
    checkpoint_file: Any = None
    data_transfer_listener: Any = None
    download_event_listener: Any = None
    rate_limiter: Any = None
    cancel_hook: Any = None
    traffic_limit: Any = None
    progress: Any = None
    progress_interval: Any = PROGRESS_INTERVAL
    event_listener: Any = None
    recheck: Any = "auto"
    preserve_mtime: Any = False
    max_restarts: Any = 0

    def request(self, dialect: Dialect, is_custom_domain: bool) -> Dict[str, Any]:
        """The engine's request."""
        check = _Check(dialect)
        # As in the official package, this one comes first.
        file_path = check.file_path(self.file_path)
        check.callable("data_transfer_listener", self.data_transfer_listener)
        check.callable("download_event_listener", self.download_event_listener)
        check.callable("event_listener", self.event_listener)
        check.cancel_hook(self.cancel_hook)
        restarts = check.whole("max_restarts", self.max_restarts, least=0)
        return {
            "object": super().request(dialect, is_custom_domain),
            "file_path": file_path,
            "part_size": check.whole("part_size", self.part_size),
            "task_num": check.whole("task_num", self.task_num),
            "enable_checkpoint": check.yes_or_no("enable_checkpoint", self.enable_checkpoint),
            "checkpoint_file": check.path("checkpoint_file", self.checkpoint_file),
            "traffic_limit": check.traffic_limit(self.traffic_limit),
            "rate_limiter": check.rate_limiter(self.rate_limiter),
            "recheck": check.recheck(self.recheck),
            "preserve_mtime": check.yes_or_no("preserve_mtime", self.preserve_mtime),
            "restarts": restarts or None,
            "progress_interval": check.seconds("progress_interval", self.progress_interval),
            # A bar of tqdm's has no truth before it knows its total.
            "wants_progress": self.data_transfer_listener is not None or not (self.progress is None or self.progress is False),
            "wants_events": self.download_event_listener is not None or self.event_listener is not None,
        }


_IN_BUCKETS = frozenset(string.ascii_lowercase + string.digits + "-")


class _Check:
    """Refuses what can't be honoured, and names it."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def refuse(self, message: str) -> Exception:
        return self.dialect.client_error(message)

    def bucket(self, bucket: Any, is_custom_domain: bool) -> str:
        """The engine has these rules, too, and words of its own for them."""
        if not isinstance(bucket, str):
            raise self.refuse(f"bucket is {bucket!r}: it must be a str")
        if is_custom_domain:
            return bucket
        if not 3 <= len(bucket) <= 63:
            raise self.refuse("invalid bucket name, the length must be [3, 63]")
        if bucket.startswith("-") or bucket.endswith("-"):
            raise self.refuse(
                "invalid bucket name, the bucket name can be neither starting with ' - ' nor ending with ' - '"
            )
        if not set(bucket) <= _IN_BUCKETS:
            raise self.refuse("invalid bucket name, the character set is illegal")
        return bucket

    def key(self, key: Any) -> str:
        if isinstance(key, bytes):
            key = key.decode("utf-8")
        if not isinstance(key, str):
            raise self.refuse(f"key is {key!r}: it must be a str")
        if not key:
            raise self.refuse("invalid object name, object name is empty")
        return key

    def file_path(self, path: Any) -> str:
        if not path:
            raise self.refuse(f"tos: file_path = {path} is invalid")
        found = self.path("file_path", path)
        assert found is not None
        return found

    def path(self, name: str, path: Any) -> Optional[str]:
        if path is None:
            return None
        try:
            return os.fsdecode(path)
        except TypeError:
            raise self.refuse(f"{name} is {path!r}: it must be a path") from None

    def text(self, name: str, text: Any) -> Optional[str]:
        # Empty means the same as not given, as in the official package.
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise self.refuse(f"{name} is {text!r}: it must be a str")
        return text

    def time(self, name: str, time: Any) -> Optional[int]:
        """Seconds since the epoch. A time without a zone is UTC, as in the official package."""
        if time is None:
            return None
        if not isinstance(time, datetime):
            raise self.refuse(f"{name} is {time!r}: it must be a datetime")
        return int((time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp())

    def whole(self, name: str, number: Any, least: int = 1) -> int:
        is_whole = hasattr(number, "__index__") and not isinstance(number, bool)
        whole = operator.index(number) if is_whole else None
        if whole is None or not least <= whole < 2**63:
            raise self.refuse(f"{name} is {number!r}: it must be a whole number, at least {least}")
        return whole

    def seconds(self, name: str, seconds: Any) -> float:
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not is_number or not 0 <= seconds < math.inf:
            raise self.refuse(f"{name} is {seconds!r}: it must be a number of seconds")
        return float(seconds)

    def yes_or_no(self, name: str, value: Any) -> bool:
        if value is not None and not isinstance(value, (bool, int)):
            raise self.refuse(f"{name} is {value!r}: it must be True or False")
        return bool(value)

    def traffic_limit(self, limit: Any) -> Optional[int]:
        # 0 is no limit in the official package.
        return None if limit is None or limit == 0 else self.whole("traffic_limit", limit)

    def ssec(self, algorithm: Any, key: Any, key_md5: Any) -> Any:
        named = {"ssec_algorithm": algorithm, "ssec_key": key, "ssec_key_md5": key_md5}
        algorithm, key, key_md5 = (self.text(name, value) for name, value in named.items())
        if algorithm is None and key is None and key_md5 is None:
            return None
        if algorithm is None or key is None:
            missing = "ssec_algorithm" if algorithm is None else "ssec_key"
            given = ", ".join(name for name, value in named.items() if value)
            raise self.refuse(f"{given} without {missing}: a key that encrypts an object is given with its algorithm")
        return algorithm, key, key_md5

    def callable(self, name: str, listener: Any) -> None:
        if listener is not None and not callable(listener):
            raise self.refuse(f"{name} is {listener!r}: it must be callable")

    def cancel_hook(self, hook: Any) -> None:
        if hook is not None and not callable(getattr(hook, "is_cancel", None)):
            raise self.refuse(f"cancel_hook is {hook!r}: it must be a CancelHook")

    def recheck(self, recheck: Any) -> str:
        if recheck not in ("auto", "always", "never"):
            raise self.refuse(f"recheck is {recheck!r}: it must be 'auto', 'always' or 'never'")
        return str(recheck)

    def rate_limiter(self, limiter: Any) -> Optional[_tosget.RateLimiter]:
        if limiter is None:
            return None
        if isinstance(limiter, RateLimiter):
            return limiter._native
        return _official_limiter(limiter, self)

    def generic_input(self, given: Any) -> None:
        if given is None:
            return
        for name in ("request_date", "request_host", "request_headers", "request_query"):
            if getattr(given, name, None):
                raise self.refuse(
                    f"generic_input.{name} can't be honoured: a download makes and signs its requests itself"
                )


def _official_limiter(limiter: Any, check: _Check) -> _tosget.RateLimiter:
    from ._official import limiter_of

    native = limiter_of(limiter)
    if native is None:
        raise check.refuse(
            f"rate_limiter is a {type(limiter).__qualname__}: only RateLimiter itself can be honoured, "
            "not another class or one that overrides acquire"
        )
    return native


def arguments_of(bucket: Any, key: Any, file_path: Any, options: Mapping[str, Any]) -> DownloadArguments:
    """Arguments as they were given; a name that is unknown raises ``TypeError``, as for any function."""
    return DownloadArguments(bucket=bucket, key=key, file_path=file_path, **options)
