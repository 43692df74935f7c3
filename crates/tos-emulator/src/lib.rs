//! A local TOS server for demos and tests.
