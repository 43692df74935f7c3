//! What goes along with every request of a call, unlike its conditions.

use crate::customer_key::SsecKey;
use crate::traffic_limit::TrafficLimit;

/// The terms on which an object is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Of an object that is encrypted with its owner's key.
    pub(crate) ssec_key: Option<SsecKey>,
    /// How fast a body may come; a request without one does not say so.
    pub(crate) traffic_limit: Option<TrafficLimit>,
}
