//! `docs/reliability.md` names a test for each fault: every one of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files that the table's footnotes stand for, by their short names.
fn files(table: &str) -> Vec<(String, String)> {
    let lines = table.lines().filter_map(|line| {
        let (name, path) = line.strip_prefix("- `")?.split_once("`: `")?;
        Some((name.to_owned(), path.split('`').next()?.to_owned()))
    });
    lines.collect()
}

/// Each `module::name` in code style in a table's last column.
fn named_tests(table: &str) -> BTreeSet<(String, String)> {
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let codes = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    codes
        .filter_map(|code| code.rsplit_once("::"))
        .map(|(module, name)| (module.to_owned(), name.to_owned()))
        .collect()
}

#[test]
fn every_test_that_the_table_of_faults_names_exists() {
    let path = repository().join("docs/reliability.md");
    let table = fs::read_to_string(&path).expect("the table is there");
    let files = files(&table);
    let tests = named_tests(&table);
    assert!(tests.len() > 80, "only {} tests are named", tests.len());
    for (module, name) in tests {
        let file = files.iter().find(|(known, _)| *known == module);
        let (_, file) = file.unwrap_or_else(|| panic!("no file is given for {module}"));
        let source = fs::read_to_string(repository().join(file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let is_there = ["fn ", "def "]
            .iter()
            .any(|kind| source.contains(&format!("{kind}{name}(")));
        assert!(is_there, "{file} has no test {name}");
    }
}

#[test]
fn every_row_of_the_table_names_a_test() {
    let table = fs::read_to_string(repository().join("docs/reliability.md")).expect("there");
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| fault"));
    for row in rows {
        let last = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        assert!(last.contains("::") || last.contains("none"), "{row}");
    }
}
