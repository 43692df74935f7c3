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
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

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

    macro_rules! hold {
        ($($property:ident),* $(,)?) => {$(
            mod $property {
                use super::*;

                #[test]
                fn holds_for_what_was_kept() {
                    corpus(stringify!($property)).iter().for_each(|bytes| super::super::$property(bytes));
                }

                proptest! {
                    #[test]
                    fn holds_for_any_bytes(bytes in bytes(corpus(stringify!($property)))) {
                        super::super::$property(&bytes);
                    }
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
