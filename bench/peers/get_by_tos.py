"""Downloads an object by the official SDK's download_file, with 4 tasks and parts of 20 MiB: URL BUCKET KEY PATH."""

import sys

import official

url, bucket, key, path = sys.argv[1:5]
official.client(url).download_file(bucket, key, path, task_num=4, part_size=20 << 20)
