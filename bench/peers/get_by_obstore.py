"""Downloads an object by obstore, unsigned, as the stream it gives: URL BUCKET KEY PATH."""

import sys

import obstore
from obstore.store import S3Store

url, bucket, key, path = sys.argv[1:5]
store = S3Store(
    bucket,
    endpoint=url,
    region="us-east-1",
    skip_signature=True,
    virtual_hosted_style_request=False,
    client_options={"allow_http": True},
)
with open(path, "wb", buffering=0) as file:
    for chunk in obstore.get(store, key).stream(min_chunk_size=8 << 20):
        file.write(chunk)
