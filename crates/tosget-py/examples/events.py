"""Tells what happens in a download.

Written for the official package `tos`. `python -m tosget events.py` runs it on tosget's engine.
"""

import os

import tos
from tos import DownloadEventType

# The keys, the endpoint and its region, such as tos-cn-beijing.volces.com and cn-beijing, come from the environment.
ak = os.getenv("TOS_ACCESS_KEY")
sk = os.getenv("TOS_SECRET_KEY")
endpoint = os.getenv("TOS_ENDPOINT")
region = os.getenv("TOS_REGION")
bucket_name = os.getenv("TOS_BUCKET", "bucket-test")
object_key = os.getenv("TOS_KEY", "object-test")
file_path = os.getenv("TOS_FILE", "/tmp/object-test")

try:
    client = tos.TosClientV2(ak, sk, endpoint, region)

    def download_event(
        type: DownloadEventType,
        err,
        bucket,
        key,
        version_id,
        file_path,
        checkpint_file,
        tmp_file,
        download_part,
    ):
        print(type, err, bucket, key, version_id, file_path, checkpint_file, tmp_file, download_part)

    client.download_file(
        bucket_name,
        object_key,
        file_path,
        # Bytes of a part, 20 MiB by default.
        part_size=1024 * 1024 * 20,
        # Parts in flight, 1 by default.
        task_num=3,
        download_event_listener=download_event,
    )
except tos.exceptions.TosClientError as e:
    # A bad argument, or a failure of the network: the same call again goes on where this one stopped.
    print("fail with client error, message:{}, cause: {}".format(e.message, e.cause))
except tos.exceptions.TosServerError as e:
    print("fail with server error, code: {}".format(e.code))
    print("error with request id: {}".format(e.request_id))
    print("error with message: {}".format(e.message))
    print("error with http code: {}".format(e.status_code))
    print("error with ec: {}".format(e.ec))
    print("error with request url: {}".format(e.request_url))
except Exception as e:
    print("fail with unknown error: {}".format(e))
