//! A list of objects to download, one a line. It may have been written by somebody else.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use percent_encoding::percent_decode_str;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::subject::Subject;

/// An object of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subject: Subject,
    /// Where it stands, from 1.
    pub(crate) line: usize,
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

/// Blank lines, those that begin with `#`, and those that stand there twice say nothing. A line's end may be that of Windows.
fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') || !seen.insert(line) {
            continue;
        }
        let subject: Subject = line
            .parse()
            .map_err(|reason| format!("can't be used: in line {number}, {reason}"))?;
        entries.push(Entry {
            subject,
            line: number,
        });
    }
    Ok(entries)
}

/// The name below the directory, as the library chooses it.
pub(crate) fn name_of(subject: &Subject) -> String {
    match subject {
        Subject::Object(name) => name.key.clone(),
        Subject::Url(url) => {
            let shown = url.shown();
            let path = percent_decode_str(shown.trim_end()).decode_utf8_lossy();
            path.rsplit('/').next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<(usize, String)>, String> {
        let entries = parse(text)?;
        let shown = entries
            .iter()
            .map(|entry| (entry.line, entry.subject.to_string()));
        Ok(shown.collect())
    }

    #[test]
    fn a_line_is_an_object_and_nothing_else_is_looked_at() {
        let text = "# models\r\ntos://bkt/a b\r\n\n  \ntos://bkt/#x?y\nhttps://h/d/k.bin?sig=1\n";
        let entries = [
            (2, "tos://bkt/a b".to_owned()),
            (5, "tos://bkt/#x?y".to_owned()),
            (6, "https://h/d/k.bin".to_owned()),
        ];
        assert_eq!(shown(text), Ok(entries.to_vec()));
        assert_eq!(shown(""), Ok(vec![]));
    }

    #[test]
    fn the_name_of_a_url_is_the_last_segment_of_its_decoded_path() {
        for (subject, name) in [
            ("https://h/d/my%20list?sig=%2F", "my list"),
            ("https://h/d%2Fk", "k"),
            ("https://h/%E6%A8%A1.bin ", "模.bin"),
            ("tos://bkt/d/my%20list", "d/my%20list"),
        ] {
            let subject = subject.parse().expect("a subject");
            assert_eq!(name_of(&subject), name);
        }
    }

    #[test]
    fn a_line_that_stands_there_twice_counts_once() {
        let text = "tos://bkt/a\ntos://bkt/b\r\ntos://bkt/a\ntos://bkt/b\n";
        let entries = [(1, "tos://bkt/a".to_owned()), (2, "tos://bkt/b".to_owned())];
        assert_eq!(shown(text), Ok(entries.to_vec()));
    }

    #[test]
    fn a_line_that_can_not_be_used_is_named() {
        let refusal = shown("tos://bkt/a\n\ns3://bkt/b\n").expect_err("s3");
        assert!(
            refusal.contains("line 3") && refusal.contains("tos://"),
            "{refusal}"
        );
    }
}
