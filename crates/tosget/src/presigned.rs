//! Presigned URLs: a grant to read one object for a while, for whoever holds the URL.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::ClientParts;
use crate::credentials::{self, CredentialsProvider};
use crate::endpoint::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::names::NameError;
use crate::object::ObjectId;
use crate::object_url::ObjectUrl;
use crate::signing::presign::{Expiry, PresignedUrl};
use crate::signing::{Signer, Timestamp};

/// As long as a URL holds where nothing else is asked for; the official SDKs' number.
const DEFAULT_EXPIRES: Duration = Duration::from_secs(3600);

/// A presigned URL to ask for.
#[derive(Clone, Debug)]
#[must_use]
pub struct PreSignedUrl {
    bucket: String,
    key: String,
    version_id: Option<String>,
    expires: Duration,
}

impl PreSignedUrl {
    /// A URL that lets its holder GET the object `key` of `bucket`.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
            version_id: None,
            expires: DEFAULT_EXPIRES,
        }
    }

    /// For this version of the object (default: the current one at the time of use). Empty means the same as not set.
    pub fn with_version_id(mut self, version_id: impl Into<String>) -> Self {
        self.version_id = Some(version_id.into());
        self
    }

    /// How long the URL holds, in whole seconds from now: 1 second to 7 days (default 1 hour). A URL signed with
    /// temporary credentials ends with them, if that is earlier.
    pub fn with_expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    pub(crate) async fn sign(self, client: &ClientParts) -> Result<String> {
        let expiry = Expiry::from_seconds(self.expires.as_secs());
        let expiry = expiry.map_err(|error| Error::invalid_argument(error.to_string()))?;
        let object = ObjectId::new(self.bucket, self.key).with_version(self.version_id);
        let url = client.service()?.presigner.presign(&object, expiry).await?;
        Ok(url.expose().to_owned())
    }
}

/// What signs URLs: the same credentials, endpoint and clock as those of the requests.
#[derive(Clone)]
pub(crate) struct Presigner {
    pub(crate) site: Site,
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    /// How long the provider may take.
    pub(crate) patience: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Presigner {
    async fn presign(&self, object: &ObjectId, expiry: Expiry) -> Result<PresignedUrl> {
        let url = ObjectUrl::new(&self.site.endpoint, object);
        let mut url = url.map_err(|error: NameError| Error::invalid_argument(error.to_string()))?;
        if let Some(version) = &object.version_id {
            url = url.with_parameter("versionId", version);
        }
        let credentials = credentials::ask(&*self.credentials, self.patience)
            .await
            .map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, "the credentials provider failed").with_source(error)
            })?;
        let unsigned =
            || Error::invalid_argument("a URL can't be presigned without credentials and a region");
        let (credentials, region) = credentials.zip(self.site.region.as_ref()).ok_or_else(unsigned)?;
        let time = Timestamp::new(self.clock.now());
        let signer = Signer {
            credentials: &credentials,
            region: region.as_str(),
            time: &time,
        };
        Ok(signer.presign("GET", &url, &[], expiry))
    }
}

impl std::fmt::Debug for Presigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presigner")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
