"""Fast, resumable, verified downloads from TOS, Volcengine's object store, behind the call that TOS users already write.

>>> import tosget as tos
>>> client = tos.TosClientV2("ak", "sk", "tos-cn-beijing.volces.com", "cn-beijing")
>>> def fetch() -> None:
...     client.download_file("bucket-test", "object-test", "/data/object", task_num=8, progress=True)

Names, arguments, callbacks and exceptions are those of the official package ``tos``. ``python -m tosget script.py`` runs a script
that was written for it unchanged; :func:`accelerate` does the same from within.
"""

from __future__ import annotations

from . import checkpoint, credential, enum, exceptions, models2, utils
from ._accelerate import accelerate, restore
from ._handle import Download
from ._tosget import __version__
from .checkpoint import CancelHook
from .clientv2 import TosClientV2
from .credential import CredentialsProvider, EnvCredentialsProvider, StaticCredentialsProvider
from .enum import DataTransferType, DownloadEventType, ReplicationStatusType, StorageClassType, TierType
from .exceptions import TosClientError, TosError, TosServerError
from .models2 import (
    DownloadEvent,
    DownloadFileOutput,
    DownloadPart,
    GenericInput,
    HeadObjectOutput,
    ProgressSnapshot,
)
from .utils import RateLimiter

__all__ = [
    "CancelHook",
    "CredentialsProvider",
    "DataTransferType",
    "Download",
    "DownloadEvent",
    "DownloadEventType",
    "DownloadFileOutput",
    "DownloadPart",
    "EnvCredentialsProvider",
    "GenericInput",
    "HeadObjectOutput",
    "ProgressSnapshot",
    "RateLimiter",
    "ReplicationStatusType",
    "StaticCredentialsProvider",
    "StorageClassType",
    "TierType",
    "TosClientError",
    "TosClientV2",
    "TosError",
    "TosServerError",
    "__version__",
    "accelerate",
    "checkpoint",
    "credential",
    "enum",
    "exceptions",
    "models2",
    "restore",
    "utils",
]
