//! What all charts share: a frame, colours that can be read on white and on black, and text that can't break the XML.

use std::fmt::Write;

/// The colour of what is ours; the others are told from it.
pub(crate) const OURS: &str = "#2f81f7";

/// Where ours is there a second time, called with other options.
pub(crate) const OURS_VARIED: &str = "#a371f7";
pub(crate) const OTHERS: &str = "#8b949e";
/// For lines that have to be told from each other and from ours.
pub(crate) const LINES: [&str; 3] = ["#db6d28", "#2da44e", OTHERS];

/// Mid-grey text holds a contrast of 4.5 to 1 neither on white nor on black, so viewers that can tell get their own.
const STYLE: &str = "<style>\
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#57606a}\
.title{font-size:16px;font-weight:600}.panel{font-weight:600}.note{font-size:12px}\
.axis{stroke:#8b949e;stroke-width:1}.grid{stroke:#8b949e;stroke-width:1;stroke-opacity:.25}\
.whisker,.level{stroke:#57606a;stroke-width:1.5}.level{stroke-dasharray:5 4}\
@media (prefers-color-scheme:dark){text{fill:#b1bac4}.whisker,.level{stroke:#b1bac4}}\
</style>";

/// The picture of this size with `body` in it.
pub(crate) fn framed(width: f64, height: f64, title: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n{STYLE}\n\
         <text class=\"title\" x=\"16\" y=\"28\">{title}</text>\n{body}</svg>\n",
        title = escaped(title)
    )
}

/// Adds text at a place; `anchor` is `start`, `middle` or `end`.
pub(crate) fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, words: &str) {
    let _ = writeln!(
        body,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(words)
    );
}

pub(crate) fn line(body: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        body,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

/// A round number not below `largest`, and the distance of the marks on the way there.
pub(crate) fn scale(largest: f64) -> (f64, f64) {
    if largest <= 0.0 || !largest.is_finite() {
        return (1.0, 1.0);
    }
    let rough = largest / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    ((largest / step).ceil() * step, step)
}

/// A mark's number, without places that all marks have as zeros.
pub(crate) fn mark(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        assert_eq!(scale(0.9), (1.0, 0.2));
        assert_eq!(scale(430.0), (500.0, 100.0));
        assert_eq!(scale(0.0), (1.0, 1.0));
    }

    #[test]
    fn marks_are_short() {
        assert_eq!([0.25, 2.0, 100.0].map(mark), ["0.25", "2", "100"]);
    }

    #[test]
    fn text_stays_text() {
        assert!(framed(1.0, 1.0, "a < b & c", "").contains("<title>a &lt; b &amp; c</title>"));
    }
}
