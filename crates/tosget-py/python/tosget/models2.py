"""What calls take and return, under the official package's names.

>>> import tosget as tos
>>> def size(client: tos.TosClientV2) -> int:
...     head: tos.models2.HeadObjectOutput = client.head_object("bucket-test", "object-test")
...     return head.content_length
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Dict, Mapping, Optional, TypeVar, Union
from urllib.parse import unquote, unquote_to_bytes

from ._answer import Answer
from .enum import DownloadEventType, ReplicationStatusType, StorageClassType, TierType

__all__ = [
    "DownloadEvent",
    "DownloadFileOutput",
    "DownloadPart",
    "GenericInput",
    "HeadObjectOutput",
    "ProgressSnapshot",
]

_E = TypeVar("_E", bound=Enum)


class HeadObjectOutput:
    """What the service knows of an object; the attributes are those of the official package.

    >>> import tosget as tos
    >>> def show(client: tos.TosClientV2) -> None:
    ...     head = client.head_object("bucket-test", "object-test")
    ...     print(head.content_length, head.etag, head.last_modified, head.meta)
    """

    def __init__(self, resp: Answer, disable_encoding_meta: Optional[bool] = None) -> None:
        headers = resp.headers
        self.resp = resp
        self.request_id: str = resp.request_id
        self.id2: Optional[str] = headers.get("x-tos-id-2")
        self.status_code: int = resp.status
        self.header: Mapping[str, str] = headers
        etag = headers.get("etag")
        self.etag: Optional[str] = None if etag is None else etag.strip('"')
        self.version_id: Optional[str] = headers.get("x-tos-version-id")
        self.sse_algorithm: Optional[str] = headers.get("x-tos-server-side-encryption-customer-algorithm")
        self.sse_key_md5: Optional[str] = headers.get("x-tos-server-side-encryption-customer-key-MD5")
        self.website_redirect_location: Optional[str] = headers.get("x-tos-website-redirect-location")
        self.hash_crc64_ecma: Optional[int] = _number(headers, "x-tos-hash-crc64ecma")
        self.storage_class: Optional[StorageClassType] = _member(
            StorageClassType, StorageClassType.Storage_Unknown, headers.get("x-tos-storage-class")
        )
        self.restore: Optional[str] = headers.get("x-tos-restore")
        self.restore_expiry_days: Optional[int] = _number(headers, "x-tos-restore-expiry-days")
        self.restore_tier: Optional[TierType] = _member(
            TierType, TierType.Tier_Unknown, headers.get("x-tos-restore-tier")
        )
        self.tagging_count: Optional[int] = _number(headers, "x-tos-tagging-count")
        self.object_type: str = headers.get("x-tos-object-type") or "Normal"
        self.symlink_target_size: Optional[int] = _number(headers, "x-tos-symlink-target-size")
        self.meta: Dict[str, str] = _metadata(headers, not disable_encoding_meta)
        self.last_modified: Optional[datetime] = _time(headers.get("last-modified"))
        self.last_modify_timestamp: Optional[datetime] = _precise(
            self.last_modified, _number(headers, "x-tos-last-modified-ns")
        )
        self.expires: Optional[datetime] = _time(headers.get("expires"))
        self.delete_marker: bool = bool(headers.get("x-tos-delete-marker"))
        self.content_type: Optional[str] = headers.get("content-type")
        self.content_length: Optional[int] = _number(headers, "content-length")
        self.cache_control: Optional[str] = headers.get("cache-control")
        disposition = headers.get("content-disposition", "")
        self.content_disposition: str = disposition if disable_encoding_meta else unquote(disposition)
        self.content_encoding: Optional[str] = headers.get("content-encoding")
        self.content_language: Optional[str] = headers.get("content-language")
        self.replication_status: Union[ReplicationStatusType, str, None] = _member(
            ReplicationStatusType, "", headers.get("x-tos-replication-status")
        )
        self.is_directory: bool = headers.get("x-tos-directory") == "true"
        self.expiration: Optional[str] = headers.get("x-tos-expiration")


class Outcome:
    """What happened in a download; part of every :class:`DownloadFileOutput`.

    >>> import tosget as tos
    >>> issubclass(tos.models2.DownloadFileOutput, tos.models2.Outcome)
    True
    """

    file_path: str
    """Where the object is now, absolute."""
    bytes_fetched: int
    """Bytes that came over the network in this call, those that had to be fetched twice included."""
    bytes_resumed: int
    """Bytes that an earlier call had fetched and this one did not need to."""
    requests: int
    """Requests sent."""
    retries: int
    """Failed requests that were made again."""
    restarts: int
    """How often the download started over because the object had been replaced."""
    first_request_id: Optional[str]
    """Id of the first request that was answered."""
    last_request_id: Optional[str]
    """Id of the last request that was answered."""
    elapsed: float
    """Seconds from the call to its end."""
    verification: str
    """``crc64``, or ``size_only`` where the server has no CRC64 or ``enable_crc`` is off."""
    set_aside: Optional[str]
    """Why the checkpoint of an earlier call could not be used, if there was one that could not."""
    one_answer: Optional[str]
    """Why the object was taken in one answer, so that it could not have been gone on with, if it was."""
    content_crc64: Optional[int]
    """CRC-64/XZ of the file; ``None`` where no file was written (a directory)."""

    def _add(self, told: Mapping[str, Any]) -> None:
        for name, value in told.items():
            if name != "object":
                setattr(self, name, value)


class DownloadFileOutput(Outcome, HeadObjectOutput):
    """The result of a download: what the service knows of the object, and what happened.

    >>> import tosget as tos
    >>> def show(client: tos.TosClientV2) -> None:
    ...     done = client.download_file("bucket-test", "object-test", "/tmp/object", task_num=8)
    ...     print(done.content_length, done.etag, done.bytes_fetched, done.verification)
    """


class GenericInput:
    """The official package's parameters of any request. None of them can be honoured by a download that makes its
    requests itself, so all have to be empty.

    >>> import tosget as tos
    >>> tos.models2.GenericInput().request_date is None
    True
    """

    def __init__(
        self,
        request_date: Optional[datetime] = None,
        request_host: Optional[str] = None,
        request_headers: Optional[Mapping[str, str]] = None,
        request_query: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.request_date = request_date
        self.request_host = request_host
        self.request_headers = request_headers or {}
        self.request_query = request_query or {}


@dataclass(frozen=True)
class DownloadPart:
    """A part of the object, or what was missing of it: the last argument of a ``download_event_listener``.

    >>> import tosget as tos
    >>> tos.models2.DownloadPart(part_number=1, start=0, end=5).size
    5
    """

    part_number: int
    """From 1. With another part size, parts have other numbers."""
    start: int
    """First byte that this call had to fetch of it."""
    end: int
    """The byte after the last one."""
    part_crc: Optional[int] = None
    """CRC-64/XZ of these bytes, once they are there."""

    @property
    def size(self) -> int:
        """Number of bytes.

        >>> import tosget as tos
        >>> tos.DownloadPart(part_number=2, start=5, end=8).size
        3
        """
        return self.end - self.start

    def __str__(self) -> str:
        info = {"part_number": self.part_number, "start": self.start, "end": self.end, "part_crc": self.part_crc}
        return str(info)


@dataclass(frozen=True)
class DownloadEvent:
    """Something that happened in a download, as an ``event_listener`` hears of it.

    >>> import tosget as tos
    >>> def listener(event: tos.DownloadEvent) -> None:
    ...     if event.event_type is tos.DownloadEventType.Download_Event_Resumed:
    ...         print(event.details["bytes"], "bytes are there already")
    """

    event_type: DownloadEventType
    """What happened."""
    error: Optional[BaseException]
    """Why, for the types that tell of a failure or a retry."""
    bucket: str
    """The object's bucket."""
    key: str
    """The object's key."""
    version_id: Optional[str]
    """The version that was asked for."""
    file_path: str
    """The destination, absolute."""
    checkpoint_file: Optional[str]
    """The checkpoint; ``None`` if the download keeps none."""
    temp_file: str
    """The temporary file, absolute."""
    download_part: Optional[DownloadPart]
    """The part, for the types that are about one."""
    details: Mapping[str, Union[int, float, str]] = field(default_factory=dict)
    """What tosget's own types (from 101 on) have to say; see :class:`~tosget.DownloadEventType`."""


