"""Each argument of the official client's constructor that concerns downloads is honoured: by tosget's own client, and by an official one
that is accelerated."""

import inspect

import emulator as tos_emulator
import front
import pytest
import tos
from conftest import MIB, Way
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

import tosget
from tosget import _tosget

OURS = ("tosget", "accelerated")

# What a client is given, and what the engine has of it.
HONOURED = {
    "ak": ("an-ak", {"ak": "an-ak"}),
    "sk": ("an-sk", {"sk": "an-sk"}),
    "security_token": ("a-token", {"security_token": "a-token"}),
    "endpoint": (f"http://other.{DOMAIN}", {"endpoint": f"http://other.{DOMAIN}"}),
    "region": ("cn-else", {"region": "cn-else"}),
    "max_retry_count": (7, {"max_retry_count": 7}),
    "request_timeout": (7, {"idle_timeout": 7.0}),
    "max_connections": (7, {"max_connections": 7}),
    "enable_crc": (False, {"enable_crc": False}),
    "connection_time": (7, {"connect_timeout": 7.0}),
    "enable_verify_ssl": (False, {"enable_verify_ssl": False}),
    "is_custom_domain": (True, {"is_custom_domain": True}),
    "socket_timeout": (7, {"idle_timeout": 7.0}),
    "user_agent_product_name": ("a-product", {"user_agent": "a-product"}),
    "user_agent_soft_name": ("a-soft", {"user_agent": "a-soft"}),
    "user_agent_soft_version": ("a-version", {"user_agent": "a-version"}),
    "user_agent_customized_key_values": ({"a": "value"}, {"user_agent": "a/value"}),
}
# They take more than one value, a server or a file: a test below, or in another module.
ELSEWHERE = {
    "proxy_host": "test_a_proxy_that_wants_a_password",
    "proxy_port": "test_a_proxy_that_wants_a_password",
    "proxy_username": "test_a_proxy_that_wants_a_password",
    "proxy_password": "test_a_proxy_that_wants_a_password",
    "ca_crt": "test_a_servers_certificate_is_verified_as_the_client_says",
    "client_crt": "test_a_client_shows_its_certificate",
    "client_key": "test_a_client_shows_its_certificate",
    "credentials_provider": "test_same.test_a_credentials_provider_of_ones_own",
    "disable_encoding_meta": "test_same.test_metadata_in_result_and_head",
    "high_latency_log_threshold": "test_a_slow_download_is_logged_above_the_threshold",
    "follow_redirect_times": "test_scripts.test_redirects_are_refused_by_name",
    "dns_cache_time": "README.md: nothing is kept for longer than it says",
}
OF_OTHER_CALLS = {"auto_recognize_content_type", "except100_continue_threshold", "control_endpoint"}


def test_every_argument_of_the_constructor_is_accounted_for():
    named = set(inspect.signature(tos.TosClientV2.__init__).parameters) - {"self"}
    assert named == HONOURED.keys() | ELSEWHERE.keys() | OF_OTHER_CALLS


@pytest.fixture
def told(monkeypatch):
    """What the engine's clients are made of."""
    told, make = [], _tosget.Client

    def record(settings):
        told.append(settings)
        return make(settings)

    monkeypatch.setattr(_tosget, "Client", record)
    return told


@pytest.mark.parametrize("way", OURS)
@pytest.mark.parametrize("argument", HONOURED)
def test_an_argument_reaches_the_engine(way, argument, told, store, tmp_path):
    value, expected = HONOURED[argument]
    way = Way(way)
    settings = {argument: value, "high_latency_log_threshold": 0}
    if argument == "request_timeout":
        settings["socket_timeout"] = 0
    client = way.client(**settings)
    with pytest.raises(way.module("exceptions").TosServerError):
        client.download_file(store.bucket, "missing", str(tmp_path / "file"))
    identity = told[-1]["identity"]
    # An official client's provider is asked, ours has told.
    keys = identity() if callable(identity) else identity
    seen = {**told[-1], **dict(zip(("ak", "sk", "security_token"), keys))}
    for name, there in expected.items():
        assert there in seen[name] if name == "user_agent" else seen[name] == there


def test_as_many_retries_as_were_asked_for(same, store, emulator):
    def look(way, directory):
        emulator.control("PUT", "faults", [{"key": "k", "verdict": {"status": {"status": 503}}}])
        emulator.forget_requests()
        with pytest.raises(way.module("exceptions").TosServerError):
            way.client(max_retry_count=1).download_file(store.bucket, "k", str(directory / "file"))
        return len(emulator.requests())

    assert same(look) == 2


@pytest.mark.parametrize("timeout", [{"socket_timeout": 0.2}, {"socket_timeout": 0, "request_timeout": 0.2}])
def test_a_silent_server_is_given_up_in_time(same, store, emulator, timeout):
    store.put("k", MIB)

    def look(way, directory):
        emulator.control("PUT", "faults", [{"key": "k", "verdict": {"stall_before_head": {}}}])
        with pytest.raises(way.module("exceptions").TosClientError) as caught:
            way.client(max_retry_count=0, **timeout).download_file(store.bucket, "k", str(directory / "file"))
        return caught.value.message

    assert same(look) == "http request timeout"


