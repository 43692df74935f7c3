//! The official Rust SDK: whole objects, ranges, uploads in parts, listings.

use std::collections::HashMap;

use ve_tos_rust_sdk::asynchronous::auth::SignerAPI;
use ve_tos_rust_sdk::asynchronous::bucket::BucketAPI;
use ve_tos_rust_sdk::asynchronous::multipart::MultipartAPI;
use ve_tos_rust_sdk::asynchronous::object::{ObjectAPI, ObjectContent};
use ve_tos_rust_sdk::auth::PreSignedURLInput;
use ve_tos_rust_sdk::bucket::{DeleteBucketInput, HeadBucketInput, ListBucketsInput};
use ve_tos_rust_sdk::enumeration::HttpMethodType;
use ve_tos_rust_sdk::enumeration::StorageClassType::StorageClassIa;
use ve_tos_rust_sdk::error::TosError;
use ve_tos_rust_sdk::multipart::{
    AbortMultipartUploadInput, CompleteMultipartUploadInput, CreateMultipartUploadInput,
    ListMultipartUploadsInput, ListPartsInput, UploadPartCopyInput, UploadPartFromBufferInput, UploadedPart,
};
use ve_tos_rust_sdk::object::{
    DeleteMultiObjectsInput, DeleteObjectInput, DoesObjectExistInput, GetObjectInput, HeadObjectInput,
    ListObjectVersionsInput, ListObjectsType2Input, ObjectTobeDeleted, PutObjectFromBufferInput,
};

use crate::servers::{BUCKET, Sdk, for_the_sdk, plain_client, ramp};

const MIB: usize = 1 << 20;

pub(crate) async fn put(sdk: &Sdk, key: &str, content: impl AsRef<[u8]>) {
    let input = PutObjectFromBufferInput::new_with_content(BUCKET, key, content);
    sdk.put_object_from_buffer(&input).await.expect("a put");
}

pub(crate) async fn get(sdk: &Sdk, key: &str) -> Vec<u8> {
    read(sdk, &GetObjectInput::new(BUCKET, key)).await
}

pub(crate) async fn read(sdk: &Sdk, input: &GetObjectInput) -> Vec<u8> {
    let mut got = sdk.get_object(input).await.expect("a get");
    got.read_all().await.expect("a body")
}

/// Status, code and number of a refusal.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(done: Result<T, TosError>) -> (isize, String, String) {
    let error = done.expect_err("a refusal");
    let error = error.as_server_error().unwrap_or_else(|| panic!("{error}"));
    (
        error.status_code(),
        error.code().to_owned(),
        error.ec().to_owned(),
    )
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let (_emulator, sdk) = for_the_sdk();
    for key in [
        "plain.txt",
        "/leading",
        "a//b",
        "sp ace/and+plus",
        "中文/🦀",
        "% ? # * & =",
    ] {
        let mut input = PutObjectFromBufferInput::new_with_content(BUCKET, key, ramp(100_000));
        input.set_content_type("text/x-test");
        input.set_storage_class(StorageClassIa);
        input.set_meta(HashMap::from([("colour".to_owned(), "红".to_owned())]));
        let done = sdk.put_object_from_buffer(&input).await.expect("a put");
        let head = sdk
            .head_object(&HeadObjectInput::new(BUCKET, key))
            .await
            .expect("a head");
        assert_eq!(
            (head.content_length(), head.content_type()),
            (100_000, "text/x-test")
        );
        assert_eq!(
            (head.etag(), head.hash_crc64ecma()),
            (done.etag(), done.hash_crc64ecma())
        );
        assert_eq!(head.storage_class(), &Some(StorageClassIa));
        assert_eq!(head.meta().get("colour").map(String::as_str), Some("红"));
        assert!(head.last_modified().is_some());
        assert!(get(&sdk, key).await == ramp(100_000), "{key}");
    }
}

#[tokio::test]
async fn ranges_are_slices() {
    let (_emulator, sdk) = for_the_sdk();
    put(&sdk, "k", ramp(1000)).await;
    let mut input = GetObjectInput::new(BUCKET, "k");
    input.set_range_start(10);
    input.set_range_end(19);
    let mut got = sdk.get_object(&input).await.expect("a get");
    assert_eq!(got.content_range(), "bytes 10-19/1000");
    assert_eq!(got.read_all().await.expect("a body"), ramp(1000)[10..20]);
    let mut input = GetObjectInput::new(BUCKET, "k");
    input.set_range("bytes=-7");
    assert_eq!(read(&sdk, &input).await, ramp(1000)[993..]);
    input.set_range("bytes=1000-");
    assert_eq!(refusal(sdk.get_object(&input).await).0, 416);
}

