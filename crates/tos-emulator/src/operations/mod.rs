//! What the server can do, one module per family; each lists its operations as routes.
//!
//! A new family is a new module and one line in [`FAMILIES`].

mod append;
pub(crate) mod attributes;
mod buckets;
mod copy;
mod copy_source;
mod delete;
mod encryption;
pub(crate) mod incoming;
mod list;
mod list_page;
mod list_uploads;
mod list_versions;
mod metadata;
mod multipart;
mod put;
mod read;
mod rename;
mod restore;
mod stored_headers;
mod symlink;
mod tagging;
mod traffic_limit;
mod versioning;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use hyper::body::Incoming;
use tokio::task::spawn_blocking;

use crate::clock::Timestamp;
use crate::error::TosError;
use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;
use crate::signature::Caller;
use crate::store::Store;
use crate::store::object::Object;
use crate::store::objects::Found;

const FAMILIES: &[&[Route]] = &[
    buckets::ROUTES,
    versioning::ROUTES,
    put::ROUTES,
    append::ROUTES,
    copy::ROUTES,
    symlink::ROUTES,
    read::ROUTES,
    restore::ROUTES,
    tagging::ROUTES,
    metadata::ROUTES,
    rename::ROUTES,
    delete::ROUTES,
    multipart::ROUTES,
    list_uploads::ROUTES,
    list::ROUTES,
    list_versions::ROUTES,
];

/// A request on its way to the operation it asks for.
pub(crate) struct Call {
    pub(crate) service: Arc<Service>,
    pub(crate) request: Request,
    pub(crate) body: Incoming,
    pub(crate) caller: Caller,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, TosError>> + Send + 'a>>;

/// One operation and the requests that mean it.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) target: Target,
    /// Parameters that must be in the query, and [`COPY_SOURCE`] where that header must be there. Of several fitting routes the one with the most is meant.
    pub(crate) requires: &'static [&'static str],
    /// Whether anyone may do it in a public-read bucket.
    pub(crate) public: bool,
    pub(crate) run: for<'a> fn(&'a mut Call) -> Answer<'a>,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Service,
    Bucket,
    Object,
}

/// Parameters that refine an operation but do not choose it, even when they have no value.
const ORDINARY_PARAMETERS: &[&str] = &[
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-meta",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "recursive",
    "reverse",
    "skipTrash",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionId",
];

/// Sub-resources that may come with a value; what comes without one is taken for a sub-resource anyway.
const SUB_RESOURCES: &[&str] = &["partNumber", "uploadId", "x-tos-process"];

/// The header that makes a copy of what would be an upload.
const COPY_SOURCE: &str = "x-tos-copy-source";

impl Target {
    pub(crate) fn of(request: &Request) -> Self {
        match (&request.address.bucket, &request.address.key) {
            (None, _) => Self::Service,
            (Some(_), None) => Self::Bucket,
            (Some(_), Some(_)) => Self::Object,
        }
    }
}

/// The operation that a request asks for; 501 when there is none.
pub(crate) fn route(request: &Request) -> Result<&'static Route, TosError> {
    let fitting = FAMILIES
        .iter()
        .copied()
        .flatten()
        .filter(|route| route.fits(request));
    let best = fitting.max_by_key(|route| route.requires.len());
    let route = best.ok_or_else(|| TosError::unimplemented("The emulator has no such operation."))?;
    let leftover = request.query.iter().map(|(name, _)| name).find(|name| {
        !route.requires.contains(name) && is_sub_resource(name, request.query.get(name).unwrap_or_default())
    });
    if let Some(name) = leftover {
        return Err(TosError::unimplemented(format!(
            "The emulator has no operation {name:?} here."
        )));
    }
    if request.headers.contains_key(COPY_SOURCE) && !route.requires.contains(&COPY_SOURCE) {
        return Err(TosError::unimplemented("The emulator makes no such copies."));
    }
    Ok(route)
}

fn is_sub_resource(name: &str, value: &str) -> bool {
    SUB_RESOURCES.contains(&name)
        || value.is_empty()
            && !ORDINARY_PARAMETERS.contains(&name)
            && !name.to_ascii_lowercase().starts_with("x-tos-")
            && !name.starts_with("response-")
}

impl Route {
    fn fits(&self, request: &Request) -> bool {
        self.method == request.method
            && self.target == Target::of(request)
            && self.requires.iter().all(|name| match *name {
                COPY_SOURCE => request.headers.contains_key(COPY_SOURCE),
                parameter => request.query.has(parameter),
            })
    }
}

impl Call {
    /// The bucket's name; operations on buckets and objects have one by their route.
    fn bucket(&self) -> &str {
        self.request.address.bucket.as_deref().unwrap_or_default()
    }

    /// The key; operations on objects have one by their route.
    fn key(&self) -> &str {
        self.request.address.key.as_deref().unwrap_or_default()
    }

    /// Changes the object that the request is about, or the version that it names, in place.
    async fn change_object<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Object, &mut Timestamp) -> Result<T, TosError> + Send + 'static,
    ) -> Result<(Found, T), TosError> {
        let (bucket, key) = (self.bucket().to_owned(), self.key().to_owned());
        let version_id = self.request.query.non_empty("versionId").map(str::to_owned);
        self.change(move |store| store.change_object(&bucket, &key, version_id.as_deref(), change))
            .await
    }

    /// Changes the store on a thread that may block.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Store) -> Result<T, TosError> + Send + 'static,
    ) -> Result<T, TosError> {
        let service = Arc::clone(&self.service);
        let changed = spawn_blocking(move || change(&service.store)).await;
        changed.map_err(|error| TosError::internal(format!("the emulator failed: {error}")))?
    }
}
