"""What is the same with the official package, with tosget, and with the official package accelerated."""

import datetime
import hashlib
import base64
import inspect
import threading

import pytest
import tos
from conftest import MIB, Way
from emulator import SECRET_KEY

import tosget

SIZE = 3 * MIB + 12_345

HEAD_ATTRIBUTES = [
    "status_code", "etag", "version_id", "sse_algorithm", "sse_key_md5", "website_redirect_location",
    "hash_crc64_ecma", "restore", "restore_expiry_days", "tagging_count", "object_type", "symlink_target_size",
    "meta", "last_modified", "last_modify_timestamp", "expires", "delete_marker", "content_type", "content_length",
    "cache_control", "content_disposition", "content_encoding", "content_language", "is_directory", "expiration",
]  # fmt: skip


def told(output):
    """Attributes of an output that can be compared over classes."""
    seen = {name: getattr(output, name) for name in HEAD_ATTRIBUTES}
    seen["storage_class"] = output.storage_class and output.storage_class.value
    return seen


def failure(way, call):
    """The exception of a call, as scripts look at it."""
    exceptions = way.module("exceptions")
    with pytest.raises(exceptions.TosError) as caught:
        call()
    error = caught.value
    if isinstance(error, exceptions.TosServerError):
        assert error.request_id and error.request_url
        assert error.header["x-tos-request-id"] == error.request_id
        return "server", error.status_code
    return "client", error.message


def test_the_parameters_and_their_defaults():
    theirs = list(inspect.signature(tos.TosClientV2.download_file).parameters.values())
    ours = list(inspect.signature(tosget.TosClientV2.download_file).parameters.values())
    assert [(p.name, p.default, p.kind) for p in ours[: len(theirs)]] == [
        (p.name, p.default, p.kind) for p in theirs
    ]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])
    tosget.accelerate()
    assert list(inspect.signature(tos.TosClientV2.download_file).parameters.values()) == theirs


@pytest.mark.parametrize("method", ["__init__", "head_object"])
def test_the_parameters_of(method):
    def parameters(client):
        return list(inspect.signature(getattr(client, method)).parameters.values())

    ours, theirs = parameters(tosget.TosClientV2), parameters(tos.TosClientV2)
    assert [(p.name, p.default) for p in ours[: len(theirs)]] == [(p.name, p.default) for p in theirs]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])


@pytest.mark.parametrize("name", ["DataTransferType", "StorageClassType", "TierType", "ReplicationStatusType"])
def test_the_numbers_and_names_of(name):
    theirs = getattr(tos.enum, name).__members__
    assert {name: member.value for name, member in getattr(tosget, name).__members__.items()} == {
        name: member.value for name, member in theirs.items()
    }


def test_the_numbers_and_names_of_events():
    theirs = {name: member.value for name, member in tos.DownloadEventType.__members__.items()}
    ours = {name: member.value for name, member in tosget.DownloadEventType.__members__.items()}
    assert {name: value for name, value in ours.items() if value < 100} == theirs


def test_result_and_file(same, store):
    store.put("a/ü b", SIZE)

    def look(way, directory):
        path = directory / "file"
        done = way.client().download_file(store.bucket, "a/ü b", str(path), part_size=MIB, task_num=3)
        assert isinstance(done, way.module("models2").HeadObjectOutput)
        assert store.holds(path, SIZE)
        assert [entry.name for entry in directory.iterdir()] == ["file"]
        return told(done)

    assert same(look)["content_length"] == SIZE


def test_metadata_in_result_and_head(same, store):
    body = b"with metadata"
    Way("official").client().put_object(
        store.bucket,
        "meta",
        content=body,
        meta={"名": "值", "plain": "text"},
        content_type="text/x-test",
        content_disposition='attachment; filename="ü.txt"',
        cache_control="no-cache",
        content_language="de",
        expires=datetime.datetime(2030, 1, 2, 3, 4, 5),
        storage_class=tos.StorageClassType.Storage_Class_Ia,
    )

    def look(way, directory):
        path = str(directory / "file")
        both = []
        for settings in ({}, {"disable_encoding_meta": True}):
            client = way.client(**settings)
            both.append(told(client.download_file(store.bucket, "meta", path)))
            both.append(told(client.head_object(store.bucket, "meta")))
        return both

    seen = same(look)
    assert seen[0]["meta"] == {"名": "值", "plain": "text"}


