//! `tosget presign`: a URL that opens one object for a while.

use crate::failure::Failure;
use crate::report::Answer;
use crate::settings::PresignSettings;
use crate::subject::Url;

/// Asks nobody: the URL is made here.
pub(crate) async fn presign(settings: PresignSettings) -> Result<Answer, Failure> {
    let client = settings.client.build()?;
    let url = client.pre_signed_url(settings.request).await?;
    Ok(Answer::Signed(Url(url)))
}
