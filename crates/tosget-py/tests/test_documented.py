"""Every public name says what it is for, with an example that runs; and its types are right."""

import ast
import asyncio
import doctest
import importlib
import inspect
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest
from emulator import ACCESS_KEY, DOMAIN, SECRET_KEY

import tosget

PACKAGE = pathlib.Path(tosget.__file__).parent
# Among what is installed, mypy would take the neighbours for ours.
SOURCE = pathlib.Path(__file__).parents[1] / "python" / "tosget"
README = SOURCE.parents[1] / "README.md"
MODULES = ["tosget", *(f"tosget.{name}" for name in ("checkpoint", "clientv2", "credential", "enum", "exceptions", "models2", "utils"))]  # fmt: skip


def public_names():
    """Modules, what they export, and what of that has a name: methods and properties."""
    for module in map(importlib.import_module, MODULES):
        yield module.__name__, module
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{module.__name__}.{name}", thing
            for member, value in vars(thing).items() if inspect.isclass(thing) else ():
                if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    yield f"{module.__name__}.{name}.{member}", value


@pytest.mark.parametrize("thing", [pytest.param(thing, id=name) for name, thing in public_names()])
def test_a_public_name_has_an_example(thing):
    assert thing.__doc__ and ">>>" in thing.__doc__


# Examples of what `tosget` itself exports are where that is written.
@pytest.mark.parametrize("module", [*MODULES, "tosget._accelerate", "tosget._handle"])
def test_the_examples_run(module, monkeypatch):
    # They build clients and set variables; none of them asks anybody for anything.
    monkeypatch.setenv("TOS_ACCESS_KEY", "")
    monkeypatch.setenv("TOS_SECRET_KEY", "")
    results = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0 and results.attempted > 0


def test_the_readmes_examples_run(store, tmp_path, monkeypatch):
    store.put("object-test", 3000)
    monkeypatch.setenv("TOS_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("TOS_SECRET_KEY", SECRET_KEY)
    names = {"tos-cn-beijing.volces.com": f"http://{DOMAIN}", "bucket-test": store.bucket, "/data/": f"{tmp_path}/"}
    examples = re.findall(r"```python\n(.+?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    variables = {}
    for example in examples:
        for name, here in names.items():
            example = example.replace(name, here)
        running = eval(compile(example, str(README), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), variables)
        if running is not None:
            asyncio.run(running)
        assert store.holds(tmp_path / "object", 3000)
        (tmp_path / "object").unlink()


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