@dataclass(frozen=True)
class ProgressSnapshot:
    """How far a download is, at one moment.

    >>> import tosget as tos
    >>> def show(download: tos.Download) -> None:
    ...     now = download.progress()
    ...     print(f"{now.consumed_bytes} of {now.total_bytes} bytes, {now.running_tasks} parts in flight")
    """

    total_bytes: int = 0
    """Size of the object; 0 until the server has told it."""
    consumed_bytes: int = 0
    """Bytes that are there, those of earlier calls included. A byte that has to be fetched twice counts once."""
    resumed_bytes: int = 0
    """Of these, bytes that an earlier call had fetched."""
    fetched_bytes: int = 0
    """Bytes that came over the network, those that had to be fetched twice included."""
    rechecking_bytes: int = 0
    """Bytes of an earlier call that are still being read back to see whether they are good."""
    parts_total: int = 0
    """Number of parts that the object has with this download's part size."""
    running_tasks: int = 0
    """Parts in flight."""
    retries: int = 0
    """Failed requests that were made again."""
    requests: int = 0
    """Requests sent."""
    restarts: int = 0
    """How often the download started over because the object had been replaced."""
    throttled: int = 0
    """Requests that the service said it slowed down."""


def _number(headers: Mapping[str, str], name: str) -> Optional[int]:
    text = headers.get(name)
    return None if text is None else int(text)


def _member(members: type[_E], unknown: Any, text: Optional[str]) -> Any:
    if text is None:
        return None
    return next((member for member in members if member.value == text), unknown)


def _time(text: Optional[str]) -> Optional[datetime]:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).replace(tzinfo=timezone.utc)
    except ValueError:
        # `Expires` is whatever the object's owner wrote; the official package fails here.
        return None


def _precise(time: Optional[datetime], nanoseconds: Optional[int]) -> Optional[datetime]:
    if time is None or not nanoseconds:
        return time
    return time.replace(microsecond=nanoseconds // 1000)


def _metadata(headers: Mapping[str, str], is_decoded: bool) -> Dict[str, str]:
    prefix = "x-tos-meta-"
    own = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
    return {_decoded(name): _decoded(value) for name, value in own.items()} if is_decoded else own


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace") if "%" in text else text
