"""Every public name says what it is for, with an example that runs; and its types are right."""

import doctest
import importlib
import inspect
import pathlib
import subprocess
import sys
import textwrap

import pytest

import tosget

PACKAGE = pathlib.Path(tosget.__file__).parent
# Among what is installed, mypy would take the neighbours for ours.
SOURCE = pathlib.Path(__file__).parents[1] / "python" / "tosget"
MODULES = ["tosget", *(f"tosget.{name}" for name in ("checkpoint", "clientv2", "credential", "enum", "exceptions", "models2", "utils"))]  # fmt: skip


def public_names():
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            thing = getattr(importlib.import_module(module), name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{module}.{name}", thing


@pytest.mark.parametrize("name, thing", list(public_names()))
def test_a_public_name_has_an_example(name, thing):
    assert thing.__doc__ and ">>>" in thing.__doc__, name
    for method, function in vars(thing).items() if inspect.isclass(thing) else ():
        if inspect.isfunction(function) and not method.startswith("_") and method != "get_credentials":
            assert function.__doc__, f"{name}.{method}"


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(module, monkeypatch):
    # They build clients and set variables; none of them asks anybody for anything.
    monkeypatch.setenv("TOS_ACCESS_KEY", "")
    monkeypatch.setenv("TOS_SECRET_KEY", "")
    results = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0 and results.attempted > 0


@pytest.fixture(scope="session")
def mypy(tmp_path_factory):
    # Half of what it does is to read the standard library's types: once is enough.
    cache = tmp_path_factory.mktemp("mypy")

    def mypy(*arguments):
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    return mypy


def test_the_package_is_strictly_typed(mypy):
    done = mypy(str(SOURCE))
    assert done.returncode == 0, done.stdout
    assert (PACKAGE / "py.typed").exists()


def test_users_code_is_checked_against_the_types(mypy, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import tosget as tos

            def listener(consumed: int, total: int, once: int, type: tos.DataTransferType) -> None: ...

            class Hook(tos.checkpoint.CancelHook):
                def cancel(self, is_abort: bool) -> None:
                    super().cancel(is_abort)

            client = tos.TosClientV2("ak", "sk", "endpoint", "region")
            done = client.download_file("b", "k", "f", task_num=3, data_transfer_listener=listener, cancel_hook=Hook())
            size: int = done.bytes_fetched
            handle = client.download("b", "k", "f", part_size=5, recheck="always")
            handle.wait().etag

            async def main() -> None:
                await client.download_file_async("b", "k", "f", progress=True)

            client.download("b", "k", "f", part_sizes=5)  # wrong
            client.download_file("b", "k", "f", task_num="3")  # wrong
            """
        )
    )
    done = mypy(str(script))
    wrong = [number for number, line in enumerate(script.read_text().splitlines(), 1) if line.endswith("# wrong")]
    found = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    assert found == wrong, done.stdout
