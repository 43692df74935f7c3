"""Downloads an object by boto3, unsigned, with 4 threads and parts of 20 MiB: URL BUCKET KEY PATH [CA_FILE]."""

import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config

url, bucket, key, path = sys.argv[1:5]
client = boto3.client(
    "s3",
    endpoint_url=url,
    region_name="us-east-1",
    verify=sys.argv[5] if len(sys.argv) > 5 else None,
    config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
)
client.download_file(bucket, key, path, Config=TransferConfig(max_concurrency=4, multipart_chunksize=20 << 20))
