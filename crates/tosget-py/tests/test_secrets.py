"""No secret is in what anything of the package says of itself: exceptions, their tracebacks, events, results, logs."""

import base64
import copy
import io
import logging
import pickle
import re
import socketserver
import threading
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout

import pytest
import tos
from emulator import DOMAIN, REGION

import tosget

TOKEN, KEY, PASSWORD = "zq-security-token", "zq-secret-key", "zq-proxy-password"
SSEC_KEY = "enEtc3NlLWMta2V5LW9mLTMyLWJ5dGVzLWhlcmUhISE="
SIGNED = "zq-signature-of-another"
# The last is how the proxy gets its password.
OURS = re.compile("|".join(map(re.escape, (TOKEN, KEY, PASSWORD, SSEC_KEY, base64.b64encode(f"user:{PASSWORD}".encode()).decode()))))
ANY = re.compile(f"{OURS.pattern}|{SIGNED}|Signature=(?!<redacted>)")

STATUSES = ["206 Partial Content", "200 OK", "302 Found", "400 Bad", "403 Forbidden", "404 Not Found", "409 Conflict", "412 No", "503 Busy"]


class Echo(socketserver.StreamRequestHandler):
    """Repeats the whole request in every field of its answer, and names URLs that are signed."""

    def handle(self):
        asked = []
        while (line := self.rfile.readline().strip().decode("latin-1")) != "":
            asked.append(line)
        if not asked:
            return
        said = " ; ".join(asked)
        url = f"https://elsewhere.test/k?X-Tos-Signature={SIGNED}&X-Tos-Security-Token={TOKEN}"
        text = said.replace("\\", "").replace('"', "'") + " " + url
        names = ("Code", "Message", "RequestId", "HostId", "EC", "Resource")
        body = "{" + ",".join(f'"{name}":"{text}"' for name in names) + "}"
        if asked[0].startswith("HEAD"):
            body = ""
        named = ("x-tos-request-id", "x-tos-id-2", "x-tos-ec", "x-echo", "content-type", "x-tos-storage-class", "x-tos-meta-e")
        head = [f"HTTP/1.1 {self.server.status}", f"Content-Length: {len(body)}", f"Location: {url}", 'ETag: "e"']
        head += [f"Content-Range: bytes 0-{max(len(body), 1) - 1}/{len(body)}", "Connection: close"]
        head += [f"{name}: {said}" for name in named]
        self.wfile.write(("\r\n".join(head) + "\r\n\r\n" + body).encode("latin-1"))


@pytest.fixture
def echo():
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def all_of(error):
    """Everything that an exception says, or that is said of it."""
    yield from (str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))
    yield from traceback.TracebackException.from_exception(error).format()
    again = [copy.copy(error), pickle.loads(pickle.dumps(error))]
    yield from (str(one) for one in again)
    yield from (repr(vars(one)) for one in again)
    cause = getattr(error, "cause", None)
    if cause is not None:
        yield from (str(cause), repr(cause))
    header = getattr(error, "header", None)
    if header is not None:
        yield from (f"{name}: {value}" for name, value in header.items())


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("package", [tosget, tos], ids=["tosget", "accelerated"])
def test_what_a_server_repeats_of_a_request_is_in_no_exception(echo, tmp_path, caplog, status, package):
    echo.status = status
    if package is tos:
        tosget.accelerate()
    caplog.set_level(logging.DEBUG)
    # What is said of failures; and what an object's headers are, which are the caller's.
    output, said, told = io.StringIO(), [], []
    host, port = echo.server_address
    client = package.TosClientV2(
        "AKLT-zq",
        KEY,
        f"http://{DOMAIN}",
        REGION,
        security_token=TOKEN,
        proxy_host=host,
        proxy_port=port,
        proxy_username="user",
        proxy_password=PASSWORD,
        max_retry_count=1,
        high_latency_log_threshold=10**9,
    )
    calls = [lambda options: client.download_file("bucket", "k", str(tmp_path / "file"), **options)]
    if package is tosget:
        calls += [
            lambda options: client.download("bucket", "k", tmp_path / "file", **options).wait(60),
            lambda options: client.head_object("bucket", "k", **{name: options[name] for name in options if name.startswith("ssec")}),
        ]
    listener = "event_listener" if package is tosget else "download_event_listener"
    ssec = {"ssec_algorithm": "AES256", "ssec_key": SSEC_KEY}
    if package is tos:
        ssec["ssec_key_md5"] = "7zHWGhFUnZsUkzSvKaXXAg=="

    def hear(*event):
        for thing in vars(event[0]).values() if package is tosget else event:
            told.append(repr(thing))
            if isinstance(thing, BaseException):
                said.extend(all_of(thing))

    with redirect_stdout(output), redirect_stderr(output), warnings.catch_warnings(record=True) as warned:
        for options in ({}, ssec):
            for call in calls:
                try:
                    told.append(repr(vars(call({**options, listener: hear}))))
                except Exception as error:
                    said += all_of(error)
    said += [output.getvalue(), caplog.text, repr(client), *(str(one.message) for one in warned)]
    # The test looks where the server's words are.
    assert any("<redacted>" in text for text in [*said, *told]), said
    for text in said:
        assert not ANY.search(text), text
    for text in told:
        assert not OURS.search(text), text


def test_no_object_shows_the_secrets_that_it_was_given(monkeypatch):
    monkeypatch.setenv("TOS_ACCESS_KEY", "AKLT-zq")
    monkeypatch.setenv("TOS_SECRET_KEY", KEY)
    monkeypatch.setenv("TOS_SECURITY_TOKEN", TOKEN)
    client = tosget.TosClientV2(
        "AKLT-zq",
        KEY,
        f"http://{DOMAIN}",
        REGION,
        security_token=TOKEN,
        proxy_host="localhost",
        proxy_port=9,
        proxy_username="user",
        proxy_password=PASSWORD,
    )
    settings, native = next(iter(client._pool._clients.values()))
    arguments = tosget.clientv2.DownloadArguments("bucket", "k", "file", ssec_algorithm="AES256", ssec_key=SSEC_KEY)
    keys = tosget.credential.Credentials("AKLT-zq", KEY, TOKEN)
    providers = [tosget.StaticCredentialsProvider("AKLT-zq", KEY, TOKEN), tosget.EnvCredentialsProvider()]
    for thing in (client, settings, native, arguments, keys, *providers):
        for text in (repr(thing), str(thing), f"{thing}"):
            assert not ANY.search(text), text


@pytest.mark.parametrize(
    "given",
    [
        {"security_token": TOKEN},
        {"ak": "", "sk": KEY},
        {"endpoint": f"http://user:{PASSWORD}@h"},
        {"region": "\n"},
        {"retry_for": "x"},
    ],
)
def test_a_client_that_is_refused_shows_no_secret(given):
    with pytest.raises(Exception) as caught:
        tosget.TosClientV2(**{"endpoint": f"http://{DOMAIN}", "region": REGION, **given}).head_object("bucket", "")
    for text in all_of(caught.value):
        # The lines of this test are in the traceback.
        assert not ANY.search(text), text
