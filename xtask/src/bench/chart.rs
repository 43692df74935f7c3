//! Horizontal bars: a bar a program, as long as the median, with a whisker from the smallest to the largest.

use std::fmt::Write;

use crate::bench::figures::{Order, short};
use crate::bench::svg;

const WIDTH: f64 = 760.0;
/// Where bars begin, right of their names, and where the longest may end, left of the numbers.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 44.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const PANEL_HEAD: f64 = 30.0;
const PANEL_FOOT: f64 = 30.0;

pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

/// One figure of all programs.
pub(crate) struct Panel {
    /// The figure, its unit and which end is good.
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) order: Order,
    pub(crate) is_ours: bool,
}

impl Chart {
    pub(crate) fn to_svg(&self) -> String {
        let mut body = String::new();
        let mut y = TOP;
        for panel in self.panels.iter().filter(|panel| !panel.bars.is_empty()) {
            y = panel.draw(&mut body, y);
        }
        svg::framed(WIDTH, y, &self.title, &body)
    }
}

impl Panel {
    /// Draws below `top` and returns where it ends.
    fn draw(&self, body: &mut String, top: f64) -> f64 {
        let rows = self.bars.len() as f64;
        let (first, bottom) = (top + PANEL_HEAD, top + PANEL_HEAD + rows * ROW);
        let largest = self.bars.iter().map(|bar| bar.order.max).fold(0.0, f64::max);
        let (end, step) = svg::scale(largest);
        let place = |number: f64| LEFT + (RIGHT - LEFT) * number / end;
        svg::text(body, (16.0, top + 18.0), "start", "panel", &self.name);
        let mut number = 0.0;
        while number <= end * 1.001 {
            let x = place(number);
            svg::line(body, "grid", (x, first - 2.0), (x, bottom));
            svg::text(body, (x, bottom + 16.0), "middle", "note", &svg::mark(number));
            number += step;
        }
        svg::line(body, "axis", (LEFT, first - 2.0), (LEFT, bottom));
        for (row, bar) in self.bars.iter().enumerate() {
            bar.draw(body, first + row as f64 * ROW, place);
        }
        bottom + PANEL_FOOT
    }
}

impl Bar {
    fn draw(&self, body: &mut String, top: f64, place: impl Fn(f64) -> f64) {
        let Order { median, min, max } = self.order;
        let middle = top + ROW / 2.0;
        let colour = if self.is_ours { svg::OURS } else { svg::OTHERS };
        svg::text(body, (LEFT - 8.0, middle + 4.5), "end", "", &self.label);
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>",
            middle - BAR / 2.0,
            (place(median) - LEFT).max(1.0)
        );
        let (from, to) = (place(min), place(max));
        svg::line(body, "whisker", (from, middle), (to, middle));
        for end in [from, to] {
            svg::line(body, "whisker", (end, middle - 4.0), (end, middle + 4.0));
        }
        svg::text(
            body,
            (to.max(place(median)) + 8.0, middle + 4.5),
            "start",
            "",
            &short(median),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_its_name_and_its_median() {
        let bar = |label: &str, median, is_ours| Bar {
            label: label.to_owned(),
            order: Order {
                median,
                min: median / 2.0,
                max: median * 2.0,
            },
            is_ours,
        };
        let panel = Panel {
            name: "wall, seconds".to_owned(),
            bars: vec![bar("curl", 2.0, false), bar("tosget", 1.5, true)],
        };
        let picture = Chart {
            title: "Title".to_owned(),
            panels: vec![panel],
        }
        .to_svg();
        for words in [
            ">curl<",
            ">2.00<",
            ">tosget<",
            ">1.50<",
            ">wall, seconds<",
            svg::OURS,
        ] {
            assert!(picture.contains(words), "{words} in {picture}");
        }
    }

    #[test]
    fn a_panel_without_bars_takes_no_place() {
        let panel = Panel {
            name: "nothing".to_owned(),
            bars: Vec::new(),
        };
        let picture = Chart {
            title: "Title".to_owned(),
            panels: vec![panel],
        }
        .to_svg();
        assert!(!picture.contains("nothing"));
    }
}
