//! Resumable, parallel, verified downloads from TOS.
