"""The official Python SDK: what an object can be besides bytes under a name."""

import base64
import hashlib
import time

import pytest
import requests
import tos
from conftest import some
from tos.enum import MetadataDirectiveType, StorageClassType, TaggingDirectiveType, TierType
from tos.models2 import RestoreJobParameters, Tag

MIB = 1 << 20
KEY = b"01234567890123456789012345678901"
SSEC = {
    "ssec_algorithm": "AES256",
    "ssec_key": base64.b64encode(KEY).decode(),
    "ssec_key_md5": base64.b64encode(hashlib.md5(KEY).digest()).decode(),
}
# In bits per second.
LOWEST_LIMIT = 245_760


def refused(status, call, *arguments, **named):
    """The error of a call that must fail with this status."""
    with pytest.raises(tos.exceptions.TosServerError) as refusal:
        call(*arguments, **named)
    assert refusal.value.status_code == status
    return refusal.value


def download(client, bucket, key, tmp_path, **named):
    """What the SDK's own resumable download makes of an object."""
    target = tmp_path / "down.bin"
    client.download_file(bucket, key, str(target), part_size=5 * MIB, task_num=3, **named)
    return target.read_bytes()


def test_a_customers_key_opens_its_object_only(client, bucket, tmp_path):
    data = some(11 * MIB)
    put = client.put_object(bucket, "k", content=data, **SSEC)
    assert (put.ssec_algorithm, put.ssec_key_md5) == ("AES256", SSEC["ssec_key_md5"])
    assert refused(400, client.get_object, bucket, "k").ec == "0015-00000008"
    assert refused(400, client.head_object, bucket, "k").header["x-tos-ec"] == "0015-00000008"
    assert client.does_object_exist(bucket, "k") is True
    assert client.get_object(bucket, "k", **SSEC).read() == data
    assert client.head_object(bucket, "k", **SSEC).sse_key_md5 == SSEC["ssec_key_md5"]
    assert download(client, bucket, "k", tmp_path, **SSEC) == data


def test_parts_have_the_customers_key(client, bucket):
    upload = client.create_multipart_upload(bucket, "k", **SSEC)
    refused(400, client.upload_part, bucket, "k", upload.upload_id, 1, content=b"part")
    client.upload_part(bucket, "k", upload.upload_id, 1, content=b"part", **SSEC)
    client.complete_multipart_upload(bucket, "k", upload.upload_id, complete_all=True)
    assert client.get_object(bucket, "k", **SSEC).read() == b"part"


def test_objects_are_copied(client, bucket):
    etag = client.put_object(bucket, "dir/ä +", content=some(1000), meta={"a": "old"}, tagging="t=1").etag
    copied = client.copy_object(bucket, "copy", bucket, "dir/ä +")
    assert copied.etag and copied.last_modified
    copy = client.get_object(bucket, "copy")
    assert (copy.read(), copy.meta["a"], copy.etag, copy.tagging_count) == (some(1000), "old", etag, 1)
    client.copy_object(
        bucket,
        "copy",
        bucket,
        "dir/ä +",
        copy_source_if_match=etag,
        metadata_directive=MetadataDirectiveType.Metadata_Directive_Replace,
        meta={"a": "new"},
        storage_class=StorageClassType.Storage_Class_Ia,
        tagging="u=1&v=2",
        tagging_directive=TaggingDirectiveType.TaggingDirectiveTypeReplace,
    )
    head = client.head_object(bucket, "copy")
    assert (head.meta["a"], head.tagging_count) == ("new", 2)
    assert head.storage_class == StorageClassType.Storage_Class_Ia
    refused(412, client.copy_object, bucket, "copy", bucket, "dir/ä +", copy_source_if_none_match=etag)
    assert refused(404, client.copy_object, bucket, "copy", bucket, "missing").code == "NoSuchKey"


