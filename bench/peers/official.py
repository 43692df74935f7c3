"""A client of the official SDK that nginx understands."""

import tos
from requests.adapters import HTTPAdapter


class Quoted(HTTPAdapter):
    """The SDK sends If-Match without the quotes of HTTP, which TOS takes and nginx does not."""

    def send(self, request, **settings):
        etag = request.headers.get("If-Match")
        if etag and not etag.startswith('"'):
            request.headers["If-Match"] = f'"{etag}"'
        return super().send(request, **settings)


def client(url, connections=10):
    made = tos.TosClientV2("ak", "sk", url, "local", is_custom_domain=True, max_connections=connections)
    made.session.mount("http://", Quoted(pool_connections=connections, pool_maxsize=connections))
    return made
