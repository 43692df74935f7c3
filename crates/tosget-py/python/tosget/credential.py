"""Who asks: keys, and where they come from.

A provider is any object with a method ``get_credentials()`` that returns an object with ``get_ak()``, ``get_sk()`` and
``get_security_token()``, such as :class:`Credentials`. It is asked before each request, from threads of tosget's, so one that asks
a service should keep the answer and renew it some minutes before it expires.

>>> import tosget as tos
>>> class Renewed:
...     def get_credentials(self):
...         return tos.credential.Credentials("ak", "sk", "token")
>>> client = tos.TosClientV2(
...     endpoint="tos-cn-beijing.volces.com", region="cn-beijing", credentials_provider=Renewed()
... )
"""

from __future__ import annotations

import os
from typing import Callable, Optional, Protocol

from .exceptions import TosClientError

__all__ = [
    "Credentials",
    "CredentialsProvider",
    "EnvCredentialsProvider",
    "StaticCredentialsProvider",
]


class Credentials:
    """One consistent set of keys; ``security_token`` comes with temporary ones.

    >>> import tosget as tos
    >>> tos.credential.Credentials("ak", "sk").get_ak()
    'ak'
    """

    def __init__(
        self, access_key_id: str, access_key_secret: str, security_token: Optional[str] = None
    ) -> None:
        self.access_key_id = access_key_id.strip()
        self.access_key_secret = access_key_secret.strip()
        self.security_token = security_token

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, ...)"

    def get_ak(self) -> str:
        """The access key's id; not a secret.

        >>> import tosget as tos
        >>> tos.credential.Credentials("ak", "sk").get_ak()
        'ak'
        """
        return self.access_key_id

    def get_sk(self) -> str:
        """The secret key.

        >>> import tosget as tos
        >>> tos.credential.Credentials("ak", "sk").get_sk()
        'sk'
        """
        return self.access_key_secret

    def get_security_token(self) -> Optional[str]:
        """The token of temporary keys.

        >>> import tosget as tos
        >>> tos.credential.Credentials("ak", "sk", "token").get_security_token()
        'token'
        """
        return self.security_token


class CredentialsProvider:
    """May be derived from by a provider of one's own; it need not.

    >>> import tosget as tos
    >>> class Fixed(tos.credential.CredentialsProvider):
    ...     def get_credentials(self):
    ...         return tos.credential.Credentials("ak", "sk")
    """

    def get_credentials(self) -> Optional[Credentials]:
        """The keys to sign with now.

        >>> import tosget as tos
        >>> tos.StaticCredentialsProvider("ak", "sk").get_credentials()
        Credentials('ak', ...)
        """
        return None


class StaticCredentialsProvider(CredentialsProvider):
    """Always the same keys.

    >>> import tosget as tos
    >>> tos.StaticCredentialsProvider("ak", "sk").get_credentials().get_ak()
    'ak'
    """

    def __init__(
        self, access_key_id: str, access_key_secret: str, security_token: Optional[str] = None
    ) -> None:
        self.credentials = Credentials(access_key_id, access_key_secret, security_token)

    def get_credentials(self) -> Credentials:
        """Those that it was given.

        >>> import tosget as tos
        >>> tos.StaticCredentialsProvider("ak", "sk").get_credentials().get_sk()
        'sk'
        """
        return self.credentials


class EnvCredentialsProvider(CredentialsProvider):
    """The keys in ``TOS_ACCESS_KEY``, ``TOS_SECRET_KEY`` and, for temporary ones, ``TOS_SECURITY_TOKEN``, read once, here.

    >>> import os
    >>> import tosget as tos
    >>> os.environ.update(TOS_ACCESS_KEY="ak", TOS_SECRET_KEY="sk")
    >>> tos.EnvCredentialsProvider().get_credentials().get_ak()
    'ak'
    """

    def __init__(self) -> None:
        access_key, secret_key = os.environ.get("TOS_ACCESS_KEY"), os.environ.get("TOS_SECRET_KEY")
        if access_key is None or secret_key is None:
            raise TosClientError("ak or sk is empty")
        self.credentials = Credentials(access_key, secret_key, os.environ.get("TOS_SECURITY_TOKEN"))

    def get_credentials(self) -> Credentials:
        """Those that it has read.

        >>> import os
        >>> import tosget as tos
        >>> os.environ.update(TOS_ACCESS_KEY="ak", TOS_SECRET_KEY="sk")
        >>> tos.EnvCredentialsProvider().get_credentials().get_sk()
        'sk'
        """
        return self.credentials


class _HasKeys(Protocol):
    def get_ak(self) -> str: ...
    def get_sk(self) -> str: ...
    def get_security_token(self) -> Optional[str]: ...


class _Provider(Protocol):
    def get_credentials(self) -> Optional[_HasKeys]: ...


_Keys = tuple[str, str, Optional[str]]


def _keys_of(provider: _Provider) -> Callable[[], _Keys]:
    """The engine's view of a provider."""

    def ask() -> _Keys:
        credentials = provider.get_credentials()
        if credentials is None:
            raise TosClientError(f"credentials_provider: {type(provider).__name__}.get_credentials() returned None")
        return credentials.get_ak(), credentials.get_sk(), credentials.get_security_token()

    return ask
