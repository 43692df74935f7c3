"""The official package's own download tests, with its client as it is and accelerated.

They come from its source distribution, which `cargo xtask test python` fetches; TOS_OFFICIAL_TESTS names the directory.
"""

import importlib.util
import os
import pathlib
import sys
import time
import types
import unittest

import common
import pytest
from conftest import Way
from find import about_downloads
from selection import BESIDE, DOWNLOADS, NOT_RUN

# Their tests leave files and connections open.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="session")
def their_tests():
    return pathlib.Path(os.environ["TOS_OFFICIAL_TESTS"])


@pytest.fixture
def their(their_tests, monkeypatch):
    """Imports one of their modules, with ours for the one that it misses."""

    def their(name):
        package = types.ModuleType("tests")
        package.common = common
        monkeypatch.setitem(sys.modules, "tests", package)
        monkeypatch.setitem(sys.modules, "tests.common", common)
        spec = importlib.util.spec_from_file_location(f"tests.{name}", their_tests / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        # They wait a minute for the service to spread a setting; the emulator has it at once.
        module.time = types.SimpleNamespace(sleep=lambda seconds: None, time=time.time)
        return module

    return their


def test_each_of_their_tests_is_run_or_has_a_reason(their_tests):
    groups = [DOWNLOADS, BESIDE, set(NOT_RUN)]
    assert set().union(*groups) == about_downloads(their_tests)
    assert sum(map(len, groups)) == len(set().union(*groups))


@pytest.mark.parametrize("way", ["official", "accelerated"])
@pytest.mark.parametrize("name", sorted(DOWNLOADS | BESIDE))
def test_their_test(name, way, their, emulator, tmp_path, monkeypatch):
    way = Way(way)
    # They write where they are.
    monkeypatch.chdir(tmp_path)
    module, kind, method = name.split(".")
    outcome = unittest.TestResult()
    getattr(their(module), kind)(method).run(outcome)
    assert outcome.testsRun == 1 and not outcome.skipped
    assert outcome.wasSuccessful(), "\n".join(text for _, text in outcome.errors + outcome.failures)
    agents = {dict(request["headers"]).get("user-agent", "") for request in emulator.requests()}
    assert any(agent.startswith("tosget/") for agent in agents) == (way.is_ours and name in DOWNLOADS)