def test_copies_are_made_of_parts(client, bucket, tmp_path):
    data = some(11 * MIB)
    client.put_object(bucket, "source", content=data)
    upload = client.create_multipart_upload(bucket, "parts")
    for number, (start, end) in enumerate([(MIB, 6 * MIB), (10 * MIB, 11 * MIB)], 1):
        part = client.upload_part_copy(
            bucket,
            "parts",
            upload.upload_id,
            number,
            bucket,
            "source",
            copy_source_range_start=start,
            copy_source_range_end=end - 1,
        )
        assert part.etag and part.last_modified
    client.complete_multipart_upload(bucket, "parts", upload.upload_id, complete_all=True)
    assert client.get_object(bucket, "parts").read() == data[MIB : 6 * MIB] + data[10 * MIB :]
    client.resumable_copy_object(
        bucket,
        "whole",
        bucket,
        "source",
        part_size=5 * MIB,
        task_num=2,
        checkpoint_file=str(tmp_path / "checkpoint"),
    )
    assert client.get_object(bucket, "whole").read() == data


def test_links_lead_to_their_targets(client, bucket, tmp_path):
    data = some(6 * MIB)
    client.put_object(bucket, "dir/ä +", content=data)
    # Without metadata: with them, the SDK encodes the target twice.
    client.put_symlink(bucket, "link", "dir/ä +")
    shown = client.get_symlink(bucket, "link")
    assert (shown.symlink_target_key, shown.symlink_target_bucket) == ("dir/ä +", bucket)
    head = client.head_object(bucket, "link")
    assert (head.object_type, head.symlink_target_size) == ("Symlink", len(data))
    assert client.get_object(bucket, "link").read() == data
    assert download(client, bucket, "link", tmp_path) == data
    client.put_symlink(bucket, "dangling", "nowhere")
    assert refused(404, client.get_object, bucket, "dangling").code == "NoSuchKey"
    assert client.does_object_exist(bucket, "dangling") is False


def test_an_object_grows(client, bucket, tmp_path):
    data = some(300_000)
    first = client.append_object(bucket, "log", 0, content=data[:200_000], pre_hash_crc64_ecma=0)
    assert first.next_append_offset == 200_000
    client.append_object(
        bucket, "log", 200_000, content=data[200_000:], pre_hash_crc64_ecma=first.hash_crc64_ecma
    )
    head = client.head_object(bucket, "log")
    assert (head.object_type, head.content_length, head.etag) == ("Appendable", 300_000, None)
    assert client.get_object(bucket, "log").read() == data
    assert download(client, bucket, "log", tmp_path) == data
    assert refused(409, client.append_object, bucket, "log", 5, content=b"x").ec == "0017-00000208"
    client.put_object(bucket, "normal", content=b"x")
    assert refused(409, client.append_object, bucket, "normal", 1, content=b"x").ec == "0017-00000209"
    assert [o.object_type for o in client.list_objects_type2(bucket).contents] == ["Appendable", "Normal"]


def test_archived_objects_are_restored_before_they_are_read(client, bucket, emulator, tmp_path):
    data = some(6 * MIB)
    client.put_object(bucket, "k", content=data, storage_class=StorageClassType.Storage_Class_Cold_Archive)
    assert refused(403, client.get_object, bucket, "k").code == "InvalidObjectState"
    tier = RestoreJobParameters(TierType.Tier_Expedited)
    assert client.restore_object(bucket, "k", 2, restore_job_parameters=tier).status_code == 202
    head = client.head_object(bucket, "k")
    assert head.restore == 'ongoing-request="true"'
    assert (head.restore_expiry_days, head.restore_tier) == (2, TierType.Tier_Expedited)
    refused(409, client.restore_object, bucket, "k", 2)
    refused(403, client.download_file, bucket, "k", str(tmp_path / "early.bin"))
    finished = requests.post(f"{emulator}/_emulator/restored", json={"bucket": bucket, "key": "k"})
    assert finished.status_code == 200
    assert client.head_object(bucket, "k").restore.startswith('ongoing-request="false", expiry-date="')
    assert download(client, bucket, "k", tmp_path) == data


