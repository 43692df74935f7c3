//! The command line of tosget.

fn main() {}