def test_an_empty_object(same, store):
    store.put("empty", 0)

    def look(way, directory):
        done = way.client().download_file(store.bucket, "empty", str(directory / "file"))
        return (directory / "file").read_bytes(), done.content_length

    assert same(look) == (b"", 0)


def test_events(same, store):
    store.put("k", SIZE)

    def look(way, directory):
        events = []

        def listener(type, err, bucket, key, version_id, file_path, checkpoint_file, tmp_file, part):
            assert isinstance(checkpoint_file, str) and isinstance(tmp_file, str)
            assert isinstance(type, way.tos.DownloadEventType)
            shown = part and (part.part_number, part.start, part.end, part.size, part.part_crc)
            place = file_path == str(directory / "file")
            events.append((type.name, err, bucket == store.bucket, key, version_id, place, shown))

        way.client().download_file(
            store.bucket, "k", str(directory / "file"), part_size=MIB, task_num=3, download_event_listener=listener
        )
        return [events[0], *sorted(events[1:-1], key=lambda event: event[-1]), events[-1]]

    assert [event[0].rpartition("_")[0] for event in same(look)] == [
        "Download_Event_Create_TempFile",
        *["Download_Event_Download_Part"] * 4,
        "Download_Event_Rename_Temp_File",
    ]


def test_progress(same, store):
    store.put("k", SIZE)

    def look(way, directory):
        calls = []

        def listener(consumed_bytes, total_bytes, rw_once_bytes, type):
            assert isinstance(type, way.tos.DataTransferType)
            calls.append((consumed_bytes, total_bytes, rw_once_bytes, type.value))

        way.client().download_file(
            store.bucket, "k", str(directory / "file"), part_size=MIB, task_num=3, data_transfer_listener=listener
        )
        moving = calls[1:-1]
        assert {call[3] for call in moving} == {2}
        consumed = [call[0] for call in moving]
        assert consumed == sorted(consumed)
        return calls[0], sum(call[2] for call in moving), calls[-1]

    assert same(look) == ((0, SIZE, 0, 1), SIZE, (SIZE, SIZE, 0, 3))


@pytest.mark.parametrize("key", ["missing", "a//b?c=%20"])
def test_a_key_that_is_not_there(same, store, key):
    def look(way, directory):
        path = str(directory / "file")
        return failure(way, lambda: way.client().download_file(store.bucket, key, path))

    assert same(look) == ("server", 404)


def test_a_bucket_that_is_not_there(same):
    def look(way, directory):
        return failure(way, lambda: way.client().download_file("not-there", "k", str(directory / "file")))

    assert same(look) == ("server", 404)


def test_a_wrong_secret(same, store):
    store.put("k", 5)

    def look(way, directory):
        client = way.client(sk=SECRET_KEY + "x")
        return failure(way, lambda: client.download_file(store.bucket, "k", str(directory / "file")))

    assert same(look) == ("server", 403)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("ab", "k", "file"), "invalid bucket name, the length must be [3, 63]"),
        (("-abc", "k", "file"), "invalid bucket name, the bucket name can be neither starting with ' - ' nor ending with ' - '"),
        (("Abc", "k", "file"), "invalid bucket name, the character set is illegal"),
        (("abc", "", "file"), "invalid object name, object name is empty"),
        (("abc", "k", ""), "tos: file_path =  is invalid"),
        (("abc", "k", None), "tos: file_path = None is invalid"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_work(same, emulator, arguments, message):
    def look(way, directory):
        return failure(way, lambda: way.client().download_file(*arguments))

    assert same(look) == ("client", message)
    assert emulator.requests() == []


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"endpoint": "tos-s3-cn-beijing.volces.com"}, "invalid endpoint, please use Tos endpoint rather than S3 endpoint"),
        ({"credentials_provider": tos.StaticCredentialsProvider("a", "s")}, "credentials_provider, ak, sk both"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work(same, settings, message):
    assert same(lambda way, _: failure(way, lambda: way.client(**settings))) == ("client", message)


def test_nobody_there(same, monkeypatch, unused_port):
    def look(way, directory):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port}")
        client = way.client(max_retry_count=0)
        seen = failure(way, lambda: client.download_file("abc", "k", str(directory / "file")))
        with pytest.raises(way.module("exceptions").TosClientError) as caught:
            client.download_file("abc", "k", str(directory / "file"))
        assert caught.value.cause is not None
        return seen

    assert same(look) == ("client", "http request timeout")


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as holder:
        # Bound and not listening: nobody else gets it, and nobody answers.
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_conditions(same, store):
    store.put("k", 1000)
    etag = Way("official").client().head_object(store.bucket, "k").etag
    past, future = datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1)

    def look(way, directory):
        client, path = way.client(), str(directory / "file")

        def outcome(**condition):
            try:
                client.head_object(store.bucket, "k", **condition)
                return client.download_file(store.bucket, "k", path, **condition).etag == etag
            except way.module("exceptions").TosServerError as error:
                return error.status_code

        return [
            outcome(if_match=etag),
            outcome(if_match="0" * 32),
            outcome(if_none_match=etag),
            outcome(if_none_match="0" * 32),
            outcome(if_modified_since=past),
            outcome(if_modified_since=future),
            outcome(if_unmodified_since=future),
            outcome(if_unmodified_since=past),
        ]

    assert same(look) == [True, 412, 304, True, True, 304, True, 412]


