//! What must hold for any bytes from outside, each promise a function that takes them and panics where it does not hold.
//!
//! `cargo test` tries them on random bytes and on what `fuzz/corpus` keeps, and `cargo fuzz` on whatever it makes of that
//! (`fuzz/README.md`). So they are compiled for these two only.

mod content_range;
mod tape;
mod urls;

pub(crate) use tape::Tape;

pub use content_range::content_range;
pub use urls::{endpoint, given_url, object_url};

pub use crate::journal::properties::{damaged_journal, hostile_journal};
pub use crate::source::tos::properties::{answer_head, error_body, range_trailer};

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    /// For how many seconds each property is tried; without it, on as many inputs as proptest tries by itself.
    const SECONDS: &str = "TOSGET_PROPERTY_SECONDS";

    /// What `fuzz/corpus` keeps for a property, in the order of its names.
    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(name);
        let entries =
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} holds nothing", directory.display());
        paths
            .iter()
            .map(|path| fs::read(path).expect("readable"))
            .collect()
    }

    /// Bytes from nowhere, or something kept with a piece of it replaced: a blind choice rarely looks like anything.
    fn bytes(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let blind = proptest::collection::vec(any::<u8>(), 0..600);
        let piece = proptest::collection::vec(any::<u8>(), 0..8);
        let altered = (
            proptest::sample::select(corpus),
            any::<prop::sample::Index>(),
            0usize..8,
            piece,
        )
            .prop_map(|(mut bytes, at, removed, piece)| {
                let at = at.index(bytes.len() + 1);
                let end = (at + removed).min(bytes.len());
                bytes.splice(at..end, piece);
                bytes
            });
        prop_oneof![blind, altered]
    }

    fn try_for_a_while(corpus: Vec<Vec<u8>>, property: fn(&[u8])) {
        let seconds = env::var(SECONDS).map_or(0, |text| text.parse().expect("a number of seconds"));
        let (began, enough) = (Instant::now(), Duration::from_secs(seconds));
        // What broke a promise goes into the corpus, by hand and under a name that tells what it is.
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let (bytes, mut tries) = (bytes(corpus), 0);
        while tries == 0 || began.elapsed() < enough {
            let mut runner = TestRunner::new(config.clone());
            let tried = runner.run(&bytes, |bytes| {
                property(&bytes);
                Ok(())
            });
            tried.unwrap_or_else(|failure| panic!("{failure}"));
            tries += config.cases;
        }
        println!("{tries} inputs");
    }

    macro_rules! hold {
        ($($property:ident),* $(,)?) => {$(
            mod $property {
                use super::*;

                #[test]
                fn holds_for_what_was_kept() {
                    corpus(stringify!($property)).iter().for_each(|bytes| super::super::$property(bytes));
                }

                #[test]
                fn holds_for_any_bytes() {
                    try_for_a_while(corpus(stringify!($property)), super::super::$property);
                }
            }
        )*};
    }

    hold!(
        answer_head,
        content_range,
        damaged_journal,
        endpoint,
        error_body,
        given_url,
        hostile_journal,
        object_url,
        range_trailer,
    );
}
