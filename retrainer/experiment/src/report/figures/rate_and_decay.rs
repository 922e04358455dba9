//! Heat map of the accuracy of LORT over learning rate and weight decay.

use super::{
    Figure, FigureInput, FigureKind,
    label_smooth::PUBLISHED,
    points::{points_by, span},
    svg::{Anchor, Svg},
};
use crate::{metrics::TOP1, records::ParamText, statistics::Summary};
use serde_json::Value;

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "fig5",
    about: "accuracy of LORT over learning rate and weight decay",
    build: rate_and_decay,
};

/// Colours of the scale, dark to light, of the map `viridis`: even steps of lightness in all forms of colour vision.
const MAP: [[f64; 3]; 5] =
    [[68., 1., 84.], [59., 82., 139.], [33., 145., 140.], [94., 201., 98.], [253., 231., 37.]];

/// Height and width of a cell.
const CELL: (f64, f64) = (72.0, 34.0);

/// Room for the heading above a map of few columns.
const HEADING_WIDTH: f64 = 250.0;

/// Learning rate, weight decay, and the accuracies of the seeds.
type MapCell = (f64, f64, Summary);

fn rate_and_decay(input: &FigureInput<'_>) -> Option<Figure> {
    let (points, fixed) = points_by(input, "lort", &["lr", "weight_decay"], &[("delta", PUBLISHED)])?;
    let cells: Vec<MapCell> = points
        .iter()
        .filter_map(|(key, row)| match key.as_slice() {
            &[lr, decay] => Some((lr, decay, row.summary(TOP1.all)?)),
            _ => None,
        })
        .collect();
    let axis = |value: fn(&MapCell) -> f64| {
        let mut values: Vec<f64> = cells.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    };
    let (rates, decays) = (axis(|cell| cell.0), axis(|cell| cell.1));
    if rates.len() < 2 || decays.len() < 2 {
        return None;
    }
    let means = || cells.iter().map(|cell| cell.2.mean);
    let colors = robust_range(&means().collect::<Vec<_>>());
    let svg = map(&cells, &rates, &decays, colors);
    let title = "Accuracy of LORT over learning rate and weight decay";
    let beyond = match means().filter(|mean| *mean < colors.0 || *mean > colors.1).count() {
        0 => String::new(),
        count => format!(
            "; colours run from {:.1} to {:.1} %, {count} cells lie beyond",
            100.0 * colors.0,
            100.0 * colors.1
        ),
    };
    let caption = format!(
        "Mean of per-class accuracies on the test split, mean over seeds; {}{beyond}; {fixed}; {}",
        span(input, &points.iter().map(|(_, row)| row).collect::<Vec<_>>(), "cells")?,
        input.how(points.iter().map(|(_, row)| row))
    );
    Some(svg.figure(FIGURE.name, title, caption))
}

/// The cells in their places, coloured from the first of `colors` to the second.
fn map(cells: &[MapCell], rates: &[f64], decays: &[f64], colors: (f64, f64)) -> Svg {
    let (left, top) = (86.0, 34.0);
    let (width, height) = (CELL.0 * rates.len() as f64, CELL.1 * decays.len() as f64);
    let mut svg = Svg::new(left + width.max(HEADING_WIDTH) + 20.0, top + height + 58.0);
    svg.text("heading", (left, 20.0), Anchor::Start, "LORT, accuracy over all classes, %");
    let place = |axis: &[f64], value: f64| axis.iter().position(|&other| other == value).unwrap_or(0) as f64;
    for &(lr, decay, summary) in cells {
        // Large decays at the top.
        let (x, y) = (place(rates, lr), decays.len() as f64 - 1.0 - place(decays, decay));
        let corner = (left + x * CELL.0, top + y * CELL.1);
        let share = if colors.1 > colors.0 { (summary.mean - colors.0) / (colors.1 - colors.0) } else { 0.5 };
        let (mean, std) = (100.0 * summary.mean, 100.0 * summary.std.unwrap_or(0.0));
        let tip = format!("lr {lr}, weight decay {decay}: {mean:.2} ± {std:.2} over {} seeds", summary.n);
        let (inside, size) = ((corner.0 + 1.0, corner.1 + 1.0), (CELL.0 - 2.0, CELL.1 - 2.0));
        svg.rect("", inside, size, Some(&color(share)), &tip);
        let class = if share < 0.55 { "on-dark" } else { "on-light" };
        let middle = (corner.0 + CELL.0 / 2.0, corner.1 + CELL.1 / 2.0 + 4.0);
        svg.text(class, middle, Anchor::Middle, &format!("{mean:.1}"));
    }
    let name = |value: f64| ParamText(&Value::from(value)).to_string();
    for &lr in rates {
        let x = left + (place(rates, lr) + 0.5) * CELL.0;
        svg.text("muted", (x, top + height + 16.0), Anchor::Middle, &name(lr));
    }
    for &decay in decays {
        let y = top + (decays.len() as f64 - 0.5 - place(decays, decay)) * CELL.1;
        svg.text("muted", (left - 6.0, y + 4.0), Anchor::End, &name(decay));
    }
    svg.text("", (left + width / 2.0, top + height + 38.0), Anchor::Middle, "learning rate");
    svg.upright_text("", (left - 56.0, top + height / 2.0), "weight decay");
    svg
}

/// Between which values colours run: those within one and a half times the distance of the quartiles from these (Tukey's fences),
/// so that a cell far off does not take the differences of the others.
fn robust_range(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quartile = |numerator: usize| sorted.get(numerator * sorted.len().saturating_sub(1) / 4).copied();
    let Some((first, third)) = quartile(1).zip(quartile(3)) else { return (0.0, 0.0) };
    let reach = 1.5 * (third - first);
    let inside = sorted.iter().copied().filter(|&value| value >= first - reach && value <= third + reach);
    inside.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// The colour at a share in 0..=1 of the scale.
pub(super) fn color(share: f64) -> String {
    let place = share.clamp(0.0, 1.0) * (MAP.len() - 1) as f64;
    let pair = MAP.windows(2).enumerate().find(|(index, _)| place <= (index + 1) as f64);
    let Some((index, [from, to])) =
        pair.and_then(|(index, pair)| Some((index, <[_; 2]>::try_from(pair).ok()?)))
    else {
        return "none".to_owned();
    };
    let mix = |channel: usize| {
        let (a, b) = (from.get(channel).copied().unwrap_or(0.0), to.get(channel).copied().unwrap_or(0.0));
        (a + (b - a) * (place - index as f64)).round()
    };
    format!("rgb({},{},{})", mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quartiles 2 and 4 of five values, fences −1 and 7; with equal quartiles only equal values are inside.
    #[test]
    fn a_value_far_off_takes_no_colours_from_the_others() {
        assert_eq!(robust_range(&[3.0, 1.0, 2.0, 5.0, 4.0]), (1.0, 5.0));
        assert_eq!(robust_range(&[3.0, -90.0, 2.0, 5.0, 4.0]), (2.0, 5.0));
        assert_eq!(robust_range(&[2.0, 2.0]), (2.0, 2.0));
        assert_eq!(robust_range(&[]), (0.0, 0.0));
    }

    #[test]
    fn colors_run_through_the_map() {
        assert_eq!(color(0.0), "rgb(68,1,84)");
        assert_eq!(color(0.5), "rgb(33,145,140)");
        assert_eq!(color(1.0), "rgb(253,231,37)");
        // Half of the way between the first two: (68 + 59) / 2, (1 + 82) / 2, (84 + 139) / 2.
        assert_eq!(color(0.125), "rgb(64,42,112)");
    }
}