#[tokio::test]
async fn refusals_carry_code_and_number() {
    let (_emulator, sdk) = for_the_sdk();
    let missing = sdk.get_object(&GetObjectInput::new(BUCKET, "missing")).await;
    assert_eq!(
        refusal(missing),
        (404, "NoSuchKey".into(), "0017-00000003".into())
    );
    let no_bucket = sdk.get_object(&GetObjectInput::new("no-such-bucket", "k")).await;
    assert_eq!(
        refusal(no_bucket),
        (404, "NoSuchBucket".into(), "0006-00000001".into())
    );
    let exists = sdk
        .does_object_exist(&DoesObjectExistInput::new(BUCKET, "missing"))
        .await;
    assert!(!exists.expect("an answer"));
    put(&sdk, "k", "content").await;
    let mut input = GetObjectInput::new(BUCKET, "k");
    input.set_if_match("other");
    assert_eq!(refusal(sdk.get_object(&input).await).0, 412);
    let mut once = PutObjectFromBufferInput::new_with_content(BUCKET, "k", "second");
    once.set_forbid_overwrite(true);
    let refused = sdk.put_object_from_buffer(&once).await;
    assert_eq!(refusal(refused).2, "0017-00000004");
    let mut slow = GetObjectInput::new(BUCKET, "k");
    slow.set_traffic_limit(1000);
    assert_eq!(refusal(sdk.get_object(&slow).await).2, "0005-00000004");
    slow.set_traffic_limit(245_760);
    assert_eq!(read(&sdk, &slow).await, b"content");
}

#[tokio::test]
async fn parts_become_one_object() {
    let (_emulator, sdk) = for_the_sdk();
    let content = ramp(11 * MIB);
    let create = CreateMultipartUploadInput::new(BUCKET, "large");
    let upload = sdk.create_multipart_upload(&create).await.expect("an upload");
    let id = upload.upload_id();
    let mut parts = Vec::new();
    for (chunk, number) in content.chunks(5 * MIB).zip(1..) {
        let part =
            UploadPartFromBufferInput::new_with_part_number_content(BUCKET, "large", id, number, chunk);
        let done = sdk.upload_part_from_buffer(&part).await.expect("a part");
        parts.push(UploadedPart::new(number, done.etag()));
    }
    let listed = sdk
        .list_parts(&ListPartsInput::new(BUCKET, "large", id))
        .await
        .expect("a list");
    let sizes: Vec<_> = listed.parts().iter().map(|part| part.size()).collect();
    assert_eq!(sizes, [5 * MIB as i64, 5 * MIB as i64, MIB as i64]);
    let complete = CompleteMultipartUploadInput::new_with_parts(BUCKET, "large", id, parts);
    let done = sdk.complete_multipart_upload(&complete).await.expect("an object");
    assert!(done.hash_crc64ecma() > 0);
    assert!(get(&sdk, "large").await == content);

    let create = CreateMultipartUploadInput::new(BUCKET, "copied");
    let upload = sdk.create_multipart_upload(&create).await.expect("an upload");
    for (start, number) in [(0, 1), (5 * MIB, 2)] {
        let mut copy = UploadPartCopyInput::new_with_part_number(
            BUCKET,
            "copied",
            BUCKET,
            "large",
            upload.upload_id(),
            number,
        );
        copy.set_copy_source_range_start(start as i64);
        copy.set_copy_source_range_end((start + 5 * MIB - 1) as i64);
        sdk.upload_part_copy(&copy).await.expect("a copied part");
    }
    let complete =
        CompleteMultipartUploadInput::new_with_complete_all(BUCKET, "copied", upload.upload_id(), true);
    sdk.complete_multipart_upload(&complete).await.expect("an object");
    assert!(get(&sdk, "copied").await == content[..10 * MIB]);
}

#[tokio::test]
async fn uploads_are_listed_and_aborted() {
    let (_emulator, sdk) = for_the_sdk();
    for key in ["a", "b", "c"] {
        let create = CreateMultipartUploadInput::new(BUCKET, key);
        sdk.create_multipart_upload(&create).await.expect("an upload");
    }
    let mut list = ListMultipartUploadsInput::new(BUCKET);
    list.set_max_uploads(2);
    let page = sdk.list_multipart_uploads(&list).await.expect("a list");
    assert_eq!((page.uploads().len(), page.is_truncated()), (2, true));
    list.set_key_marker(page.next_key_marker());
    list.set_upload_id_marker(page.next_upload_id_marker());
    let rest = sdk.list_multipart_uploads(&list).await.expect("a list");
    assert_eq!((rest.uploads().len(), rest.is_truncated()), (1, false));
    for upload in page.uploads().iter().chain(rest.uploads()) {
        assert!(upload.initiated().is_some());
        let abort = AbortMultipartUploadInput::new(BUCKET, upload.key(), upload.upload_id());
        sdk.abort_multipart_upload(&abort).await.expect("an end");
    }
    let left = sdk
        .list_multipart_uploads(&ListMultipartUploadsInput::new(BUCKET))
        .await;
    assert!(left.expect("a list").uploads().is_empty());
}

