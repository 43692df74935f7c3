//! Who may sign: the keys that the emulator knows, and the credential text that a request names.

/// A pair of keys, with the token that goes with it when it is a temporary one.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) security_token: Option<String>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// `<access key>/<day>/<region>/<service>/request`, split from the right since access keys are opaque.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CredentialScope<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) day: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// All but the access key.
    pub(crate) scope: &'a str,
}

impl<'a> CredentialScope<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(5, '/');
        let terminator = parts.next()?;
        let (service, region, day, access_key) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let scope = &text[access_key.len() + 1..];
        (terminator == "request").then_some(Self {
            access_key,
            day,
            region,
            service,
            scope,
        })
    }
}
