//! What goes over the wire and what comes of it, against a scripted server.

mod answers;
mod by_url;
mod faults;
mod requests;
mod tls;