def test_versions(same, store):
    official = Way("official").client()
    official.put_bucket_versioning(store.bucket, tos.enum.VersioningStatusType.Versioning_Status_Enabled)
    first = official.put_object(store.bucket, "k", content=b"the first").version_id
    second = official.put_object(store.bucket, "k", content=b"and another").version_id

    def look(way, directory):
        events = []
        listener = lambda *event: events.append(event[4])  # noqa: E731
        read = []
        for version in (first, second, None):
            path = directory / "file"
            done = way.client().download_file(
                store.bucket, "k", str(path), version, download_event_listener=listener
            )
            read.append((path.read_bytes(), done.version_id))
        assert set(events) == {first, second, None}
        return read

    assert same(look) == [(b"the first", first), (b"and another", second), (b"and another", second)]


def test_encryption_with_the_owners_key(same, store):
    key = bytes(range(32))
    ssec = {
        "ssec_algorithm": "AES256",
        "ssec_key": base64.b64encode(key).decode(),
        "ssec_key_md5": base64.b64encode(hashlib.md5(key).digest()).decode(),
    }
    Way("official").client().put_object(store.bucket, "k", content=b"secret", **ssec)

    def look(way, directory):
        path = directory / "file"
        done = way.client().download_file(store.bucket, "k", str(path), **ssec)
        with_key = path.read_bytes(), done.sse_algorithm
        return with_key, failure(way, lambda: way.client().download_file(store.bucket, "k", str(path)))

    assert same(look) == ((b"secret", "AES256"), ("server", 400))


def test_a_directory_as_the_destination(same, store):
    store.put("sub/k", 1000)
    store.put("made/", 0)

    def look(way, directory):
        client, into = way.client(), directory / "into"
        into.mkdir()
        client.download_file(store.bucket, "sub/k", str(into))
        assert store.holds(into / "sub/k", 1000)
        client.download_file(store.bucket, "made/", str(into))
        client.download_file(store.bucket, "sub/k", str(directory / "new/deep/file"))
        return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))

    assert same(look) == ["into", "into/made", "into/sub", "into/sub/k", "new", "new/deep", "new/deep/file"]


def test_anonymous_requests(same, store, emulator):
    emulator.control("POST", "buckets", {"bucket": store.bucket + "-public", "public": True})
    emulator.make_object(store.bucket + "-public", "k", 1000, 7)

    def look(way, directory):
        client = way.client(ak="", sk="")
        client.download_file(store.bucket + "-public", "k", str(directory / "file"))
        return (directory / "file").stat().st_size, failure(
            way, lambda: client.download_file(store.bucket, "k", str(directory / "file"))
        )

    store.put("k", 5)
    assert same(look) == (1000, ("server", 403))


def test_a_credentials_provider_of_ones_own(same, store):
    store.put("k", 1000)

    def look(way, directory):
        asked = []

        class Provider:
            def get_credentials(self):
                asked.append(threading.current_thread())
                return way.module("credential").Credentials(ACCESS_KEY, SECRET_KEY)

        client = way.client(ak="", sk="", credentials_provider=Provider())
        client.download_file(store.bucket, "k", str(directory / "file"))
        assert asked
        return store.holds(directory / "file", 1000)

    from emulator import ACCESS_KEY

    assert same(look)


