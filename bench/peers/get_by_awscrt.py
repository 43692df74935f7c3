"""Downloads an object by the AWS Common Runtime's S3 client, unsigned: URL BUCKET KEY PATH [CA_FILE].

Its own part size and number of connections: it takes them from the throughput it is to aim at, 10 Gbit/s unless told.
"""

import sys
from urllib.parse import urlsplit

from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType

url, bucket, key, path = sys.argv[1:5]
group = EventLoopGroup()
client = S3Client(
    bootstrap=ClientBootstrap(group, DefaultHostResolver(group)),
    region="us-east-1",
    tls_mode=S3RequestTlsMode.DISABLED,
)
request = HttpRequest("GET", f"/{bucket}/{key}", HttpHeaders([("host", urlsplit(url).netloc)]))
client.make_request(type=S3RequestType.GET_OBJECT, request=request, recv_filepath=path).finished_future.result()
