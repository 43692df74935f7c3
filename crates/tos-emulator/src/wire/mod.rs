//! From the operations to the sockets: bodies, their speed and their mishaps, connections and their ends.

pub(crate) mod bandwidth;
pub(crate) mod body;
pub(crate) mod listener;
pub(crate) mod sabotage;
pub(crate) mod socket;
pub(crate) mod tls;
