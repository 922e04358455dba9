//! Scales with round ticks, and panels that draw them.

use super::svg::{Anchor, Svg};

/// From values to 0..1, with labelled ticks.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    map: fn(f64) -> f64,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Equal steps over all finite values, with about `count` round ticks; the ends are ticks.
    pub(super) fn linear(values: impl IntoIterator<Item = f64>, count: usize) -> Self {
        let (low, high) = range(values);
        let step = round_step((high - low) / count.max(1) as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let digits = decimals(step);
        let mut ticks = Vec::new();
        let mut tick = first;
        while tick <= last {
            ticks.push((tick * step, format!("{:.digits$}", tick * step + 0.0)));
            tick += 1.0;
        }
        Self { low: first * step, high: last * step, map: |x| x, ticks }
    }

    /// Equal steps without room at the ends, for figures whose first value must touch the frame.
    pub(super) fn tight(low: f64, high: f64, count: usize) -> Self {
        let round = Self::linear([low, high], count);
        let ticks = round.ticks.into_iter().filter(|&(at, _)| at >= low && at <= high).collect();
        Self { low, high: if high > low { high } else { low + 1.0 }, map: |x| x, ticks }
    }

    /// Equal steps of `map(value)` with ticks at the given values.
    pub(super) fn mapped(map: fn(f64) -> f64, low: f64, high: f64, ticks: Vec<(f64, String)>) -> Self {
        let (low, high) = (map(low), map(high));
        Self { low, high: if high > low { high } else { low + 1.0 }, map, ticks }
    }

    /// Equal factors; ticks at 1, 2, 5 of every decade.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = (low.clamp(1e-9, LARGEST), high.clamp(1e-9, LARGEST));
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(low.log10().floor());
        while decade <= high {
            let inside = [1.0, 2.0, 5.0].map(|digit| digit * decade);
            ticks.extend(
                inside.into_iter().filter(|&at| at >= low && at <= high).map(|at| (at, format!("{at}"))),
            );
            decade *= 10.0;
        }
        Self::mapped(f64::log10, low, high, ticks)
    }

    /// Whether the value lies between the ends.
    pub(super) fn covers(&self, value: f64) -> bool {
        (0.0..=1.0).contains(&self.place(value))
    }

    fn place(&self, value: f64) -> f64 {
        ((self.map)(value) - self.low) / (self.high - self.low)
    }
}

/// Larger numbers are no measurements; the difference of smaller ones is finite.
const LARGEST: f64 = 1e100;

/// The ends of what is to be seen, so far apart that ticks between them are numbers of their own.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let shown = values.into_iter().filter(|value| value.abs() <= LARGEST);
    let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    if low > high {
        return (0.0, 1.0);
    }
    let least = (1e-9 * low.abs().max(high.abs())).max(1e-200);
    if high - low > least {
        return (low, high);
    }
    let margin = least.max(0.5);
    (low - margin, high + margin)
}

/// The next larger of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let decade = 10_f64.powf(step.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * decade >= step * 0.999_999).unwrap_or(10.0);
    digit * decade
}

fn decimals(step: f64) -> usize {
    (0..9)
        .find(|&digits| step * 10_f64.powi(digits) >= 0.999)
        .map_or(9, |digits| digits.unsigned_abs() as usize)
}

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

    pub(super) fn left(&self) -> f64 {
        self.left
    }

    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Heading, horizontal grid, ticks and labels; draw it before the data.
    ///
    /// A heading that is wider than the panel loses the end of its first word, and a tick whose label would touch the one
    /// before it has none.
    pub(super) fn frame(&self, svg: &mut Svg, heading: &str, x_label: &str, y_label: &str) {
        let fitted = fitted(heading, self.width + Grid::RIGHT);
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

/// Lays out equal panels in rows; returns the drawing and the left upper corners of the panels' data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Grid {
    const LEFT: f64 = 56.0;
    const RIGHT: f64 = 16.0;
    const TOP: f64 = 28.0;
    const BOTTOM: f64 = 44.0;

    /// An empty drawing for `count` panels below a strip of `above` pixels.
    pub(super) fn drawing(&self, count: usize, above: f64) -> Svg {
        let columns = self.columns.min(count).max(1);
        let rows = count.div_ceil(columns);
        Svg::new(
            columns as f64 * (Self::LEFT + self.width + Self::RIGHT),
            above + rows as f64 * (Self::TOP + self.height + Self::BOTTOM),
        )
    }

    /// The panel with that number.
    pub(super) fn panel(&self, index: usize, above: f64, x: Scale, y: Scale) -> Panel {
        let (row, column) = (index / self.columns, index % self.columns);
        Panel {
            left: Self::LEFT + column as f64 * (Self::LEFT + self.width + Self::RIGHT),
            top: above + Self::TOP + row as f64 * (Self::TOP + self.height + Self::BOTTOM),
            width: self.width,
            height: self.height,
            x,
            y,
        }
    }
}

/// A row of coloured names at the top of a drawing.
pub(super) fn legend(svg: &mut Svg, entries: &[(usize, &str)]) {
    let mut x = 56.0;
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
    fn ticks_are_round_and_cover_the_values() {
        let labels = |scale: &Scale| scale.ticks.iter().map(|(_, label)| label.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&Scale::linear([0.03, 0.97], 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::linear([-7.0, 12.0], 4)), ["-10", "-5", "0", "5", "10", "15"]);
        assert_eq!(labels(&Scale::logarithmic(4.0, 500.0)), ["5", "10", "20", "50", "100", "200", "500"]);
        assert_eq!(labels(&Scale::linear([], 2)), ["0.0", "0.5", "1.0"]);
    }

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
    fn a_single_value_has_room_on_both_sides() {
        let scale = Scale::linear([3.0], 2);
        assert!(scale.place(3.0) > 0.2 && scale.place(3.0) < 0.8);
    }

    #[test]
    fn ticks_of_any_numbers_are_few() {
        let (max, min) = (f64::MAX, f64::MIN_POSITIVE);
        for values in
            [vec![1e300], vec![min, max], vec![-max, max], vec![1e16, 1e16 + 2.0], vec![5e-324, 0.0]]
        {
            let scale = Scale::linear(values.iter().copied(), 4);
            assert!((2..20).contains(&scale.ticks.len()), "{values:?}: {}", scale.ticks.len());
            assert!(scale.high > scale.low && (scale.high - scale.low).is_finite(), "{values:?}");
        }
        assert!(Scale::logarithmic(min, f64::INFINITY).ticks.len() < 400);
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
