//! What a call is about, an object or a URL, and who is to be asked for it.

use std::sync::Arc;

use crate::config::ClientParts;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::given_url::{GivenUrl, UrlText};
use crate::names::{check_bucket, check_key};
use crate::object::ObjectId;
use crate::source::Source;

/// What can be asked for, and of whom.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) object: ObjectId,
    /// Where the requests go.
    pub(crate) site: Endpoint,
}

/// What a caller asks for, not yet checked.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Object { bucket: String, key: String },
    Url(UrlText),
}

impl Subject {
    pub(crate) fn object(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Object {
            bucket: bucket.into(),
            key: key.into(),
        }
    }

    pub(crate) fn url(url: impl Into<String>) -> Self {
        Self::Url(UrlText::new(url))
    }

    /// Checks what can be checked without asking anybody.
    pub(crate) fn resolve(self, version_id: Option<String>, client: &ClientParts) -> Result<Asked> {
        match self {
            Self::Object { bucket, key } => {
                let service = client.service()?;
                // A custom domain stands for its bucket, whatever the caller calls it.
                if !service.endpoint.is_custom_domain() {
                    check_bucket(&bucket).map_err(|error| Error::invalid_argument(error.to_string()))?;
                }
                check_key(&key).map_err(|error| Error::invalid_argument(error.to_string()))?;
                let object = ObjectId::new(bucket, key).with_version(version_id);
                Ok(Asked {
                    source: service.source.clone(),
                    object,
                    site: service.endpoint.clone(),
                })
            }
            Self::Url(_) if version_id.is_some_and(|version| !version.is_empty()) => {
                let message =
                    "a version can't be chosen with a URL: its query, which is signed, names the version";
                Err(Error::invalid_argument(message).with_hint("make the URL for that version"))
            }
            Self::Url(text) => {
                let url =
                    GivenUrl::parse(&text).map_err(|error| Error::invalid_argument(error.to_string()))?;
                Ok(Asked {
                    object: url.object().clone(),
                    site: url.origin().clone(),
                    source: client.url_source(url)?,
                })
            }
        }
    }
}
