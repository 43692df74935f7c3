"""Stops a download from another thread, and keeps what has arrived.

Written for the official package `tos`. `python -m tosget cancel.py` runs it on tosget's engine.
"""

import os
import time
from threading import Thread

import tos
from tos.checkpoint import CancelHook
from tos.exceptions import TosClientError

# The keys, the endpoint and its region, such as tos-cn-beijing.volces.com and cn-beijing, come from the environment.
ak = os.getenv("TOS_ACCESS_KEY")
sk = os.getenv("TOS_SECRET_KEY")
endpoint = os.getenv("TOS_ENDPOINT")
region = os.getenv("TOS_REGION")
bucket_name = os.getenv("TOS_BUCKET", "bucket-test")
object_key = os.getenv("TOS_KEY", "object-test")
file_path = os.getenv("TOS_FILE", "/tmp/object-test")

client = tos.TosClientV2(ak, sk, endpoint, region)


class MyCancel(CancelHook):
    def cancel(self, is_abort: bool):
        # is_abort True removes what has arrived, False keeps it. The inherited method has to be called.
        time.sleep(1)
        super(MyCancel, self).cancel(is_abort=is_abort)
        print("some user define")


cancel = MyCancel()

t1 = Thread(target=cancel.cancel, args=(False,))
t1.start()

try:
    client.download_file(
        bucket_name,
        object_key,
        file_path,
        part_size=1024 * 1024 * 20,
        task_num=3,
        cancel_hook=cancel,
    )
except TosClientError as e:
    if e.message == "the task is canceled":
        print("the task is canceled")
except Exception as e:
    print(e)
