"""The command `tosget` as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time

from emulator import ACCESS_KEY, REGION, SECRET_KEY

# Runs a command and writes the most memory it ever held, in bytes. A process of its own, because a child's figure
# starts from its parent's memory, and pytest's is large.
MEASURE = """
import os, resource, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
unit = 1 if sys.platform == "darwin" else 1024
open(sys.argv[1], "w").write(str(usage.ru_maxrss * unit))
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Result:
    """How a run of the command ended."""

    def __init__(self, code, stdout, stderr):
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    def json(self):
        """The last line of the standard output."""
        return json.loads(self.stdout.splitlines()[-1])

    def __repr__(self):
        return f"exit code {self.code}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class Tosget:
    """Runs `tosget` against one endpoint, with a home directory and an environment of its own."""

    def __init__(self, endpoint, home, credentials=(ACCESS_KEY, SECRET_KEY)):
        self.endpoint = endpoint
        self.home = home
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        if credentials:
            self.environment["TOS_ACCESS_KEY"], self.environment["TOS_SECRET_KEY"] = credentials

    def command(self, name, *arguments):
        fixed = ["--endpoint", self.endpoint, "--region", REGION]
        return [os.environ["TOSGET_BIN"], name, *fixed, *map(str, arguments)]

    def start(self, name, *arguments, prefix=()):
        return subprocess.Popen(
            [*map(str, prefix), *self.command(name, *arguments)],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, name, *arguments, timeout=120, prefix=()):
        with self.start(name, *arguments, prefix=prefix) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            finally:
                process.kill()
        return Result(process.returncode, stdout, stderr)

    def get(self, *arguments, timeout=120):
        """A download that must succeed."""
        done = self.run("get", *arguments, timeout=timeout)
        assert done.code == 0, done
        return done

    def get_measured(self, *arguments, timeout=300):
        """A download that must succeed, and the most memory it held in bytes."""
        report = self.home / "peak-memory"
        prefix = [sys.executable, "-I", "-S", "-c", MEASURE, report]
        done = self.run("get", *arguments, timeout=timeout, prefix=prefix)
        assert done.code == 0, done
        return done, int(report.read_text())


def poll(condition, what, timeout=60, interval=0.005):
    """Waits until `condition()` holds and returns what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"no {what} within {timeout} s"
        time.sleep(interval)


def kill(process):
    """SIGKILL: nothing in the process gets to tidy up."""
    process.send_signal(signal.SIGKILL)
    return Result(process.wait(), *process.communicate())
