"""The official Python SDK."""

import io
import os

import pytest
import requests
import tos
from conftest import ENDPOINT, REGION, some
from tos.enum import HttpMethodType, VersioningStatusType
from tos.models2 import ObjectTobeDeleted, UploadedPart

MIB = 1 << 20
KEYS = [
    "plain.txt",
    "/leading",
    "a//b",
    "/+",
    "sp ace/and+plus",
    "% ? # * & = ' \" [ ] { } | ^ ` < > \\ ~ ! @ $ ( ) ; : ,",
    "中文/ключ/🦀",
    "k" * 1024,
]


@pytest.mark.parametrize("key", KEYS)
def test_an_object_comes_back_as_it_was_put(client, bucket, key):
    data = some(100_000)
    put = client.put_object(bucket, key, content=data, content_type="text/x-test", meta={"Name": "值 x"})
    head = client.head_object(bucket, key)
    got = client.get_object(bucket, key)
    assert got.read() == data
    assert head.content_length == len(data)
    assert head.etag == put.etag == got.etag
    assert head.hash_crc64_ecma == put.hash_crc64_ecma == got.hash_crc64_ecma
    assert head.content_type == "text/x-test"
    assert head.meta["name"] == "值 x"
    assert head.request_id and head.id2


def test_a_stream_of_unknown_length_is_stored(client, bucket):
    def pieces():
        for start in range(0, 300_000, 10_000):
            yield some(300_000)[start : start + 10_000]

    client.put_object(bucket, "chunked", content=pieces())
    assert client.get_object(bucket, "chunked").read() == some(300_000)


def test_ranges_are_slices(client, bucket):
    data = some(1000)
    client.put_object(bucket, "k", content=data)
    assert client.get_object(bucket, "k", range_start=10, range_end=19).read() == data[10:20]
    assert client.get_object(bucket, "k", range="bytes=990-").read() == data[990:]
    assert client.get_object(bucket, "k", range="bytes=-7").read() == data[-7:]
    assert client.get_object(bucket, "k", range="bytes=5-5000").content_range == "bytes 5-999/1000"
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.get_object(bucket, "k", range="bytes=1000-")
    assert refused.value.status_code == 416


def test_conditions_hold_with_the_etag_as_the_sdk_strips_it(client, bucket):
    etag = client.put_object(bucket, "k", content=b"abc").etag
    assert client.get_object(bucket, "k", if_match=etag).read() == b"abc"
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.get_object(bucket, "k", if_match="other")
    assert refused.value.status_code == 412
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.head_object(bucket, "k", if_none_match=etag)
    assert refused.value.status_code == 304


def test_errors_carry_code_number_and_request_id(client, bucket):
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.get_object(bucket, "missing")
    error = refused.value
    assert (error.status_code, error.code, error.ec) == (404, "NoSuchKey", "0017-00000003")
    assert error.request_id and error.id2 and error.message
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.head_object(bucket, "missing")
    assert refused.value.header["x-tos-ec"] == "0017-00000003"
    assert client.does_object_exist(bucket, "missing") is False
    assert client.does_bucket_exist("no-such-bucket-here") is False
    assert client.does_bucket_exist(bucket) is True


def test_a_wrong_secret_key_is_refused(proxied, bucket):
    stranger = tos.TosClientV2("peer-access-key", "wrong", ENDPOINT, REGION, max_retry_count=0)
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        stranger.get_object(bucket, "k")
    assert (refused.value.status_code, refused.value.code) == (403, "SignatureDoesNotMatch")


def test_a_multipart_upload_comes_back_whole(client, bucket, tmp_path):
    data = some(17 * MIB + 3)
    path = tmp_path / "upload.bin"
    path.write_bytes(data)
    client.upload_file(bucket, "large", str(path), part_size=5 * MIB, task_num=3)
    head = client.head_object(bucket, "large")
    assert head.content_length == len(data)
    assert head.etag.endswith('-4"') or head.etag.endswith("-4")
    assert client.get_object(bucket, "large").read() == data


