"""Downloads many objects by the official SDK's get_object_to_file, from 64 threads: URL BUCKET LIST DIRECTORY."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import official

THREADS = 64

url, bucket, names, directory = sys.argv[1:5]
client = official.client(url, THREADS)


def fetch(key):
    client.get_object_to_file(bucket, key, f"{directory}/{Path(key).name}")


Path(directory).mkdir()
with ThreadPoolExecutor(THREADS) as pool:
    for _ in pool.map(fetch, Path(names).read_text().split()):
        pass
