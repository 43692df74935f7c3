"""The client.

>>> from tosget.clientv2 import TosClientV2
>>> TosClientV2("ak", "sk", "tos-cn-beijing.volces.com", "cn-beijing")
TosClientV2(endpoint='https://tos-cn-beijing.volces.com')
"""

from __future__ import annotations

import logging
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, cast

from . import _apart, _tosget
from ._arguments import (
    PART_SIZE,
    PROGRESS_INTERVAL,
    TASK_NUM,
    DataTransferListener,
    DownloadArguments,
    DownloadEventListener,
    DownloadOptions,
    HeadArguments,
    PathLike,
    arguments_of,
)
from ._calls import DownloadCall, wait_for
from ._dialect import OWN
from ._failure import refused
from ._handle import Download
from ._settings import (
    DEFAULT_RETRIES,
    ClientPool,
    Settings,
    client_certificate,
    environment_proxy,
    proxy_credentials,
    proxy_url,
)
from ._stream import is_ready
from .checkpoint import CancelHook
from .credential import StaticCredentialsProvider
from .exceptions import TosClientError
from .models2 import DownloadEvent, DownloadFileOutput, GenericInput, HeadObjectOutput
from .utils import RateLimiter

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TosClientV2"]

logger = logging.getLogger("tosget")