@pytest.mark.parametrize("way", OURS)
def test_no_more_connections_than_allowed(way, store, emulator, tmp_path):
    store.put("k", 8 * MIB)
    client = Way(way).client(max_connections=2)
    client.download_file(store.bucket, "k", str(tmp_path / "file"), part_size=MIB, task_num=8)
    assert len({request["connection"] for request in emulator.requests("GetObject")}) <= 2


@pytest.mark.parametrize("threshold, is_told", [(1 << 40, True), (0, False)])
def test_a_slow_download_is_logged_above_the_threshold(client, store, emulator, tmp_path, caplog, threshold, is_told):
    store.put("k", 64 * 1024)
    client.high_latency_log_threshold = threshold
    # Below half a second nothing counts as slow.
    with emulator.bandwidth(100 * 1024):
        client.download_file(store.bucket, "k", tmp_path / "file")
    assert ("high latency" in caplog.text) == is_told


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """`ca.pem`, and `cert.pem` with `key.pem` for the emulator's names."""
    directory = tmp_path_factory.mktemp("certificates")
    with tos_emulator.running(directory / "objects", 0, "--tls-self-signed", str(directory)):
        pass
    return directory


@pytest.fixture
def https(emulator, monkeypatch):
    """Puts a front with TLS between clients and the emulator, as the environment's proxy."""
    fronts = []

    def https(context):
        fronts.append(front.running(emulator.port, context))
        url = fronts[-1].__enter__().url
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)

    yield https
    for running in fronts:
        running.__exit__(None, None, None)


def https_client(way, **settings):
    return way.client(endpoint=f"https://{DOMAIN}", max_retry_count=0, **settings)


def outcome(way, store, directory, client):
    path = directory / "file"
    path.unlink(missing_ok=True)
    try:
        client.download_file(store.bucket, "k", str(path))
    except way.module("exceptions").TosClientError as error:
        return error.message
    return store.holds(path, MIB)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_servers_certificate_is_verified_as_the_client_says(same, https, certificates, store):
    store.put("k", MIB)
    https(front.context(certificates))
    authority = str(certificates / "ca.pem")

    def look(way, directory):
        settings = [{}, {"ca_crt": authority}, {"enable_verify_ssl": False}, {"enable_verify_ssl": False, "ca_crt": authority}]
        return [outcome(way, store, directory, https_client(way, **some)) for some in settings]

    assert same(look) == ["http request timeout", True, True, True]


def test_authorities_that_the_environment_names_are_an_official_clients(https, certificates, store, tmp_path, monkeypatch):
    store.put("k", MIB)
    https(front.context(certificates))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "ca.pem"))
    for name in ("official", "accelerated"):
        way = Way(name)
        assert outcome(way, store, tmp_path, https_client(way)) is True


def test_a_client_shows_its_certificate(same, https, certificates, store):
    store.put("k", MIB)
    https(front.context(certificates, wants_client_certificate=True))
    authority, own = str(certificates / "ca.pem"), str(certificates / "cert.pem")
    key = str(certificates / "key.pem")

    def look(way, directory):
        with_one = https_client(way, ca_crt=authority, client_crt=own, client_key=key)
        without = https_client(way, ca_crt=authority)
        return outcome(way, store, directory, with_one), outcome(way, store, directory, without)

    assert same(look) == (True, "http request timeout")


@pytest.mark.parametrize("way", OURS)
@pytest.mark.parametrize("argument", ["ca_crt", "client_crt", "client_key"])
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_that_is_no_good_is_named(way, argument, content, certificates, tmp_path, emulator):
    path = tmp_path / "its-name.pem"
    if content is not None:
        path.write_text(content)
    good = {"client_crt": certificates / "cert.pem", "client_key": certificates / "key.pem"} if "client" in argument else {}
    way = Way(way)
    with pytest.raises(way.module("exceptions").TosClientError, match="its-name.pem"):
        client = https_client(way, **{name: str(file) for name, file in {**good, argument: path}.items()})
        client.download_file("bucket", "k", str(tmp_path / "file"))
    assert emulator.requests() == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", OURS)
def test_a_proxy_that_wants_a_password(way, scheme, certificates, emulator, store, tmp_path, monkeypatch):
    store.put("k", MIB)
    way = Way(way)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name)
    with front.running(emulator.port, front.context(certificates), "user:pass word") as proxy:
        settings = {"proxy_host": "127.0.0.1", "proxy_port": proxy.port, "proxy_username": "user"}

        def fetch(password):
            client = way.client(
                endpoint=f"{scheme}://{DOMAIN}", ca_crt=str(certificates / "ca.pem"), proxy_password=password, **settings
            )
            return client.download_file(store.bucket, "k", str(tmp_path / "file"))

        fetch("pass word")
        assert store.holds(tmp_path / "file", MIB)
        host = f"{store.bucket}.{DOMAIN}"
        assert proxy.targets[0] == (f"CONNECT {host}:443" if scheme == "https" else f"GET http://{host}/k")
        with pytest.raises(way.module("exceptions").TosError):
            fetch("another")
