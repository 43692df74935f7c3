//! Spans of time as people type them: `10s`, `2m`, `1500ms`.

use std::time::Duration;

const FORMS: &str = "write a number with a unit: 1500ms, 10s, 2m, 1h or 7d";

/// Reads a span of time.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let number = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let milliseconds = match &text[number.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(format!("the unit is missing: {FORMS}")),
        unit => return Err(format!("there is no unit {unit}: {FORMS}")),
    };
    let number: u64 = number
        .trim_end()
        .parse()
        .map_err(|_| format!("not a whole number: {FORMS}"))?;
    let milliseconds = number.checked_mul(milliseconds);
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        for (text, expected) in [
            ("1500ms", 1500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_the_accepted_forms() {
        for text in ["", "10", "s", "1.5s", "-1s", "3 days", "1M"] {
            let refusal = parse(text).expect_err(text);
            assert!(refusal.contains("1500ms"), "{text}: {refusal}");
        }
        assert_eq!(parse("18446744073709551615h"), Err("too long".to_owned()));
    }
}
