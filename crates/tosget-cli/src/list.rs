//! A list of objects to download, one a line. It may have been written by somebody else.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::subject::Subject;

/// What a line of the list stands for: an object, and its name below the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subject: Subject,
    pub(crate) name: String,
}

/// Reads the list at `path`, or from standard input if that is `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let shown = path.display();
    let text = text.map_err(|error| {
        let message = format!("could not read the list {shown}");
        Failure::new(Exit::Usage, tosget::ErrorKind::InvalidArgument, message).with_cause(&error)
    })?;
    parse(&text).map_err(|refusal| Failure::usage(format!("the list {shown} {refusal}")))
}

/// Blank lines, and those that begin with `#`, say nothing. A line's end may be that of Windows.
fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut lines_of = HashMap::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let subject: Subject = line
            .parse()
            .map_err(|reason| format!("can't be used: in line {number}, {reason}"))?;
        let name = name_of(&subject);
        // Two downloads to one file would wait for each other, or undo each other.
        if let Some(other) = lines_of.insert(name.clone(), number) {
            return Err(format!(
                "saves two objects to one file: lines {other} and {number}"
            ));
        }
        entries.push(Entry { subject, name });
    }
    Ok(entries)
}

/// The name below the directory, as the library chooses it.
pub(crate) fn name_of(subject: &Subject) -> String {
    match subject {
        Subject::Object(name) => name.key.clone(),
        Subject::Url(url) => {
            let path = url.without_query();
            path.rsplit('/').next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        parse(text).map(|entries| entries.into_iter().map(|entry| entry.name).collect())
    }

    #[test]
    fn a_line_is_an_object_and_nothing_else_is_looked_at() {
        let text = "# models\r\ntos://bkt/a b\r\n\n  \ntos://bkt/#x?y\nhttps://h/d/k.bin?sig=1\n";
        assert_eq!(
            names(text),
            Ok(vec!["a b".to_owned(), "#x?y".to_owned(), "k.bin".to_owned()])
        );
        assert_eq!(names(""), Ok(vec![]));
    }

    #[test]
    fn a_line_that_can_not_be_used_is_named() {
        let refusal = names("tos://bkt/a\n\ns3://bkt/b\n").expect_err("s3");
        assert!(
            refusal.contains("line 3") && refusal.contains("tos://"),
            "{refusal}"
        );
    }

    #[test]
    fn two_objects_for_one_file_are_refused() {
        for text in [
            "tos://bkt/a\ntos://bkt/a",
            "tos://bkt/a\ntos://other/a",
            "https://h/x/a\nhttps://h/y/a?v=1",
        ] {
            let refusal = names(text).expect_err(text);
            assert!(refusal.contains("lines 1 and 2"), "{refusal}");
        }
    }
}