class TosClientV2:
    """A client of one endpoint. Any number of threads may use it; they share its connections.

    >>> import tosget as tos
    >>> client = tos.TosClientV2("ak", "sk", "tos-cn-beijing.volces.com", "cn-beijing")

    The arguments are those of the official package, in its order. Those that are about uploads and other calls are
    taken, so that a script need not be changed, and have nothing to act on here.

    :param ak: access key's id. Without both ``ak`` and ``sk``, and without a provider, requests are not signed.
    :param sk: secret key.
    :param endpoint: ``[http://|https://]host[:port]``, https without a scheme; without it, the region's public one.
    :param region: region to sign for, such as ``cn-beijing``.
    :param security_token: token of temporary keys.
    :param auto_recognize_content_type: about uploads.
    :param max_retry_count: the most retries in a row without a byte won (default: as many as fit into ``retry_for``; the number 3
        means this).
    :param request_timeout: used for ``socket_timeout`` where that is not above 0.
    :param max_connections: connections at once; more requests wait (default 1024).
    :param enable_crc: compare the CRC64 of what was downloaded with the object's (default: yes).
    :param connection_time: seconds for a new connection (default 10).
    :param enable_verify_ssl: verify the server's certificate (default: yes).
    :param dns_cache_time: minutes that an address may be used; names are looked up for every new connection, so that none is
        ever older.
    :param proxy_host: HTTP proxy, for endpoints of either scheme. Without it, the environment's (``https_proxy`` …) is used.
    :param proxy_port: its port.
    :param proxy_username: user for it.
    :param proxy_password: password for it.
    :param is_custom_domain: the endpoint is a domain that stands for one bucket.
    :param high_latency_log_threshold: warn in the log ``tosget`` of a download slower than this many KiB/s that took
        more than half a second (default 100; 0: never).
    :param socket_timeout: seconds without a byte of an answer before the connection is given up (default 30).
    :param credentials_provider: an object with ``get_credentials()``; see :mod:`tosget.credential`.
    :param disable_encoding_meta: tell metadata as it was sent, percent-encoded.
    :param except100_continue_threshold: about uploads.
    :param user_agent_product_name: added to the ``User-Agent``.
    :param user_agent_soft_name: added to the ``User-Agent``.
    :param user_agent_soft_version: added to the ``User-Agent``.
    :param user_agent_customized_key_values: added to the ``User-Agent``.
    :param control_endpoint: about other calls.
    :param follow_redirect_times: redirects are not followed: must be 0.
    :param client_crt: PEM file of a certificate to show to the server.
    :param client_key: PEM file of its key.
    :param ca_crt: PEM file of authorities to trust besides the system's.
    :param retry_for: seconds that an outage is waited for (a server that is not there, 429, 5xx; default 300). Mistakes are told at
        once.
    """

    def __init__(
        self,
        ak: Optional[str] = "",
        sk: Optional[str] = "",
        endpoint: str = "",
        region: str = "",
        security_token: Optional[str] = None,
        auto_recognize_content_type: bool = True,
        max_retry_count: int = DEFAULT_RETRIES,
        request_timeout: float = 30,
        max_connections: int = 1024,
        enable_crc: bool = True,
        connection_time: float = 10,
        enable_verify_ssl: bool = True,
        dns_cache_time: float = 15,
        proxy_host: Optional[str] = None,
        proxy_port: Optional[int] = None,
        proxy_username: Optional[str] = None,
        proxy_password: Optional[str] = None,
        is_custom_domain: bool = False,
        high_latency_log_threshold: int = 100,
        socket_timeout: float = 30,
        credentials_provider: Any = None,
        disable_encoding_meta: Optional[bool] = None,
        except100_continue_threshold: int = 65536,
        user_agent_product_name: Optional[str] = None,
        user_agent_soft_name: Optional[str] = None,
        user_agent_soft_version: Optional[str] = None,
        user_agent_customized_key_values: Optional[Mapping[str, str]] = None,
        control_endpoint: str = "",
        follow_redirect_times: int = 0,
        client_crt: Optional[str] = None,
        client_key: Optional[str] = None,
        ca_crt: Optional[str] = None,
        *,
        retry_for: Optional[float] = None,
    ) -> None:
        endpoint = endpoint.decode() if isinstance(endpoint, bytes) else str(endpoint)
        endpoint = endpoint.strip()
        if "tos-s3-" in endpoint:
            raise TosClientError("invalid endpoint, please use Tos endpoint rather than S3 endpoint")
        if follow_redirect_times > 0:
            raise TosClientError("follow_redirect_times can't be honoured: redirects are not followed")
        self.endpoint = endpoint
        self.is_custom_domain = bool(is_custom_domain)
        self.disable_encoding_meta = disable_encoding_meta
        self.high_latency_log_threshold = high_latency_log_threshold
        self._proxy = proxy_url(proxy_host, proxy_port)
        self._proxy_credentials = proxy_credentials(self._proxy, proxy_username, proxy_password)
        self._settings = {
            "endpoint": endpoint,
            "region": region.strip(),
            "provider": _provider(ak, sk, security_token, credentials_provider),
            "is_custom_domain": self.is_custom_domain,
            "connect_timeout": float(connection_time if connection_time > 0 else 10),
            "idle_timeout": float(_first_positive(socket_timeout, request_timeout, 30)),
            "max_retry_count": max(0, max_retry_count),
            "retry_for": None if retry_for is None else max(0.0, float(retry_for)),
            "max_connections": max_connections,
            "enable_crc": bool(enable_crc),
            "enable_verify_ssl": bool(enable_verify_ssl),
            "ca_file": ca_crt or None,
            "client_certificate": client_certificate(client_crt, client_key),
            "user_agent": user_agent(
                user_agent_product_name,
                user_agent_soft_name,
                user_agent_soft_version,
                user_agent_customized_key_values,
            ),
        }
        self._pool = ClientPool()
        # At once, so that what can't work is refused here.
        self._native("")

    def download_file(
        self,
        bucket: str,
        key: str,
        file_path: PathLike,
        version_id: Optional[str] = None,
        if_match: Optional[str] = None,
        if_modified_since: Optional[datetime] = None,
        if_none_match: Optional[str] = None,
        if_unmodified_since: Optional[datetime] = None,
        ssec_algorithm: Optional[str] = None,
        ssec_key: Optional[str] = None,
        ssec_key_md5: Optional[str] = None,
        part_size: int = PART_SIZE,
        task_num: int = TASK_NUM,
        enable_checkpoint: bool = True,
        checkpoint_file: Optional[PathLike] = None,
        data_transfer_listener: Optional[DataTransferListener] = None,
        download_event_listener: Optional[DownloadEventListener] = None,
        rate_limiter: Optional[RateLimiter] = None,
        cancel_hook: Optional[CancelHook] = None,
        traffic_limit: Optional[int] = None,
        generic_input: Optional[GenericInput] = None,
        *,
        progress: Any = None,
        progress_interval: float = PROGRESS_INTERVAL,
        event_listener: Optional[Callable[[DownloadEvent], object]] = None,
        recheck: str = "auto",
        preserve_mtime: bool = False,
        max_restarts: int = 0,
    ) -> DownloadFileOutput:
        """Brings an object to a file: in parallel parts, going on where an earlier call stopped, verified.

        The file shows the object, whole, or what it showed before; never anything in between. Called again with the
        same arguments after any failure, it fetches only what is missing.

        >>> import tosget as tos
        >>> def fetch(client: tos.TosClientV2) -> None:
        ...     client.download_file("bucket-test", "object-test", "/data/object", task_num=8, progress=True)

        The parameters up to ``generic_input`` are those of the official package, in its order.

        :param bucket: the object's bucket.
        :param key: the object's key.
        :param file_path: where to. A directory, or a path that ends in a separator, means "below it, named by the key".
        :param version_id: this version (default: the current one).
        :param if_match: only the object with this ETag.
        :param if_modified_since: only if it was written after this time. A time without a zone is UTC.
        :param if_none_match: only if its ETag is another one.
        :param if_unmodified_since: only if it was not written after this time.
        :param ssec_algorithm: ``AES256`` for an object that is encrypted with its owner's key.
        :param ssec_key: that key, in base64.
        :param ssec_key_md5: its MD5, in base64; computed if it is not given.
        :param part_size: bytes of a part (default 20 MiB). It may differ from call to call.
        :param task_num: parts in flight, 1 to 1000 (default 1, as in the official package; 8 is a good number).
        :param enable_checkpoint: keep what arrived if the call fails (default: yes).
        :param checkpoint_file: where the checkpoint is kept: a file, or a directory (default: beside ``file_path``, hidden).
        :param data_transfer_listener: called with ``(consumed_bytes, total_bytes, rw_once_bytes, type)``: at the start, as bytes
            come, and at the end.
        :param download_event_listener: called with ``(type, err, bucket, key, version_id, file_path, checkpoint_file,
            temp_file, download_part)``.
        :param rate_limiter: takes bytes in no faster than this allows.
        :param cancel_hook: stops the download from another thread.
        :param traffic_limit: asks the server to send no faster than this, in **bits** per second and connection.
        :param generic_input: must be empty; see :class:`~tosget.models2.GenericInput`.
        :param progress: ``True`` for a progress bar of tqdm or rich, or a bar of one's own.
        :param progress_interval: seconds between two calls of the ``data_transfer_listener`` that tell of bytes (default 0.02, at
            least 0.001); what comes meanwhile is told in one.
        :param event_listener: called with every :class:`~tosget.DownloadEvent`, also those that only tosget has.
        :param recheck: when bytes of an earlier call are read back before they are believed: ``auto`` (unless nothing can have
            happened to them), ``always`` or ``never``.
        :param preserve_mtime: give the file the object's time (default: no, it has that of the download).
        :param max_restarts: how often the download may start over if the object is replaced meanwhile (default 0: it fails).

        Listeners are called by the thread that called ``download_file``, one call at a time. What a listener raises stops the
        download, keeps the checkpoint and is raised here.

        :raises TosClientError: bad argument, network, disk, cancel …; see :mod:`tosget.exceptions`.
        :raises TosServerError: the server said no.
        """
        # All parameters, under their own names: the class has them, too.
        given = {name: value for name, value in locals().items() if name != "self"}
        return self._run(self._call(DownloadArguments(**given)).run)

    async def download_file_async(
        self, bucket: str, key: str, file_path: PathLike, **options: Unpack[DownloadOptions]
    ) -> DownloadFileOutput:
        """As :meth:`download_file`, for asyncio: the event loop goes on, and listeners are called on it.

        Canceling the task stops the download and keeps its checkpoint.

        >>> import asyncio
        >>> import tosget as tos
        >>> async def fetch(client: tos.TosClientV2) -> None:
        ...     await asyncio.gather(
        ...         client.download_file_async("bucket-test", "one", "/data/one", task_num=4),
        ...         client.download_file_async("bucket-test", "two", "/data/two", task_num=4),
        ...     )
        """
        call = self._call(arguments_of(bucket, key, file_path, options))
        return cast(DownloadFileOutput, await call.run_async())

    def download(
        self, bucket: str, key: str, file_path: PathLike, **options: Unpack[DownloadOptions]
    ) -> Download:
        """Begins what :meth:`download_file` does, and returns at once: see :class:`~tosget.Download`.

        >>> import tosget as tos
        >>> def fetch(client: tos.TosClientV2) -> tos.models2.DownloadFileOutput:
        ...     download = client.download("bucket-test", "object-test", "/data/object", task_num=8)
        ...     print(download.progress().consumed_bytes)
        ...     return download.wait()
        """
        arguments = arguments_of(bucket, key, file_path, options)
        # Checked here and not on the other thread, so that the caller is told at once.
        call = self._call(arguments)
        return Download(call, lambda: self._call(arguments), bool(arguments.enable_checkpoint))

    def head_object(
        self,
        bucket: str,
        key: str,
        version_id: Optional[str] = None,
        if_match: Optional[str] = None,
        if_modified_since: Optional[datetime] = None,
        if_none_match: Optional[str] = None,
        if_unmodified_since: Optional[datetime] = None,
        ssec_algorithm: Optional[str] = None,
        ssec_key: Optional[str] = None,
        ssec_key_md5: Optional[str] = None,
        generic_input: Optional[GenericInput] = None,
    ) -> HeadObjectOutput:
        """Asks what the service knows of an object, without its bytes. The parameters are those of :meth:`download_file`.

        >>> import tosget as tos
        >>> def size(client: tos.TosClientV2) -> int:
        ...     return client.head_object("bucket-test", "object-test").content_length
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        request = HeadArguments(**given).request(OWN, self.is_custom_domain)
        operation = refused(lambda: self._native(bucket).head(request))
        output = OWN.head_output(wait_for(operation, OWN), self.disable_encoding_meta)
        return cast(HeadObjectOutput, output)

    def close(self) -> None:
        """Does nothing that letting go of the client does not do; it is here because the official package has it.

        >>> import tosget as tos
        >>> tos.TosClientV2("ak", "sk", "tos-cn-beijing.volces.com", "cn-beijing").close()
        """

    def __repr__(self) -> str:
        return f"TosClientV2(endpoint={self._native('').endpoint!r})"

    def _call(self, arguments: DownloadArguments) -> DownloadCall:
        def begin(request: Mapping[str, Any]) -> _tosget.Operation:
            return self._native(arguments.bucket).download(request)

        return DownloadCall(
            begin,
            arguments,
            OWN,
            is_custom_domain=self.is_custom_domain,
            is_meta_raw=self.disable_encoding_meta,
        )

    def _run(self, download: Callable[[], Any]) -> DownloadFileOutput:
        began = time.perf_counter()
        done = cast(DownloadFileOutput, download())
        warn_of_latency(self.high_latency_log_threshold, done, time.perf_counter() - began)
        return done

    def _native(self, bucket: str) -> _tosget.Client:
        proxy = self._proxy or environment_proxy(self.endpoint, bucket)
        settings: Dict[str, Any] = {"proxy": proxy, "proxy_credentials": self._proxy_credentials}
        return self._pool.get(Settings(**self._settings, **settings), OWN)


def warn_of_latency(threshold: int, done: Any, seconds: float) -> None:
    """Tells the log of a slow download, as the official package does; less than 1 KiB counts as 1 KiB."""
    kibibytes = max(done.bytes_fetched, 1024) / 1024
    if threshold <= 0 or seconds <= 0.5 or kibibytes / seconds >= threshold:
        return

    def warn() -> None:
        logger.warning(
            "high latency request: exec httpCode: %s, requestId: %s, usedTime: %s s",
            done.status_code,
            done.request_id,
            seconds,
        )

    # The download is done, whatever a handler of the log makes of it. Most write to this stream; who waits for it keeps the handler's
    # lock, which the interpreter's end needs.
    if is_ready(sys.stderr):
        _apart.wait_for(_apart.begin(warn))


def user_agent(
    product: Optional[str],
    soft_name: Optional[str],
    soft_version: Optional[str],
    key_values: Optional[Mapping[str, str]],
) -> str:
    """What the official package adds to its ``User-Agent``."""
    text = ""
    if product is not None or soft_name is not None or soft_version is not None:
        names = (name or "undefined" for name in (product, soft_name, soft_version))
        text += "--" + "/".join(names)
    if key_values:
        text += " (" + ";".join(f"{key}/{value}" for key, value in key_values.items()) + ")"
    return text.strip()


def _provider(ak: Optional[str], sk: Optional[str], token: Optional[str], provider: Any) -> Any:
    if provider is not None:
        if ak or sk:
            raise TosClientError("credentials_provider, ak, sk both")
        if not callable(getattr(provider, "get_credentials", None)):
            raise TosClientError(f"credentials_provider is {provider!r}: it must have get_credentials()")
        return provider
    if ak == "" and sk == "":
        if token:
            raise TosClientError("security_token is given without ak and sk")
        return None
    if not ak or not sk:
        raise TosClientError("ak or sk is empty")
    return StaticCredentialsProvider(ak, sk, token)


def _first_positive(*seconds: float) -> float:
    return next(number for number in seconds if number > 0)
