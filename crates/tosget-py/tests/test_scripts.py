"""Scripts that say `import tos`, unchanged: `python -m tosget script.py` with and without the official package."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import tos
from conftest import MIB, Way
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

import tosget

SCRIPTS = pathlib.Path(__file__).parent.parent / "examples"
SIZE = 45 * MIB + 99
PART_SIZE = 20 * MIB

RUNS = ("official", "accelerated", "alone")


@pytest.fixture(scope="session")
def only_tosget(tmp_path_factory):
    """A directory of packages in which there is tosget and nothing else."""
    packages = tmp_path_factory.mktemp("packages")
    (packages / "tosget").symlink_to(pathlib.Path(tosget.__file__).parent, target_is_directory=True)
    return packages


@pytest.fixture
def run(store, tmp_path, only_tosget):
    """Runs a script in one of the ways and returns what it wrote."""

    def run(how, *script, file="file", **variables):
        environment = {
            **os.environ,
            "TOS_ACCESS_KEY": ACCESS_KEY,
            "TOS_SECRET_KEY": SECRET_KEY,
            "TOS_ENDPOINT": f"http://{DOMAIN}",
            "TOS_REGION": REGION,
            "TOS_BUCKET": store.bucket,
            "TOS_KEY": "k",
            "TOS_FILE": str(tmp_path / file),
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        }
        command = [sys.executable]
        if how == "alone":
            # Without the directories of installed packages.
            command.append("-S")
            environment["PYTHONPATH"] = str(only_tosget)
        if how != "official":
            command += ["-m", "tosget"]
        command += [str(word) for word in script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def engines(emulator):
    """Whose requests brought the bytes."""
    agents = [dict(request["headers"])["user-agent"] for request in emulator.requests("GetObject")]
    return {agent.partition("/")[0] for agent in agents}


def engine_of(how):
    return {"ve-tos-python-sdk"} if how == "official" else {"tosget"}


@pytest.mark.parametrize("how", RUNS)
def test_resume(run, how, store, emulator, tmp_path):
    store.put("k", SIZE)
    rule = {"key": "k", "operation": "GetObject", "range_covers": 2 * PART_SIZE, "verdict": {"status": {"status": 403}}}
    emulator.control("PUT", "faults", [rule])
    failed = run(how, SCRIPTS / "resume.py")
    assert "error with http code: 403" in failed and re.search("error with request id: .+", failed)
    assert not (tmp_path / "file").exists()
    emulator.control("DELETE", "faults")
    emulator.forget_requests()
    assert run(how, SCRIPTS / "resume.py") == ""
    assert store.holds(tmp_path / "file", SIZE)
    assert emulator.bytes_sent() < SIZE
    assert engines(emulator) == engine_of(how)


@pytest.mark.parametrize("how", RUNS)
def test_progress(run, how, store, emulator, tmp_path):
    store.put("k", SIZE)
    lines = run(how, SCRIPTS / "progress.py").splitlines()
    shape = r"rate:(\d+), consumed_bytes:(\d+),total_bytes(\d+), rw_once_bytes:(\d+), type:DataTransferType\.(\w+)"
    told = [re.fullmatch(shape, line) for line in lines]
    assert all(told)
    assert told[0].groups() == ("0", "0", str(SIZE), "0", "Data_Transfer_Started")
    assert told[-1].groups() == ("100", str(SIZE), str(SIZE), "0", "Data_Transfer_Succeed")
    assert store.holds(tmp_path / "file", SIZE)
    assert engines(emulator) == engine_of(how)


def test_events(run, store, emulator, tmp_path):
    store.put("k", SIZE)
    seen = {}
    for how in RUNS:
        said = run(how, SCRIPTS / "events.py", file=how)
        if how != "official":
            place = re.escape(f" None {store.bucket} k None {tmp_path / how} ")
            assert all(re.fullmatch(rf"DownloadEventType\.\w+{place}\S+ \S+ .+", line) for line in said.splitlines())
        # The official package prints from several threads: lines come in pieces, and only the pieces are whole.
        names = [re.match(r"\w+", piece)[0] for piece in said.split("DownloadEventType.")[1:]]
        seen[how] = sorted(names), sorted(re.findall(r"\{.+?\}", said))
    assert seen["official"] == seen["accelerated"] == seen["alone"]
    names, parts = seen["official"]
    assert len(names) == 5 and len(parts) == 3


@pytest.mark.parametrize("how", RUNS)
def test_rate_limit(run, how, store, emulator, tmp_path):
    # What the bucket holds at once: this is about the script, not about the rate.
    store.put("k", MIB)
    assert run(how, SCRIPTS / "rate_limit.py") == ""
    assert store.holds(tmp_path / "file", MIB)
    assert engines(emulator) == engine_of(how)


@pytest.mark.parametrize("how", RUNS)
def test_cancel(run, how, store, emulator, tmp_path):
    store.put("k", SIZE)
    # Slow enough that it can't end within the second after which the script cancels.
    emulator.control("PUT", "bandwidth", {"total": 15 * MIB})
    said = run(how, SCRIPTS / "cancel.py")
    # Two threads print: a line's end may come after the next line.
    assert sorted(re.findall("some user define|the task is canceled", said)) == ["some user define", "the task is canceled"]
    assert not (tmp_path / "file").exists()
    emulator.control("PUT", "bandwidth", {})
    emulator.forget_requests()
    assert run(how, SCRIPTS / "resume.py") == ""
    assert store.holds(tmp_path / "file", SIZE)
    # The official package notices a cancel when a part has ended: by then there may be nothing left to fetch.
    assert engines(emulator) <= engine_of(how)
    if how != "official":
        assert emulator.bytes_sent() < SIZE


def test_a_script_sees_itself_as_without_tosget(run, tmp_path):
    (tmp_path / "beside.py").write_text("WORD = 'beside'")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os, beside\n"
        "print(__name__, os.path.basename(__file__), sys.argv[1:], beside.WORD, os.path.basename(sys.path[0]))\n"
    )
    seen = {how: run(how, script, "--flag", "two words") for how in RUNS}
    assert seen["official"] == seen["accelerated"] == seen["alone"]
    assert "__main__ script.py ['--flag', 'two words'] beside" in seen["official"]


def test_a_module_is_run_as_well(run, tmp_path):
    (tmp_path / "mod.py").write_text("import sys, tos; print(__name__, sys.argv[1:], tos.__name__)")
    out = subprocess.run(
        [sys.executable, "-m", "tosget", "-m", "mod", "x"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert out.stdout == "__main__ ['x'] tos\n"


@pytest.mark.parametrize("arguments, code", [([], 2), (["--help"], 0), (["--version"], 0), (["/no/such.py"], 1)])
def test_what_the_command_says(arguments, code):
    done = subprocess.run([sys.executable, "-m", "tosget", *arguments], capture_output=True, text=True)
    assert done.returncode == code
    assert "tosget" in done.stdout + done.stderr


def fetch(client, store, path, **options):
    return client.download_file(store.bucket, "k", str(path), part_size=MIB, **options)


def test_clients_made_before_and_after_are_accelerated_and_restored(store, emulator, tmp_path):
    store.put("k", 3 * MIB)
    before = Way("official").client()
    tosget.accelerate()
    tosget.accelerate()
    after = tos.TosClientV2(ACCESS_KEY, SECRET_KEY, f"http://{DOMAIN}", REGION)
    for client in (before, after):
        done = fetch(client, store, tmp_path / "file")
        assert isinstance(done, tos.models2.HeadObjectOutput) and done.verification == "crc64"
        assert client.head_object(store.bucket, "k").etag == done.etag
    assert engines(emulator) == {"tosget"}
    tosget.restore()
    tosget.restore()
    emulator.forget_requests()
    for client in (before, after):
        fetch(client, store, tmp_path / "file")
    assert engines(emulator) == {"ve-tos-python-sdk"}


@pytest.fixture
def accelerated():
    return Way("accelerated")


def test_a_subclass_of_the_official_client_is_accelerated(accelerated, store, emulator, tmp_path):
    store.put("k", 3 * MIB)

    class Mine(tos.TosClientV2):
        def download_file(self, *arguments, **options):
            return super().download_file(*arguments, task_num=2, **options)

    client = Mine(ACCESS_KEY, SECRET_KEY, f"http://{DOMAIN}", REGION)
    fetch(client, store, tmp_path / "file")
    assert engines(emulator) == {"tosget"}


def test_a_clients_own_proxy_and_crc_are_honoured(accelerated, store, emulator, tmp_path, monkeypatch):
    store.put("k", 3 * MIB)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name)
    client = accelerated.client(proxy_host="127.0.0.1", proxy_port=emulator.port, enable_crc=False)
    assert fetch(client, store, tmp_path / "file").verification == "size_only"
    # Settings that change later are honoured, too.
    client.enable_crc = True
    assert fetch(client, store, tmp_path / "file").verification == "crc64"


def test_proxies_are_those_of_the_official_client(accelerated, store, emulator, tmp_path, monkeypatch):
    store.put("k", MIB)
    monkeypatch.setenv("no_proxy", DOMAIN)
    client = accelerated.client(max_retry_count=0)
    with pytest.raises(tos.exceptions.TosClientError, match="http request timeout"):
        fetch(client, store, tmp_path / "file")


def test_ssl_settings_of_an_official_client_are_read(accelerated, tmp_path):
    client = accelerated.client(endpoint="https://tos.test", ca_crt=str(tmp_path / "missing.pem"))
    with pytest.raises(tos.exceptions.TosClientError, match="missing.pem"):
        client.download_file("bucket", "k", str(tmp_path / "file"))


def test_redirects_are_refused_by_name(accelerated, emulator, tmp_path):
    client = accelerated.client(follow_redirect_times=3)
    with pytest.raises(tos.exceptions.TosClientError, match="follow_redirect_times"):
        client.download_file("bucket", "k", str(tmp_path / "file"))
    with pytest.raises(tosget.TosClientError, match="follow_redirect_times"):
        Way("tosget").client(follow_redirect_times=3)
    assert emulator.requests() == []


def test_an_official_limiter_is_honoured_as_it_is(accelerated, store, emulator, tmp_path):
    store.put("k", 3 * MIB)
    limiter, hook = tos.RateLimiter(rate=1, capacity=MIB), tos.checkpoint.CancelHook()
    told = []

    def listener(consumed, total, once, type):
        told.append(consumed)
        if consumed >= MIB:
            hook.cancel(True)

    # At this rate it would take days.
    with pytest.raises(tos.exceptions.TosClientError, match="the task is canceled"):
        fetch(
            accelerated.client(),
            store,
            tmp_path / "file",
            rate_limiter=limiter,
            cancel_hook=hook,
            data_transfer_listener=listener,
        )
    # What had been received and not yet let in is recorded when it ends, so it is told last.
    assert next(consumed for consumed in told if consumed >= MIB) < MIB + 65_536
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["tosget", "accelerated"])
def test_a_limiter_of_ones_own_is_refused_by_name(way, emulator, tmp_path):
    class Mine(tos.RateLimiter):
        def acquire(self, want):
            return super().acquire(want)

    way = Way(way)
    for limiter in (Mine(1, 1), object()):
        with pytest.raises(way.module("exceptions").TosClientError, match="rate_limiter is a"):
            way.client().download_file("bucket", "k", str(tmp_path / "file"), rate_limiter=limiter)
    assert emulator.requests() == []


def test_official_objects_are_good_for_tosgets_own_client(client, store, tmp_path):
    store.put("k", 3 * MIB)
    hook, limiter = tos.checkpoint.CancelHook(), tos.RateLimiter(1 << 40, 1 << 40)
    fetch(client, store, tmp_path / "file", cancel_hook=hook, rate_limiter=limiter)
    hook.cancel(False)
    with pytest.raises(tosget.TosClientError, match="the task is canceled"):
        fetch(client, store, tmp_path / "other", cancel_hook=hook)
