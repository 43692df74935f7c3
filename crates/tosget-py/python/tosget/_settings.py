"""Where requests go and with which keys, as the engine wants to know it."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass, field
from typing import Any, Dict, Optional
from urllib.parse import urlsplit

from . import _tosget
from ._dialect import OWN, Dialect
from ._failure import refused
from .credential import StaticCredentialsProvider, _keys_of

__all__ = [
    "ClientPool",
    "Settings",
    "client_certificate",
    "environment_proxy",
    "proxy_credentials",
    "proxy_url",
]

# The official package's number of retries. The engine waits for an outage by time instead, unless another number is asked for.
DEFAULT_RETRIES = 3

# More settings than this in one client are those of somebody who changes them all the time.
_MOST_CLIENTS = 8


@dataclass(frozen=True)
class Settings:
    """Settings of a client; the names are the engine's."""

    endpoint: str
    region: str
    # A provider, or nobody for unsigned requests.
    provider: Any
    is_custom_domain: bool
    connect_timeout: float
    idle_timeout: float
    max_retry_count: int
    # Seconds that an outage is waited for; the engine's default, if it is not given.
    retry_for: Optional[float]
    max_connections: int
    enable_crc: bool
    enable_verify_ssl: bool
    ca_file: Optional[str]
    client_certificate: Optional[tuple[str, str]]
    # It may hold a password.
    proxy: Optional[str] = field(repr=False)
    proxy_credentials: Optional[tuple[str, str]] = field(repr=False)
    user_agent: str

    def native(self, dialect: Dialect) -> _tosget.Client:
        """An engine's client."""
        settings: Dict[str, Any] = {
            name: value for name, value in vars(self).items() if name != "provider"
        }
        if self.max_retry_count == DEFAULT_RETRIES:
            settings["max_retry_count"] = None
        settings["identity"] = _identity(self.provider)
        return refused(lambda: _tosget.Client(settings), dialect)

    def key(self) -> tuple[Any, ...]:
        """Equal settings have equal keys. A provider is equal to itself only."""
        values = {**vars(self), "provider": id(self.provider)}
        return tuple(values.values())


def _identity(provider: Any) -> Any:
    if provider is None:
        return None
    if type(provider) is StaticCredentialsProvider:
        keys = provider.get_credentials()
        return keys.get_ak(), keys.get_sk(), keys.get_security_token() or None
    return _keys_of(provider)


class ClientPool:
    """The engine's clients of one Python client: one, unless its settings change. They hold the connections."""

    def __init__(self) -> None:
        self._clients: Dict[tuple[Any, ...], tuple[Settings, _tosget.Client]] = {}

    def get(self, settings: Settings, dialect: Dialect) -> _tosget.Client:
        key = settings.key()
        there = self._clients.get(key)
        if there is None:
            made = (settings, settings.native(dialect))
            # Another thread may have been faster; both go on with the same.
            there = self._clients.setdefault(key, made)
            for old in list(self._clients)[:-_MOST_CLIENTS]:
                self._clients.pop(old, None)
        return there[1]


def environment_proxy(endpoint: str, bucket: str) -> Optional[str]:
    """The proxy that the environment names for this endpoint, as the official package looks it up."""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    host = parts.hostname or ""
    if not proxy or urllib.request.proxy_bypass(host) or urllib.request.proxy_bypass(f"{bucket}.{host}"):
        return None
    return proxy


def proxy_url(host: Optional[str], port: Optional[int], dialect: Dialect = OWN) -> Optional[str]:
    """The proxy that the arguments name."""
    if not host:
        return None
    if port is None:
        raise dialect.client_error("proxy_host is given without proxy_port")
    return f"http://{host}:{port}"


def proxy_credentials(
    proxy: Optional[str], user: Optional[str], password: Optional[str], dialect: Dialect = OWN
) -> Optional[tuple[str, str]]:
    """Who asks that proxy."""
    if not user:
        return None
    if proxy is None:
        raise dialect.client_error("proxy_username is given without proxy_host")
    return user, password or ""


def client_certificate(
    certificate: Optional[str], key: Optional[str], dialect: Dialect = OWN
) -> Optional[tuple[str, str]]:
    """The files of what is shown to the server."""
    if not certificate and not key:
        return None
    if not certificate or not key:
        missing = "client_crt" if not certificate else "client_key"
        raise dialect.client_error(f"{missing} is missing: a certificate is given with its key")
    return certificate, key
