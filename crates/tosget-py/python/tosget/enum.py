"""Numbers that TOS users know, under the official package's names.

>>> import tosget as tos
>>> tos.DataTransferType.Data_Transfer_Succeed.value
3
"""

from __future__ import annotations

from enum import Enum

__all__ = ["DataTransferType", "DownloadEventType", "ReplicationStatusType", "StorageClassType", "TierType"]


class DataTransferType(Enum):
    """What a call of a ``data_transfer_listener`` is about.

    >>> import tosget as tos
    >>> def listener(consumed_bytes, total_bytes, rw_once_bytes, type):
    ...     if type is tos.DataTransferType.Data_Transfer_Succeed:
    ...         print("all", total_bytes, "bytes are there")
    >>> listener(5, 5, 0, tos.DataTransferType.Data_Transfer_Succeed)
    all 5 bytes are there
    """

    Data_Transfer_Init = 0
    """Never told; it is here because the official package has it."""
    Data_Transfer_Started = 1
    """The object is known. ``consumed_bytes`` is what an earlier call left."""
    Data_Transfer_RW = 2
    """``rw_once_bytes`` came since the call before."""
    Data_Transfer_Succeed = 3
    """All bytes are there; they are still to be verified and named."""
    Data_Transfer_Failed = 4
    """The call ends with an error."""


class DownloadEventType(Enum):
    """What happened in a download. A ``download_event_listener`` hears of 1 to 7, an ``event_listener`` of all.

    >>> import tosget as tos
    >>> tos.DownloadEventType(3)
    <DownloadEventType.Download_Event_Download_Part_Succeed: 3>
    """

    Download_Event_Create_TempFile_Succeed = 1
    """The temporary file is open; in every call, also where an earlier one had created it."""
    Download_Event_Create_Temp_File_Failed = 2
    """The temporary file or the checkpoint could not be created, opened or locked."""
    Download_Event_Download_Part_Succeed = 3
    """What was missing of a part is on the disk and recorded."""
    Download_Event_Download_Part_Failed = 4
    """A part failed for good, and so does the call."""
    Download_Event_Download_Part_Aborted = 5
    """A part under way was stopped, because the call was canceled or another part failed."""
    Download_Event_Rename_Temp_File_Succeed = 6
    """The file is the object."""
    Download_Event_Rename_Temp_File_Failed = 7
    """The temporary file could not become the file: it is not the object, or the disk failed."""

    Download_Event_Resumed = 101
    """Bytes of an earlier call are used: details ``bytes``, and of these ``doubtful_bytes`` are read back first."""
    Download_Event_Rechecked = 102
    """Bytes of an earlier call were read back: details ``good_bytes`` and ``bad_bytes``."""
    Download_Event_Attempt_Retried = 103
    """A request failed and is made again, after ``wait`` seconds."""
    Download_Event_Checkpoint_Set_Aside = 104
    """A checkpoint could not be used; the download starts afresh. The detail ``reason`` says why."""
    Download_Event_Object_Changed = 105
    """The object is not the one that the download began with."""
    Download_Event_Events_Missed = 106
    """Events were dropped: detail ``count``. tosget's Python package does not drop any."""
    Download_Event_Mending = 107
    """All bytes are there, and they are not the object's: what is wrong is looked for and fetched again."""


class StorageClassType(Enum):
    """Storage class of an object.

    >>> import tosget as tos
    >>> tos.StorageClassType("IA").name
    'Storage_Class_Ia'
    """

    Storage_Unknown = "Unknown"
    Storage_Class_Standard = "STANDARD"
    Storage_Class_Ia = "IA"
    Storage_Class_INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    Storage_Class_Archive_Fr = "ARCHIVE_FR"
    Storage_Class_Cold_Archive = "COLD_ARCHIVE"
    Storage_Class_Archive = "ARCHIVE"
    Storage_Class_DEEP_COLD_ARCHIVE = "DEEP_COLD_ARCHIVE"


class TierType(Enum):
    """How fast an archived object was asked to be restored.

    >>> import tosget as tos
    >>> tos.TierType("Bulk").name
    'Tier_Bulk'
    """

    Tier_Unknown = "Unknown"
    Tier_Standard = "Standard"
    Tier_Expedited = "Expedited"
    Tier_Bulk = "Bulk"


class ReplicationStatusType(Enum):
    """State of an object's replication to another bucket.

    >>> import tosget as tos
    >>> tos.ReplicationStatusType("PENDING").name
    'ReplicationStatusType_Pending'
    """

    ReplicationStatusType_Pending = "PENDING"
    ReplicationStatusType_Complete = "COMPLETE"
    ReplicationStatusType_Failed = "FAILED"
    ReplicationStatusType_Replica = "REPLICA"