def test_the_sdk_downloads_in_parts(client, bucket, tmp_path):
    data = some(11 * MIB + 1)
    client.put_object(bucket, "large", content=data)
    target = tmp_path / "down" / "large.bin"
    client.download_file(bucket, "large", str(target), part_size=5 * MIB, task_num=3)
    assert target.read_bytes() == data


def test_parts_are_listed_and_completed_all_at_once(client, bucket):
    upload = client.create_multipart_upload(bucket, "parts")
    for number, length in [(1, 5 * MIB), (2, 5 * MIB), (7, 10)]:
        part = client.upload_part(bucket, "parts", upload.upload_id, number, content=some(length))
        assert part.etag and part.hash_crc64_ecma
    page = client.list_parts(bucket, "parts", upload.upload_id, max_parts=2)
    assert [part.part_number for part in page.parts] == [1, 2] and page.is_truncated
    rest = client.list_parts(bucket, "parts", upload.upload_id, part_number_marker=page.next_part_number_marker)
    assert [(part.part_number, part.size) for part in rest.parts] == [(7, 10)]
    done = client.complete_multipart_upload(bucket, "parts", upload.upload_id, complete_all=True)
    assert [part.part_number for part in done.complete_parts] == [1, 2, 7]
    assert client.get_object(bucket, "parts").read() == some(5 * MIB) * 2 + some(10)


def test_an_aborted_upload_is_gone(client, bucket):
    upload = client.create_multipart_upload(bucket, "gone")
    client.upload_part(bucket, "gone", upload.upload_id, 1, content=b"x")
    client.abort_multipart_upload(bucket, "gone", upload.upload_id)
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.complete_multipart_upload(bucket, "gone", upload.upload_id, [UploadedPart(1, "x")])
    assert (refused.value.status_code, refused.value.code) == (404, "NoSuchUpload")


def test_listings_page_and_group(client, bucket):
    for key in ["a/1", "a/2", "b", "c/1", "c/2/x", "d 中"]:
        client.put_object(bucket, key, content=key.encode())
    page = client.list_objects_type2(bucket, delimiter="/", max_keys=2, list_only_once=True)
    assert [p.prefix for p in page.common_prefixes] == ["a/"]
    assert [(o.key, o.size) for o in page.contents] == [("b", 1)]
    assert page.is_truncated and page.key_count == 2
    token = page.next_continuation_token
    rest = client.list_objects_type2(bucket, delimiter="/", continuation_token=token)
    assert [p.prefix for p in rest.common_prefixes] == ["c/"]
    assert [o.key for o in rest.contents] == ["d 中"]
    assert rest.contents[0].owner.id and rest.contents[0].owner.display_name
    everything = client.list_objects_type2(bucket, prefix="c/")
    assert [o.key for o in everything.contents] == ["c/1", "c/2/x"]

    keys, marker = [], None
    while True:
        page = client.list_objects(bucket, max_keys=2, marker=marker)
        keys += [o.key for o in page.contents]
        marker = page.next_marker
        if not page.is_truncated:
            break
    assert keys == ["a/1", "a/2", "b", "c/1", "c/2/x", "d 中"]


