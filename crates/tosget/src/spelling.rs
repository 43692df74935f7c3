//! One file, many spellings: `a//b` and `a/b`, `x/../a`, a link's name, `A` and `a` where a file system folds case, `é` as one
//! character or as two. Which of them are one file is for the file system to say: this asks it.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf, absolute};

use unicode_normalization::UnicodeNormalization;

use crate::storage::{FileKind, OpenMode, Storage};

/// Longer names are cut for a probe, which adds some characters of its own to them: file systems take 255 bytes or more.
const LONGEST_PROBE: usize = 200;

/// The same text for all names that any file system takes for one: without case, in one normal form, without what is not seen,
/// and without the dots and blanks at its end. Names that differ in it are two everywhere; others may be one.
pub(crate) fn folded(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let folded = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        let plain = name.nfkd().filter(|character| !is_ignorable(*character));
        let one_case = plain.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        one_case.nfkd().collect()
    };
    folded.trim_end_matches(['.', ' ']).to_owned()
}

/// [`folded`], component by component.
pub(crate) fn folded_path(path: &Path) -> PathBuf {
    path.components()
        .map(|component| match component {
            Component::Normal(name) => folded(name).into(),
            other => other.as_os_str().to_owned(),
        })
        .collect()
}

/// Unicode's default ignorable code points (DerivedCoreProperties.txt): some file systems drop them.
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The path of a file without links, `.` and `..` in its directory. What is not there yet is taken as it will be made. A link at its
/// end is not followed: a download replaces it.
pub(crate) fn physical(storage: &dyn Storage, path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return path;
    };
    for ancestor in directory.ancestors() {
        let Ok(mut physical) = storage.canonical(ancestor) else {
            continue;
        };
        for missing in directory.strip_prefix(ancestor).unwrap_or(directory).components() {
            match missing {
                Component::ParentDir => drop(physical.pop()),
                other => physical.push(other),
            }
        }
        return physical.join(name);
    }
    path
}

/// Whether two [physical](physical) paths are one for the file system. Asks it only where their names are [alike](folded).
pub(crate) fn is_one(storage: &dyn Storage, one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    if folded_path(one) != folded_path(other) {
        return false;
    }
    let mut directory = PathBuf::new();
    for (a, b) in one.components().zip(other.components()) {
        if a != b && !is_one_name(storage, &directory, a.as_os_str(), b.as_os_str()) {
            return false;
        }
        directory.push(a);
    }
    true
}

fn is_one_name(storage: &dyn Storage, directory: &Path, one: &OsStr, other: &OsStr) -> bool {
    let id = |name| {
        let stat = storage.stat(&directory.join(name));
        stat.ok().flatten().map(|stat| stat.id)
    };
    // Two that are there are two, unless they are one. Where one is missing, it may have come or gone in between.
    if let (Some(one), Some(other)) = (id(one), id(other))
        && one != other
    {
        return false;
    }
    let is_directory = |path: &&Path| {
        let stat = storage.stat(path);
        matches!(stat, Ok(Some(stat)) if stat.kind == FileKind::Directory)
    };
    let existing = directory.ancestors().find(is_directory);
    existing.is_some_and(|existing| probe(storage, existing, one, other))
}

/// Makes a file whose name ends as `one` does, and looks whether it is found by a name that ends as `other` does.
fn probe(storage: &dyn Storage, directory: &Path, one: &OsStr, other: &OsStr) -> bool {
    let (one, other) = (one.to_string_lossy(), other.to_string_lossy());
    let (one, other) = where_they_differ(&one, &other);
    let number = fastrand::u64(..);
    let named = |ending: &str| directory.join(format!(".tosget-probe.{number:016x}.{ending}"));
    if storage.open(&named(one), OpenMode::CreateNew).is_err() {
        return false;
    }
    let found = matches!(storage.stat(&named(other)), Ok(Some(_)));
    if let Err(error) = storage.remove(&named(one)) {
        tracing::warn!(target: "tosget::download", path = %named(one).display(), %error, "a probe was left behind");
    }
    found
}

/// Names short enough for a probe: from where they differ on, if they are long.
fn where_they_differ<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    if one.len().max(other.len()) <= LONGEST_PROBE {
        return (one, other);
    }
    let alike = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let start: usize = alike.map(|(a, _)| a.len_utf8()).sum();
    let cut = |name: &'a str| {
        let rest = &name[start..];
        &rest[..rest.floor_char_boundary(LONGEST_PROBE)]
    };
    (cut(one), cut(other))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::SystemStorage;
    use crate::testing::folding_storage::FoldingStorage;

    #[test]
    fn names_that_some_file_system_takes_for_one_fold_to_one() {
        for (one, other) in [
            ("README", "readme"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAFÉ", "cafe\u{301}"),
            ("straße", "STRASSE"),
            ("\u{212a}elvin", "kelvin"),
            ("a\u{200d}b", "ab"),
            ("が", "か\u{3099}"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
            ("file.", "file"),
            ("file ", "file"),
            (".x.tosget-part", ".x.to\u{17f}get-PART"),
        ] {
            assert_eq!(folded(one.as_ref()), folded(other.as_ref()), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("模型", "数据"), ("e", "é"), ("a.b", "ab")] {
            assert_ne!(folded(one.as_ref()), folded(other.as_ref()), "{one} {other}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_dots_and_slashes_lead_to_one_physical_path() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let root = fs::canonicalize(folder.path()).expect("there");
        fs::create_dir_all(root.join("real/deep")).expect("created");
        std::os::unix::fs::symlink(root.join("real/deep"), root.join("link")).expect("linked");
        let expected = root.join("real/new/x");
        for spelled in [
            "real/new/x",
            "real//new/./x",
            "link/../new/x",
            "real/deep/../new/x",
            "real/missing/../new/x",
        ] {
            assert_eq!(
                physical(&SystemStorage, &root.join(spelled)),
                expected,
                "{spelled}"
            );
        }
        std::os::unix::fs::symlink("elsewhere", root.join("x")).expect("linked");
        assert_eq!(physical(&SystemStorage, &root.join("x")), root.join("x"));
    }

    #[test]
    fn the_file_system_says_whether_case_makes_two_names() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let root = folder.path();
        let folding = FoldingStorage::below(root);
        let long = |start: &str| root.join(format!("{}{start}x", "模".repeat(80)));
        for (one, other) in [
            (root.join("README"), root.join("readme")),
            (root.join("Dir/x"), root.join("dir/x")),
            (root.join("caf\u{e9}"), root.join("cafe\u{301}")),
            (long("A"), long("a")),
        ] {
            assert!(is_one(&folding, &one, &other), "{one:?}");
            assert!(!is_one(&SystemStorage, &one, &other), "{one:?}");
        }
        assert!(!is_one(&folding, &root.join("a"), &root.join("b")));
        fs::write(root.join("there"), "").expect("written");
        assert!(is_one(&folding, &root.join("There"), &root.join("there")));
        assert_eq!(
            fs::read_dir(root).expect("readable").count(),
            1,
            "no probe is left"
        );
    }

    #[test]
    fn two_names_of_one_file_are_two_paths_where_case_counts() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (one, other) = (folder.path().join("x"), folder.path().join("X"));
        fs::write(&one, "").expect("written");
        fs::hard_link(&one, &other).expect("linked");
        assert!(!is_one(&SystemStorage, &one, &other));
    }
}
