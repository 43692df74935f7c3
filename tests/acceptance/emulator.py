"""The emulator as a process, and the questions that only it can answer: what was asked for, how much was sent."""

import http.client
import json
import os
import signal
import subprocess
from contextlib import contextmanager

ACCESS_KEY = "acceptance-access-key"
SECRET_KEY = "YWNjZXB0YW5jZS1zZWNyZXQ="
REGION = "cn-beijing"

# A host that exists nowhere: clients that need bucket names in host names reach it with the emulator as their proxy.
DOMAIN = "tos.test"


class Emulator:
    """A running emulator."""

    def __init__(self, process, url):
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def control(self, method, name, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/_emulator/{name}", body=text)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200, f"{method} {name}: {answer.status} {text}"
            return json.loads(text)
        finally:
            connection.close()

    def bytes_sent(self):
        """Bytes of all bodies since the last `forget_requests`."""
        return self.control("GET", "stats")["body_bytes_sent"]

    def requests(self, operation=None):
        logged = self.control("GET", "requests")
        return [request for request in logged if operation in (None, request["operation"])]

    def forget_requests(self):
        self.control("DELETE", "requests")

    @contextmanager
    def bandwidth(self, total):
        """Sends no more than `total` bytes per second, to all clients together."""
        self.control("PUT", "bandwidth", {"total": int(total)})
        try:
            yield
        finally:
            if self.process.poll() is None:
                self.control("PUT", "bandwidth", {})

    def make_object(self, bucket, key, size, seed):
        """Stores generated content, see `content.Generated`; any key will do, even one that no SDK can send."""
        return self.control("POST", "objects", {"bucket": bucket, "key": key, "size": size, "seed": seed})

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(root, port=0, *flags):
    """An emulator whose objects live below `root` and survive it."""
    command = [os.environ["TOS_EMULATOR_BIN"], "--listen", f"127.0.0.1:{port}", "--region", REGION]
    command += ["--root", str(root), "--base-domain", DOMAIN]
    command += ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http"), f"the emulator said {url!r}"
            yield Emulator(process, url)
        finally:
            process.kill()
