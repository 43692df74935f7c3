//! Numbers that were measured several times, and where they lie.

/// Where some numbers lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Order {
    /// None of no numbers.
    pub(crate) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (&min, &max) = (numbers.first()?, numbers.last()?);
        let (low, high) = (numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]);
        Some(Self {
            median: f64::midpoint(low, high),
            min,
            max,
        })
    }

    pub(crate) fn spread_percent(&self) -> f64 {
        if self.median == 0.0 {
            return 0.0;
        }
        100.0 * (self.max - self.min) / self.median
    }
}

/// A number with as many places as its size deserves, three digits that count.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        0.0 => "0".to_owned(),
        size if size < 0.1 => format!("{number:.4}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let order = Order::of(vec![4.0, 8.0, 2.0, 4.5]).expect("numbers");
        assert_eq!((order.median, order.min, order.max), (4.25, 2.0, 8.0));
        assert!(Order::of(Vec::new()).is_none());
    }

    #[test]
    fn a_number_is_as_long_as_it_has_to_be() {
        let numbers = [8123.4, 12.345, 1.2345, 0.01234, 0.0];
        assert_eq!(numbers.map(short), ["8123", "12.3", "1.23", "0.0123", "0"]);
    }
}
