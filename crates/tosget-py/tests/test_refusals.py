"""What can't be honoured is refused by its name, before anything is asked of anybody."""

import datetime
import os
import socket
import stat

import pytest
import tos
from conftest import Way

import tosget


@pytest.mark.parametrize("name", ["tosget", "accelerated"])
@pytest.mark.parametrize(
    "argument, value",
    [
        ("bucket", 5),
        ("key", 5),
        ("file_path", 5),
        ("version_id", 5),
        ("if_match", 5),
        ("if_none_match", b"x"),
        ("if_modified_since", "yesterday"),
        ("if_unmodified_since", 5),
        ("ssec_algorithm", "AES256"),
        ("ssec_key", "AAAA"),
        ("ssec_key_md5", "AAAA"),
        ("part_size", 0),
        ("part_size", -1),
        ("part_size", 1.5),
        ("part_size", True),
        ("part_size", 1 << 64),
        ("task_num", 0),
        ("task_num", 1001),
        ("task_num", "3"),
        ("enable_checkpoint", "no"),
        ("checkpoint_file", 5),
        ("data_transfer_listener", "f"),
        ("download_event_listener", 5),
        ("rate_limiter", 5),
        ("cancel_hook", 5),
        ("traffic_limit", 1),
        ("traffic_limit", "1"),
        ("generic_input.request_date", tos.models2.GenericInput(request_date=datetime.datetime(2020, 1, 1))),
        ("generic_input.request_host", tos.models2.GenericInput(request_host="h")),
        ("generic_input.request_headers", tos.models2.GenericInput(request_headers={"a": "b"})),
        ("generic_input.request_query", tosget.GenericInput(request_query={"a": "b"})),
    ],
)
def test_arguments(name, argument, value, emulator, tmp_path):
    way = Way(name)
    given = {"bucket": "bucket", "key": "k", "file_path": str(tmp_path / "file"), argument.partition(".")[0]: value}
    with pytest.raises(way.module("exceptions").TosClientError) as caught:
        way.client().download_file(**given)
    assert argument in caught.value.message, caught.value.message
    assert caught.value.kind == "InvalidArgument"
    assert emulator.requests() == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "argument, value",
    [
        ("progress_interval", -1),
        ("progress_interval", float("nan")),
        ("event_listener", 5),
        ("recheck", "sometimes"),
        ("max_restarts", -1),
        ("preserve_mtime", "yes"),
    ],
)
def test_arguments_that_only_tosget_has(argument, value, client, emulator, tmp_path):
    with pytest.raises(tosget.TosClientError, match=argument):
        client.download_file("bucket", "k", tmp_path / "file", **{argument: value})
    assert emulator.requests() == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
@pytest.mark.parametrize("name", ["tosget", "accelerated"])
def test_a_destination_that_is_or_leads_to_no_file_is_refused_and_stays(name, emulator, tmp_path, monkeypatch):
    way = Way(name)
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    links = {"null": "/dev/null", "chain": "null", "proc": "/proc/self/fd/1", "stdout": "/dev/stdout", "to-pipe": "pipe"}
    for link, target in links.items():
        os.symlink(target, link)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        there = sorted(os.listdir())
        others = ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/cmdline", "/proc/sys/kernel/domainname"]
        for destination in [*there, *others, os.path.relpath("/dev/null")]:
            with pytest.raises(way.module("exceptions").TosClientError) as caught:
                way.client().download_file("bucket", "k", destination)
            assert "which no file can take the place of" in caught.value.message, caught.value.message
            assert caught.value.kind == "InvalidArgument" and caught.value.hint
    assert sorted(os.listdir()) == there and emulator.requests() == []
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode) and stat.S_ISFIFO(os.lstat("pipe").st_mode)
    assert {link: os.readlink(link) for link in links} == links


def test_an_unknown_argument_is_a_type_error(client, tmp_path):
    for call in (client.download_file, client.download):
        with pytest.raises(TypeError, match="tasknum"):
            call("bucket", "k", tmp_path / "file", tasknum=3)


@pytest.mark.parametrize(
    "settings, word",
    [
        ({"ak": None, "sk": None}, "ak or sk is empty"),
        ({"sk": ""}, "ak or sk is empty"),
        ({"ak": "", "sk": "", "security_token": "t"}, "security_token"),
        ({"ak": "", "sk": "", "credentials_provider": object()}, "credentials_provider"),
        ({"region": ""}, "region"),
        ({"endpoint": "ftp://h"}, "ftp"),
        ({"max_connections": 0}, "max_connections"),
        ({"proxy_host": "h"}, "proxy_port"),
        ({"proxy_username": "u"}, "proxy_host"),
        ({"client_crt": "/c.pem"}, "client_key"),
        ({"client_key": "/k.pem"}, "client_crt"),
        ({"endpoint": "https://h", "ca_crt": "/missing.pem"}, "/missing.pem"),
        ({"user_agent_product_name": "a\nb"}, "user agent"),
    ],
)
def test_settings(settings, word):
    with pytest.raises(tosget.TosClientError) as caught:
        Way("tosget").client(**settings)
    assert word in caught.value.message, caught.value.message


@pytest.mark.parametrize("rate, capacity", [(0, 1), (1, 0), (-1, 1), ("1", 1), (float("nan"), 1), (True, 1)])
def test_limits(rate, capacity):
    with pytest.raises(tosget.TosClientError, match="rate limiter"):
        tosget.RateLimiter(rate, capacity)