def test_tags_are_put_counted_and_deleted(client, bucket):
    client.put_object(bucket, "k", content=b"x")
    client.put_object_tagging(bucket, "k", [Tag("a", "1"), Tag("ä", "2")])
    shown = client.get_object_tagging(bucket, "k").tag_set
    assert [(tag.key, tag.value) for tag in shown] == [("a", "1"), ("ä", "2")]
    assert client.head_object(bucket, "k").tagging_count == 2
    client.delete_object_tagging(bucket, "k")
    assert client.get_object_tagging(bucket, "k").tag_set == []
    assert client.head_object(bucket, "k").tagging_count is None


def test_metadata_are_replaced(client, bucket):
    client.put_object(bucket, "k", content=b"x", cache_control="no-cache", meta={"old": "1"})
    client.set_object_meta(bucket, "k", content_type="text/x-new", meta={"新": "值"})
    head = client.head_object(bucket, "k")
    assert (head.content_type, head.cache_control, head.meta) == ("text/x-new", None, {"新": "值"})


def test_objects_are_renamed_where_the_bucket_allows_it(client, bucket):
    client.put_object(bucket, "old", content=some(1000))
    refused(400, client.rename_object, bucket, "old", "dir/new ä")
    client.put_bucket_rename(bucket, True)
    assert client.get_bucket_rename(bucket).rename_enable is True
    client.rename_object(bucket, "old", "dir/new ä")
    assert client.get_object(bucket, "dir/new ä").read() == some(1000)
    refused(404, client.head_object, bucket, "old")


def test_the_status_of_an_object_is_told(client, bucket):
    put = client.put_object(bucket, "k ä", content=b"content")
    status = client.get_file_status(bucket, "k ä")
    assert (status.key, status.size, status.object_type) == ("k ä", 7, "Normal")
    assert (status.crc64, status.etag) == (str(put.hash_crc64_ecma), put.etag)


def test_uploads_are_listed_by_page(client, bucket):
    begun = {(key, client.create_multipart_upload(bucket, key).upload_id) for key in ["a", "b", "c/1", "c/2"]}
    page = client.list_multipart_uploads(bucket, max_uploads=3)
    assert page.is_truncated and len(page.uploads) == 3
    rest = client.list_multipart_uploads(
        bucket, key_marker=page.next_key_marker, upload_id_marker=page.next_upload_id_marker
    )
    assert {(upload.key, upload.upload_id) for upload in page.uploads + rest.uploads} == begun
    assert all(upload.initiated and upload.owner.id for upload in page.uploads)
    grouped = client.list_multipart_uploads(bucket, delimiter="/")
    assert [prefix.prefix for prefix in grouped.common_prefixes] == ["c/"]


def test_a_traffic_limit_is_kept_to(client, bucket, tmp_path):
    data = some(20_000)
    start = time.monotonic()
    client.put_object(bucket, "k", content=data, traffic_limit=LOWEST_LIMIT)
    assert client.get_object(bucket, "k", traffic_limit=LOWEST_LIMIT).read() == data
    assert download(client, bucket, "k", tmp_path, traffic_limit=LOWEST_LIMIT) == data
    # Three times 20,000 bytes at 30,720 a second, less what a limit lets through at once.
    assert time.monotonic() - start >= 3 * (20_000 / 30_720 - 0.1)
    assert refused(400, client.get_object, bucket, "k", traffic_limit=1000).ec == "0005-00000004"


def test_nothing_is_overwritten_that_must_not_be(client, bucket):
    client.put_object(bucket, "k", content=b"first")
    client.put_object(bucket, "source", content=b"second")
    upload = client.create_multipart_upload(bucket, "k", forbid_overwrite=True)
    client.upload_part(bucket, "k", upload.upload_id, 1, content=b"second")
    for call, arguments in [
        (client.copy_object, (bucket, "k", bucket, "source")),
        (client.put_object, (bucket, "k")),
    ]:
        assert refused(409, call, *arguments, forbid_overwrite=True).ec == "0017-00000004"
    error = refused(409, client.complete_multipart_upload, bucket, "k", upload.upload_id, complete_all=True)
    assert error.ec == "0017-00000004"
    assert client.get_object(bucket, "k").read() == b"first"
