//! Panels: where the data of a figure stand, and the frames around them.

use super::{
    axes::Scale,
    svg::{Anchor, Svg},
};

/// A rectangle of the drawing with its two scales.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Panel {
    /// The point of two values.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + self.x.place(x) * self.width, self.top + (1.0 - self.y.place(y)) * self.height)
    }

    /// The same, at the edge of the panel for values beyond its scales.
    pub(super) fn inside(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = self.at(x, y);
        (x.clamp(self.left, self.right()), y.clamp(self.top, self.bottom()))
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Heading, horizontal grid, ticks and labels; draw it before the data.
    ///
    /// A heading that is wider than the panel loses the end of its first word, and a tick whose label would touch the one
    /// before it has none.
    pub(super) fn frame(&self, svg: &mut Svg, heading: &str, x_label: &str, y_label: &str) {
        let fitted = fitted(heading, self.width + RIGHT);
        svg.text("heading", (self.left, self.top - 8.0), Anchor::Start, &fitted);
        for (value, label) in &self.y.ticks {
            let (_, y) = self.at(0.0, *value);
            svg.line("grid", (self.left, y), (self.right(), y));
            svg.text("muted", (self.left - 6.0, y + 3.8), Anchor::End, label);
        }
        svg.line("axis", (self.left, self.bottom()), (self.right(), self.bottom()));
        let mut free = f64::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let x = self.left + self.x.place(*value) * self.width;
            svg.line("axis", (x, self.bottom()), (x, self.bottom() + 4.0));
            let half = TICK_LETTER * label.chars().count() as f64 / 2.0;
            if x - half >= free {
                svg.text("muted", (x, self.bottom() + 16.0), Anchor::Middle, label);
                free = x + half + TICK_LETTER;
            }
        }
        if !x_label.is_empty() {
            svg.text("", (self.left + self.width / 2.0, self.bottom() + 33.0), Anchor::Middle, x_label);
        }
        if !y_label.is_empty() {
            svg.upright_text("", (self.left - 40.0, self.top + self.height / 2.0), y_label);
        }
    }
}

/// Width of a letter of a tick and of a heading, in pixels: of the wide ones, so that a text never takes more.
const TICK_LETTER: f64 = 6.5;
const HEADING_LETTER: f64 = 7.2;

/// A heading within a width: of one that is too long the first word is cut, since an accuracy may stand at the end.
fn fitted(heading: &str, width: f64) -> String {
    let letters = heading.chars().count();
    let over = (letters as f64 - width / HEADING_LETTER).ceil();
    if over <= 0.0 {
        return heading.to_owned();
    }
    let (first, rest) = heading.split_at(heading.find(' ').unwrap_or(heading.len()));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few letters")]
    let kept = first.chars().count().saturating_sub(over as usize + 1).max(3);
    first.chars().take(kept).chain(['…']).collect::<String>() + rest
}

/// Pixels around the data of a panel, for ticks, labels and heading.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;

/// Height of the strip of a legend.
const LEGEND: f64 = 24.0;

/// Equal panels in rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) columns: usize,
    /// Of the data of a panel, in pixels.
    pub(super) width: f64,
    pub(super) height: f64,
    /// Which panels say what their x axis is; y axes are those of the first column.
    pub(super) x_labels: XLabels,
}

/// Which panels of a grid say what their x axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum XLabels {
    Every,
    Lowest,
}

/// A drawing of panels under construction.
#[derive(Debug)]
pub(super) struct Panels {
    grid: Grid,
    count: usize,
    above: f64,
    pub(super) svg: Svg,
}

impl Panels {
    /// An empty drawing for `count` panels, below the names of series where there are any.
    pub(super) fn new(grid: Grid, count: usize, series: &[(usize, &str)]) -> Self {
        let columns = grid.columns.min(count).max(1);
        let rows = count.div_ceil(columns);
        let above = if series.is_empty() { 0.0 } else { LEGEND };
        let mut svg = Svg::new(
            columns as f64 * (LEFT + grid.width + RIGHT),
            above + rows as f64 * (TOP + grid.height + BOTTOM),
        );
        legend(&mut svg, series);
        Self { grid, count, above, svg }
    }

    /// The panel with that number, without its frame.
    pub(super) fn place(&self, index: usize, x: Scale, y: Scale) -> Panel {
        let Grid { columns, width, height, .. } = self.grid;
        let (row, column) = (index / columns, index % columns);
        let left = LEFT + column as f64 * (LEFT + width + RIGHT);
        let top = self.above + TOP + row as f64 * (TOP + height + BOTTOM);
        Panel { left, top, width, height, x, y }
    }

    /// The panel with that number in its frame, each scale with what it is of.
    pub(super) fn panel(
        &mut self,
        index: usize,
        heading: &str,
        (x_label, x): (&str, Scale),
        (y_label, y): (&str, Scale),
    ) -> Panel {
        let panel = self.place(index, x, y);
        let labelled = match self.grid.x_labels {
            XLabels::Every => true,
            XLabels::Lowest => index + self.grid.columns >= self.count,
        };
        let first = index.is_multiple_of(self.grid.columns);
        let (x_label, y_label) = (if labelled { x_label } else { "" }, if first { y_label } else { "" });
        panel.frame(&mut self.svg, heading, x_label, y_label);
        panel
    }
}

/// A row of coloured names at the top of a drawing.
fn legend(svg: &mut Svg, entries: &[(usize, &str)]) {
    let mut x = LEFT;
    for (series, name) in entries {
        svg.rect(&format!("colored s{series}"), (x, 8.0), (12.0, 8.0), None, "");
        svg.text("", (x + 17.0, 16.0), Anchor::Start, name);
        x += 32.0 + 6.3 * name.chars().count() as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_heading_keeps_its_number_and_a_short_one_all() {
        assert_eq!(fitted("lort  51.9", 170.0), "lort  51.9");
        let long = fitted("multiplicative-logit-adjustment  50.1", 186.0);
        assert_eq!(long, "multiplicative-log…  50.1");
        assert!(long.chars().count() as f64 * HEADING_LETTER <= 186.0);
        assert_eq!(fitted("multiplicative-logit-adjustment", 36.0), "mult…");
    }

    #[test]
    fn labels_of_ticks_do_not_touch() {
        let panel = |width| Panel {
            left: 0.0,
            top: 0.0,
            width,
            height: 50.0,
            x: Scale::logarithmic(5.0, 500.0),
            y: Scale::linear([0.0, 1.0], 2),
        };
        let labels = |width| {
            let mut svg = Svg::new(100.0, 100.0);
            panel(width).frame(&mut svg, "", "", "");
            let text = svg.finish("", "", "");
            ["5", "10", "20", "50", "100", "200", "500"]
                .into_iter()
                .filter(|label| text.contains(&format!("text-anchor=\"middle\">{label}<")))
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(400.0), ["5", "10", "20", "50", "100", "200", "500"]);
        assert_eq!(labels(120.0), ["5", "10", "50", "200"]);
    }

    #[test]
    fn larger_values_are_higher_and_farther_right() {
        let panel = Panel {
            left: 10.0,
            top: 20.0,
            width: 100.0,
            height: 50.0,
            x: Scale::linear([0.0, 10.0], 5),
            y: Scale::linear([0.0, 1.0], 5),
        };
        assert_eq!((panel.at(0.0, 0.0), panel.at(10.0, 1.0)), ((10.0, 70.0), (110.0, 20.0)));
    }
}
