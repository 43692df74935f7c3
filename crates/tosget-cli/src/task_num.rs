//! How many parts are in flight, as people type it: a number, or `auto`.

use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskNum {
    /// As many as are needed.
    Auto,
    Exactly(usize),
}

impl FromStr for TaskNum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        let number = text.parse().map(Self::Exactly);
        number.map_err(|_| "write a number, 1 to 1000, or auto".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_auto_is_read_and_nothing_else() {
        assert_eq!("auto".parse(), Ok(TaskNum::Auto));
        assert_eq!("16".parse(), Ok(TaskNum::Exactly(16)));
        for bad in ["", "many", "-1", "1.5", "auto8"] {
            assert!(bad.parse::<TaskNum>().is_err(), "{bad}");
        }
    }
}