def test_versions_are_kept_and_listed_newest_first(client, bucket):
    client.put_object(bucket, "v", content=b"before")
    client.put_bucket_versioning(bucket, VersioningStatusType.Versioning_Status_Enabled)
    assert client.get_bucket_version(bucket).status.value == "Enabled"
    first = client.put_object(bucket, "v", content=b"first").version_id
    second = client.put_object(bucket, "v", content=b"second").version_id
    assert first and second and first != second
    assert client.get_object(bucket, "v", version_id=first).read() == b"first"
    assert client.get_object(bucket, "v", version_id="null").read() == b"before"
    marker = client.delete_object(bucket, "v")
    assert marker.delete_marker and marker.version_id
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.get_object(bucket, "v")
    assert refused.value.status_code == 404

    listed = client.list_object_versions(bucket)
    assert [v.version_id for v in listed.versions] == [second, first, "null"]
    assert [m.version_id for m in listed.delete_markers] == [marker.version_id]
    assert listed.delete_markers[0].is_latest and not listed.versions[0].is_latest
    page = client.list_object_versions(bucket, max_keys=2)
    assert page.is_truncated
    rest = client.list_object_versions(
        bucket, key_marker=page.next_key_marker, version_id_marker=page.next_version_id_marker
    )
    assert [v.version_id for v in rest.versions] == [first, "null"]

    client.delete_object(bucket, "v", version_id=marker.version_id)
    assert client.get_object(bucket, "v").read() == b"second"


def test_many_objects_are_deleted_at_once(client, bucket):
    for key in ["x", "y 中", "z"]:
        client.put_object(bucket, key, content=b"1")
    doomed = [ObjectTobeDeleted("x"), ObjectTobeDeleted("y 中"), ObjectTobeDeleted("never-there")]
    done = client.delete_multi_objects(bucket, doomed)
    assert sorted(d.key for d in done.deleted) == ["never-there", "x", "y 中"] and not done.error
    assert [o.key for o in client.list_objects_type2(bucket).contents] == ["z"]


def test_forbidding_to_overwrite_keeps_the_object(client, bucket):
    client.put_object(bucket, "once", content=b"1", forbid_overwrite=True)
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.put_object(bucket, "once", content=b"2", forbid_overwrite=True)
    assert (refused.value.status_code, refused.value.ec) == (409, "0017-00000004")
    assert client.get_object(bucket, "once").read() == b"1"


def test_presigned_urls_work_without_keys(client, bucket):
    key = "signed/中 +.txt"
    put = client.pre_signed_url(HttpMethodType.Http_Method_Put, bucket, key)
    assert requests.put(put.signed_url, data=b"by url").status_code == 200
    query = {"response-content-type": "text/css"}
    get = client.pre_signed_url(HttpMethodType.Http_Method_Get, bucket, key, expires=60, query=query)
    answer = requests.get(get.signed_url)
    assert (answer.status_code, answer.content) == (200, b"by url")
    assert answer.headers["content-type"] == "text/css"
    assert requests.get(get.signed_url[:-1] + "x").status_code == 403
    assert requests.get(f"http://{bucket}.tos.test/x").status_code == 403


def test_buckets_are_listed_located_and_deleted(client, bucket):
    assert bucket in [b.name for b in client.list_buckets().buckets]
    assert client.head_bucket(bucket).region == REGION
    assert client.get_bucket_location(bucket).region == REGION
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.create_bucket(bucket)
    assert (refused.value.status_code, refused.value.code) == (409, "BucketAlreadyOwnedByYou")
    client.put_object(bucket, "k", content=io.BytesIO(b"1"))
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.delete_bucket(bucket)
    assert (refused.value.status_code, refused.value.code) == (409, "BucketNotEmpty")
    client.delete_object(bucket, "k")
    client.delete_bucket(bucket)
    assert client.does_bucket_exist(bucket) is False


def test_what_is_not_there_yet_says_so(client, bucket):
    with pytest.raises(tos.exceptions.TosServerError) as refused:
        client.get_bucket_policy(bucket)
    assert (refused.value.status_code, refused.value.code) == (501, "UnImplemented")


def test_objects_that_others_put_are_read_to_a_file(client, bucket, tmp_path):
    client.put_object_from_file(bucket, "f", __file__)
    target = tmp_path / "copy.py"
    client.get_object_to_file(bucket, "f", str(target))
    assert target.read_bytes() == open(__file__, "rb").read()
    assert os.path.getsize(target) == client.head_object(bucket, "f").content_length
