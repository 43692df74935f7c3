"""The official package's ``download_file`` on the engine."""

from __future__ import annotations

import functools
import importlib
import sys
import time
import weakref
from types import ModuleType
from typing import Any, Callable, Dict, Mapping, Optional

from . import _official, _tosget
from ._arguments import DownloadArguments
from ._calls import DownloadCall
from ._dialect import Dialect
from ._settings import ClientPool, Settings, client_certificate, proxy_credentials, proxy_url

__all__ = ["accelerate", "restore"]

# What scripts import of the official package, and tosget has as well.
_SUBMODULES = ("checkpoint", "clientv2", "credential", "enum", "exceptions", "models2", "utils")

# How to undo what was done; nothing while nothing is done.
_undo: Optional[Callable[[], None]] = None


def accelerate() -> None:
    """From now on ``download_file`` of the official package runs on tosget's engine, in this process.

    Everything else of it stays as it is. Its clients are honoured, made before or after this, with their endpoint,
    credentials provider, proxy, CRC and SSL settings; so are its ``CancelHook`` (subclasses, too) and ``RateLimiter``; results
    and exceptions are its own. Where it is not installed, ``import tos`` imports tosget. Called again, it does nothing.

    >>> import tosget
    >>> tosget.accelerate()
    >>> import tos
    >>> tos.DownloadEventType.Download_Event_Create_TempFile_Succeed.value
    1
    >>> tosget.restore()
    """
    global _undo
    if _undo is None:
        official = _official_package()
        _undo = _stand_in() if official is None else _patch(official)


def restore() -> None:
    """Undoes :func:`accelerate`. Downloads that are running end as they began.

    >>> import tosget
    >>> tosget.accelerate()
    >>> tosget.restore()
    """
    global _undo
    if _undo is not None:
        undo, _undo = _undo, None
        undo()


def _official_package() -> Optional[ModuleType]:
    try:
        return importlib.import_module("tos")
    except ModuleNotFoundError as error:
        if error.name != "tos":
            # It is there, and something that it needs is not: that is not for us to hide.
            raise
        return None


def _stand_in() -> Callable[[], None]:
    """Makes tosget's modules those of the official package, which is not there."""
    names = {"tos": "tosget", **{f"tos.{name}": f"tosget.{name}" for name in _SUBMODULES}}
    for alias, name in names.items():
        sys.modules[alias] = importlib.import_module(name)

    def undo() -> None:
        for alias in names:
            sys.modules.pop(alias, None)

    return undo


def _patch(official: ModuleType) -> Callable[[], None]:
    """Puts our function in the place of theirs."""
    client_class: Any = importlib.import_module("tos.clientv2").TosClientV2
    dialect = Dialect(
        importlib.import_module("tos.exceptions"),
        importlib.import_module("tos.enum"),
        importlib.import_module("tos.models2"),
    )
    theirs = client_class.download_file
    client_class.download_file = _accelerated(theirs, dialect)

    def undo() -> None:
        client_class.download_file = theirs

    return undo


def _accelerated(theirs: Callable[..., Any], dialect: Dialect) -> Callable[..., Any]:
    # The engine's clients, as long as there is the official one that they are for.
    pools: weakref.WeakKeyDictionary[Any, ClientPool] = weakref.WeakKeyDictionary()

    def download_file(
        self: Any,
        bucket: Any,
        key: Any,
        file_path: Any,
        version_id: Any = None,
        if_match: Any = None,
        if_modified_since: Any = None,
        if_none_match: Any = None,
        if_unmodified_since: Any = None,
        ssec_algorithm: Any = None,
        ssec_key: Any = None,
        ssec_key_md5: Any = None,
        part_size: Any = 20 * 1024 * 1024,
        task_num: Any = 1,
        enable_checkpoint: Any = True,
        checkpoint_file: Any = None,
        data_transfer_listener: Any = None,
        download_event_listener: Any = None,
        rate_limiter: Any = None,
        cancel_hook: Any = None,
        traffic_limit: Any = None,
        generic_input: Any = None,
    ) -> Any:
        given = {name: value for name, value in locals().items() if name in _PARAMETERS}
        arguments = DownloadArguments(**given)

        def begin(request: Mapping[str, Any]) -> _tosget.Operation:
            pool = pools.setdefault(self, ClientPool())
            return pool.get(_settings_of(self, bucket, dialect), dialect).download(request)

        from .clientv2 import warn_of_latency

        began = time.perf_counter()
        call = DownloadCall(
            begin,
            arguments,
            dialect,
            is_custom_domain=bool(self.is_custom_domain),
            is_meta_raw=self.disable_encoding_meta,
        )
        done = call.run()
        warn_of_latency(self.high_latency_log_threshold, done, time.perf_counter() - began)
        return done

    return functools.wraps(theirs)(download_file)


_PARAMETERS = frozenset(DownloadArguments.__dataclass_fields__)


def _settings_of(client: Any, bucket: str, dialect: Dialect) -> Settings:
    """An official client's settings at this moment."""
    if client.follow_redirect_times > 0:
        raise dialect.client_error("follow_redirect_times can't be honoured: redirects are not followed")
    connection = _connection_of(client, bucket, dialect)
    verify = connection["verify"]
    return Settings(
        endpoint=client.endpoint,
        region=client.auth.region,
        provider=getattr(client.auth, "credentials_provider", None),
        is_custom_domain=bool(client.is_custom_domain),
        connect_timeout=float(client.connection_time),
        idle_timeout=float(client.socket_timeout),
        max_retry_count=client.max_retry_count,
        retry_for=None,
        max_connections=client._connection_pool_size,
        enable_crc=bool(client.enable_crc),
        enable_verify_ssl=bool(verify),
        ca_file=verify if isinstance(verify, str) else None,
        client_certificate=client_certificate(client.client_crt, client.client_key, dialect),
        proxy=connection["proxy"],
        proxy_credentials=connection["proxy_credentials"],
        user_agent=client.user_agent,
    )


def _connection_of(client: Any, bucket: str, dialect: Dialect) -> Dict[str, Any]:
    """Proxy and certificates as the official client would use them: its own, its session's, the environment's."""
    select_proxy = importlib.import_module("requests.utils").select_proxy
    host = client.host if client.is_custom_domain else f"{bucket}.{client.host}"
    url = f"{client.endpoint.split('://')[0]}://{host}/"
    verify = client.enable_verify_ssl
    if verify and client.ca_crt:
        verify = client.ca_crt
    merged = client.session.merge_environment_settings(url, client.proxies, True, verify, None)
    proxy, credentials = select_proxy(url, merged["proxies"]), None
    if client.proxy_host and client.proxies:
        # As it was named. In `proxies` it is for http endpoints only, and a password with an `@` would not be one.
        proxy = proxy_url(client.proxy_host, client.proxy_port, dialect)
        credentials = proxy_credentials(proxy, client.proxy_username, client.proxy_password, dialect)
    return {"proxy": proxy, "proxy_credentials": credentials, "verify": merged["verify"]}
