//! Lines over time, one panel below another with the same time axis.

use std::fmt::Write;

use crate::bench::svg;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 44.0;
const PANEL_HEAD: f64 = 44.0;
const PANEL_BODY: f64 = 170.0;
const PANEL_FOOT: f64 = 40.0;

pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) panels: Vec<PlotPanel>,
}

pub(crate) struct PlotPanel {
    /// The figure and its unit.
    pub(crate) name: String,
    pub(crate) lines: Vec<PlotLine>,
    /// A level worth comparing with, and what it is.
    pub(crate) level: Option<(f64, String)>,
}

pub(crate) struct PlotLine {
    pub(crate) label: String,
    /// Seconds and the figure then.
    pub(crate) points: Vec<(f64, f64)>,
    /// The figure holds from its time to the next one's, so the line is drawn in steps.
    pub(crate) in_steps: bool,
    pub(crate) is_ours: bool,
}

impl Plot {
    pub(crate) fn to_svg(&self) -> String {
        let points = self
            .panels
            .iter()
            .flat_map(|panel| &panel.lines)
            .flat_map(|line| &line.points);
        let seconds = svg::scale(points.map(|point| point.0).fold(0.0, f64::max));
        let mut body = String::new();
        let mut y = TOP;
        for panel in &self.panels {
            panel.draw(&mut body, y, seconds);
            y += PANEL_HEAD + PANEL_BODY + PANEL_FOOT;
        }
        svg::framed(WIDTH, y, &self.title, &body)
    }
}

impl PlotPanel {
    fn draw(&self, body: &mut String, top: f64, (last_second, second_step): (f64, f64)) {
        let (first, bottom) = (top + PANEL_HEAD, top + PANEL_HEAD + PANEL_BODY);
        let numbers = self
            .lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|point| point.1);
        let level = self.level.iter().map(|level| level.0);
        let (end, step) = svg::scale(numbers.chain(level).fold(0.0, f64::max));
        let x = |seconds: f64| LEFT + (RIGHT - LEFT) * seconds / last_second;
        let y = |number: f64| bottom - PANEL_BODY * number / end;
        svg::text(body, (16.0, top + 16.0), "start", "panel", &self.name);
        self.draw_legend(body, top + 34.0);
        let mut number = 0.0;
        while number <= end * 1.001 {
            svg::line(body, "grid", (LEFT, y(number)), (RIGHT, y(number)));
            svg::text(
                body,
                (LEFT - 8.0, y(number) + 4.0),
                "end",
                "note",
                &svg::mark(number),
            );
            number += step;
        }
        let mut seconds = 0.0;
        while seconds <= last_second * 1.001 {
            let words = format!("{} s", svg::mark(seconds));
            svg::text(body, (x(seconds), bottom + 18.0), "middle", "note", &words);
            seconds += second_step;
        }
        svg::line(body, "axis", (LEFT, first), (LEFT, bottom));
        svg::line(body, "axis", (LEFT, bottom), (RIGHT, bottom));
        if let Some((level, words)) = &self.level {
            svg::line(body, "level", (LEFT, y(*level)), (RIGHT, y(*level)));
            svg::text(body, (RIGHT, y(*level) - 5.0), "end", "note", words);
        }
        for (line, colour) in self.coloured() {
            line.draw(body, colour, x, y);
        }
    }

    /// Ours in the colour it has everywhere, its variants beside it; the others in turn.
    fn coloured(&self) -> Vec<(&PlotLine, &'static str)> {
        let mut ours = [svg::OURS, svg::OURS_VARIED].into_iter().cycle();
        let mut others = svg::LINES.into_iter().cycle();
        let colour = |line: &PlotLine| {
            if line.is_ours { ours.next() } else { others.next() }
        };
        let colours: Vec<_> = self.lines.iter().map(colour).collect();
        self.lines.iter().zip(colours.into_iter().flatten()).collect()
    }

    fn draw_legend(&self, body: &mut String, y: f64) {
        if self.lines.len() < 2 {
            return;
        }
        let mut x = LEFT;
        for (line, colour) in self.coloured() {
            let _ = writeln!(
                body,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>",
                y - 6.0
            );
            svg::text(body, (x + 20.0, y), "start", "note", &line.label);
            x += 40.0 + 7.0 * line.label.len() as f64;
        }
    }
}

impl PlotLine {
    fn draw(&self, body: &mut String, colour: &str, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
        let mut path = String::new();
        let mut before: Option<f64> = None;
        for &(seconds, number) in &self.points {
            if let (true, Some(before)) = (self.in_steps, before) {
                let _ = write!(path, "{:.1},{:.1} ", x(seconds), y(before));
            }
            let _ = write!(path, "{:.1},{:.1} ", x(seconds), y(number));
            before = Some(number);
        }
        let _ = writeln!(
            body,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" points=\"{}\"/>",
            path.trim_end()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_steps_holds_its_figure_until_the_next() {
        let line = PlotLine {
            label: "tasks".to_owned(),
            points: vec![(0.0, 1.0), (2.0, 3.0)],
            in_steps: true,
            is_ours: true,
        };
        let mut body = String::new();
        line.draw(&mut body, "red", |x| x, |y| y);
        assert!(body.contains("points=\"0.0,1.0 2.0,1.0 2.0,3.0\""), "{body}");
    }

    #[test]
    fn two_of_ours_are_told_apart() {
        let line = || PlotLine {
            label: "x".to_owned(),
            points: Vec::new(),
            in_steps: false,
            is_ours: true,
        };
        let panel = PlotPanel {
            name: "MiB".to_owned(),
            lines: vec![line(), line()],
            level: None,
        };
        let colours: Vec<_> = panel.coloured().into_iter().map(|(_, colour)| colour).collect();
        assert_eq!(colours, [svg::OURS, svg::OURS_VARIED]);
    }

    #[test]
    fn the_level_to_compare_with_is_in_the_picture() {
        let line = PlotLine {
            label: "x".to_owned(),
            points: vec![(1.0, 300.0)],
            in_steps: false,
            is_ours: true,
        };
        let panel = PlotPanel {
            name: "MB/s".to_owned(),
            lines: vec![line],
            level: Some((400.0, "the link".to_owned())),
        };
        let picture = Plot {
            title: "Title".to_owned(),
            panels: vec![panel],
        }
        .to_svg();
        assert!(
            picture.contains(">the link<") && picture.contains(">400<"),
            "{picture}"
        );
    }
}