def test_a_credentials_provider_that_fails(same, store):
    store.put("k", 1000)

    class Locked(Exception):
        pass

    class Provider:
        def get_credentials(self):
            raise Locked("the vault is locked")

    def look(way, directory):
        client = way.client(ak="", sk="", credentials_provider=Provider(), max_retry_count=0)
        with pytest.raises(Locked, match="the vault is locked"):
            client.download_file(store.bucket, "k", str(directory / "file"))

    same(look)


def test_temporary_credentials_carry_their_token(same, store, emulator):
    store.put("k", 1000)

    def look(way, directory):
        client = way.client(security_token="a-token")
        try:
            client.download_file(store.bucket, "k", str(directory / "file"))
            return "accepted"
        except way.module("exceptions").TosServerError as error:
            return error.status_code

    same(look)


def test_a_hook_pulled_before(same, store):
    store.put("k", SIZE)

    def look(way, directory):
        hook = way.module("checkpoint").CancelHook()
        hook.cancel(False)
        return failure(
            way,
            lambda: way.client().download_file(
                store.bucket, "k", str(directory / "file"), part_size=MIB, cancel_hook=hook
            ),
        ), (directory / "file").exists()

    assert same(look) == (("client", "the task is canceled"), False)


def test_a_hook_of_ones_own_pulled_by_a_listener_and_the_same_call_again(same, store, emulator):
    store.put("k", SIZE)

    def look(way, directory):
        done = []

        class Hook(way.module("checkpoint").CancelHook):
            def cancel(self, is_abort):
                super().cancel(is_abort)
                done.append(is_abort)

        hook = Hook()

        def listener(type, *_):
            if type.value == 3:
                hook.cancel(False)

        arguments = {"part_size": MIB, "task_num": 1}
        path = directory / "file"
        emulator.control("PUT", "bandwidth", {"total": 8 * MIB})
        seen = failure(
            way,
            lambda: way.client().download_file(
                store.bucket, "k", str(path), download_event_listener=listener, cancel_hook=hook, **arguments
            ),
        )
        emulator.control("PUT", "bandwidth", {})
        assert done and not path.exists()
        emulator.forget_requests()
        way.client().download_file(store.bucket, "k", str(path), **arguments)
        assert store.holds(path, SIZE)
        assert emulator.bytes_sent() < SIZE
        return seen

    assert same(look) == ("client", "the task is canceled")


def test_a_rate_limiter(same, store):
    store.put("k", SIZE)

    def look(way, directory):
        limiter = way.tos.RateLimiter(rate=64 * MIB, capacity=64 * MIB)
        path = directory / "file"
        way.client().download_file(store.bucket, "k", str(path), part_size=MIB, task_num=2, rate_limiter=limiter)
        return store.holds(path, SIZE)

    assert same(look)


def test_a_traffic_limit_reaches_the_server(same, store, emulator):
    store.put("k", 1000)

    def look(way, directory):
        emulator.forget_requests()
        way.client().download_file(store.bucket, "k", str(directory / "file"), traffic_limit=245_760)
        gets = [request for request in emulator.requests() if request["method"] == "GET"]
        return [dict(get["headers"])["x-tos-traffic-limit"] for get in gets]

    assert same(look) == ["245760"]


def test_without_crc(same, store):
    store.put("k", SIZE)

    def look(way, directory):
        done = way.client(enable_crc=False).download_file(store.bucket, "k", str(directory / "file"))
        return told(done), store.holds(directory / "file", SIZE)

    assert same(look)[1]


def test_the_user_agent_is_added_to(in_all_ways, store, emulator):
    store.put("k", 5)

    def look(way, directory):
        emulator.forget_requests()
        client = way.client(
            user_agent_product_name="shop",
            user_agent_soft_version="1.2",
            user_agent_customized_key_values={"team": "data"},
        )
        client.download_file(store.bucket, "k", str(directory / "file"))
        agents = {dict(request["headers"])["user-agent"] for request in emulator.requests()}
        (agent,) = agents
        return agent

    seen = in_all_ways(look)
    added = "--shop/undefined/1.2 (team/data)"
    assert seen.official.endswith(added) and seen.tosget.endswith(added) and seen.accelerated.endswith(added)
    assert seen.tosget.startswith("tosget/") and seen.accelerated.startswith("tosget/")


def test_exceptions_print_the_same(same, store):
    def look(way, directory):
        with pytest.raises(way.module("exceptions").TosClientError) as caught:
            way.client().download_file("ab", "k", str(directory / "file"))
        return str(caught.value)

    same(look)
