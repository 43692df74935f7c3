"""What the official package's tests import as `tests.common`, which its source distribution does not have: written from what they
use of it. They are given the emulator instead of the service."""

import hashlib
import os
import random
import string
import unittest
import uuid

import tos
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY
from tos import VersioningStatusType

ENDPOINT = f"http://{DOMAIN}"

# A key of 256 bits in base64, and its MD5.
SSE_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SSE_KEY_MD5 = "hRasmdxgYDKV3nvbahU1MA=="


class TosTestBase(unittest.TestCase):
    """Clients, and names that no other test has."""

    def setUp(self):
        self.ak, self.sk, self.endpoint, self.region = ACCESS_KEY, SECRET_KEY, ENDPOINT, REGION
        self.sseAlg, self.sseKey, self.sseKeyMd5 = "AES256", SSE_KEY, SSE_KEY_MD5
        self.prefix = "object-"
        # Bucket names have at most 63 characters, and the tests add up to 42.
        self.bucket_name = f"their-{uuid.uuid4().hex[:10]}"
        self.bucket_delete = []
        self.client = tos.TosClientV2(self.ak, self.sk, self.endpoint, self.region)
        self.client2 = tos.TosClientV2(self.ak, self.sk, self.endpoint, self.region)
        self.version_client = _VersionClient(self.ak, self.sk, self.endpoint, self.region)

    def random_key(self, suffix=""):
        return self.prefix + random_string(12) + suffix

    def random_filename(self):
        return os.path.abspath(f"file-{random_string(12)}")

    def assertFileContent(self, path, content):
        with open(path, "rb") as file:
            self.assertEqual(file.read(), content)

    def assertObjectContent(self, bucket, key, content):
        self.assertEqual(self.client.get_object(bucket, key).read(), content)


class _VersionClient(tos.TosClientV2):
    """The tests say True where the package's own method wants the status."""

    def put_bucket_versioning(self, bucket, is_enabled):
        assert is_enabled is True
        return super().put_bucket_versioning(bucket, VersioningStatusType.Versioning_Status_Enabled)


class MockResponse:
    """Only imported: tests that make answers up do not speak to a server, and are not run."""


class TosTestCase(unittest.TestCase):
    """Only imported, as above."""


def random_string(length):
    return "".join(random.choices(string.ascii_lowercase, k=length))


def random_bytes(length):
    # One test reads them as text.
    return random.randbytes(length // 2 + 1).hex()[:length].encode()


def calculate_md5(content):
    return hashlib.md5(content).hexdigest()