#[tokio::test]
async fn listings_page_and_group() {
    let (_emulator, sdk) = for_the_sdk();
    for key in ["a/1", "a/2", "b", "c/1", "c/2/x", "d 中"] {
        put(&sdk, key, key).await;
    }
    let mut list = ListObjectsType2Input::new(BUCKET);
    list.set_delimiter("/");
    list.set_max_keys(2);
    list.set_list_only_once(true);
    let page = sdk.list_objects_type2(&list).await.expect("a list");
    assert_eq!((page.key_count(), page.is_truncated()), (2, true));
    assert_eq!(page.common_prefixes()[0].prefix(), "a/");
    assert_eq!((page.contents()[0].key(), page.contents()[0].size()), ("b", 1));
    list.set_continuation_token(page.next_continuation_token());
    let rest = sdk.list_objects_type2(&list).await.expect("a list");
    assert_eq!(rest.common_prefixes()[0].prefix(), "c/");
    assert_eq!(rest.contents()[0].key(), "d 中");
}

#[tokio::test]
async fn versions_stay_until_they_are_deleted() {
    let (emulator, sdk) = for_the_sdk();
    emulator.enable_versioning(BUCKET);
    put(&sdk, "k", "old").await;
    put(&sdk, "k", "new").await;
    sdk.delete_object(&DeleteObjectInput::new(BUCKET, "k"))
        .await
        .expect("a deletion");
    let listed = sdk
        .list_object_versions(&ListObjectVersionsInput::new(BUCKET))
        .await
        .expect("a list");
    assert_eq!((listed.versions().len(), listed.delete_markers().len()), (2, 1));
    let old = listed.versions()[1].version_id();
    assert_eq!(
        read(&sdk, &GetObjectInput::new_with_version_id(BUCKET, "k", old)).await,
        b"old"
    );
    let missing = sdk.get_object(&GetObjectInput::new(BUCKET, "k")).await;
    assert_eq!(refusal(missing).0, 404);
}

#[tokio::test]
async fn many_objects_are_deleted_at_once() {
    let (_emulator, sdk) = for_the_sdk();
    for key in ["x", "y 中", "z"] {
        put(&sdk, key, "1").await;
    }
    let doomed = ["x", "y 中", "never-there"].map(ObjectTobeDeleted::new);
    let input = DeleteMultiObjectsInput::new_with_objects(BUCKET, doomed);
    let done = sdk.delete_multi_objects(&input).await.expect("a deletion");
    assert_eq!((done.deleted().len(), done.error().len()), (3, 0));
    assert_eq!(get(&sdk, "z").await, b"1");
}

#[tokio::test]
async fn presigned_urls_work_without_keys() {
    let (emulator, sdk) = for_the_sdk();
    let client = plain_client(&emulator);
    let mut input = PreSignedURLInput::new(BUCKET);
    input.set_key("signed/中 +.txt");
    input.set_http_method(HttpMethodType::HttpMethodPut);
    let url = sdk
        .pre_signed_url(&input)
        .await
        .expect("a URL")
        .signed_url()
        .to_owned();
    assert_eq!(
        client
            .put(url)
            .body("by url")
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
    input.set_http_method(HttpMethodType::HttpMethodGet);
    let url = sdk
        .pre_signed_url(&input)
        .await
        .expect("a URL")
        .signed_url()
        .to_owned();
    let answer = client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.text().await.expect("a body"), "by url");
    let forged = url.replacen("signed/", "forged/", 1);
    let forged = client.get(forged).send().await.expect("an answer");
    assert_eq!(forged.status(), 403);
}

#[tokio::test]
async fn buckets_are_headed_listed_and_deleted() {
    let (emulator, sdk) = for_the_sdk();
    emulator.create_bucket("second-bucket");
    let head = sdk
        .head_bucket(&HeadBucketInput::new(BUCKET))
        .await
        .expect("a head");
    assert_eq!(head.region(), emulator.region());
    sdk.delete_bucket(&DeleteBucketInput::new("second-bucket"))
        .await
        .expect("a deletion");
    let listed = sdk.list_buckets(&ListBucketsInput::new()).await.expect("a list");
    let names: Vec<_> = listed.buckets().iter().map(|bucket| bucket.name()).collect();
    assert_eq!(names, [BUCKET]);
}
