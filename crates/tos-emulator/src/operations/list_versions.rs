//! ListObjectVersions.

use http::Method;
use serde_json::{Value, json};

use super::list_page::{Entry, Listing, Start, VERSIONS, owner};
use super::{Call, Route, Target};
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::object::{Version, Versions};

pub(super) const ROUTES: &[Route] = &[Route {
    name: "ListObjectVersions",
    method: Method::GET,
    target: Target::Bucket,
    requires: &["versions"],
    public: false,
    run: |call| Box::pin(async move { list_object_versions(call) }),
}];

/// A version and whether it is the newest of its key.
type Listed<'a> = (&'a Version, bool);

fn list_object_versions(call: &Call) -> Result<Reply, TosError> {
    let query = &call.request.query;
    let listing = Listing::parse(query, &VERSIONS)?;
    let key_marker = query.non_empty("key-marker");
    let version_marker = query.non_empty("version-id-marker");
    let start = match (key_marker, version_marker) {
        // The page goes on within the marker's key.
        (Some(key), Some(_)) => Start::At(key),
        _ => Start::after(key_marker),
    };

    call.service.store.with_bucket(call.bucket(), |bucket| {
        let page = listing.page(&bucket.keys, start, |key, versions| match version_marker {
            Some(marker) if Some(key) == key_marker => newest_first_after(versions, marker),
            _ => newest_first(versions),
        });
        let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &page.entries {
            match entry {
                Entry::Prefix(prefix) => prefixes.push(listing.prefix_entry(prefix)),
                Entry::Key(key, (version, latest)) => match &version.object {
                    Some(object) => {
                        let mut entry = listing.object_entry(key, object, version.modified);
                        entry["VersionId"] = version.id.as_str().into();
                        entry["IsLatest"] = (*latest).into();
                        versions.push(entry);
                    }
                    None => markers.push(marker_entry(&listing, key, version, *latest)),
                },
            }
        }
        let mut answer = listing.answer(call.bucket(), page.truncated, prefixes);
        answer.insert(
            "KeyMarker".into(),
            listing.name(key_marker.unwrap_or_default()).into(),
        );
        answer.insert(
            "VersionIdMarker".into(),
            version_marker.unwrap_or_default().into(),
        );
        answer.insert("Versions".into(), versions.into());
        answer.insert("DeleteMarkers".into(), markers.into());
        if page.truncated {
            answer.insert(
                "NextKeyMarker".into(),
                listing.name(page.last_name().unwrap_or_default()).into(),
            );
            if let Some(Entry::Key(_, (version, _))) = page.entries.last() {
                answer.insert("NextVersionIdMarker".into(), version.id.as_str().into());
            }
        }
        Reply::json(&answer)
    })
}

fn marker_entry(listing: &Listing<'_>, key: &str, marker: &Version, latest: bool) -> Value {
    json!({
        "Key": listing.name(key),
        "VersionId": marker.id,
        "IsLatest": latest,
        "LastModified": marker.modified.iso(),
        "Owner": owner(),
    })
}

fn newest_first(versions: &Versions) -> Vec<Listed<'_>> {
    versions
        .0
        .iter()
        .rev()
        .enumerate()
        .map(|(age, version)| (version, age == 0))
        .collect()
}

fn newest_first_after<'a>(versions: &'a Versions, marker: &str) -> Vec<Listed<'a>> {
    let mut listed = newest_first(versions);
    match listed.iter().position(|(version, _)| version.id == marker) {
        Some(index) => listed.split_off(index + 1),
        None => Vec::new(),
    }
}
