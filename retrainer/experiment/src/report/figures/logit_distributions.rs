//! Distributions of positive and negative logits, many against few, with fitted normals.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::MethodDetail,
    panels::{Grid, Panel, Panels, XLabels},
    svg::Svg,
};
use crate::metrics::{GroupHistograms, Histogram};
use cache::{ClassCounts, Shot};

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "fig1",
    about: "distributions of positive and negative logits with fitted normals, many against few",
    build: logit_distributions,
};

/// Series of positives and negatives, their words.
const KINDS: [(usize, &str); 2] =
    [(0, "positives: samples of the class"), (1, "negatives: all other samples")];

/// Mean and standard deviation of the mixture of the classes of a group, in equal shares.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Normal {
    mean: f64,
    std: f64,
}

impl Normal {
    fn of_classes(classes: &[(f64, f64)]) -> Option<Self> {
        let n = classes.len() as f64;
        let mean = classes.iter().map(|class| class.0).sum::<f64>() / n;
        let squares = classes.iter().map(|(mean, std)| std * std + mean * mean).sum::<f64>() / n;
        let std = (squares - mean * mean).max(0.0).sqrt();
        (std > 0.0).then_some(Self { mean, std })
    }

    fn density(self, x: f64) -> f64 {
        (-0.5 * ((x - self.mean) / self.std).powi(2)).exp() / (self.std * std::f64::consts::TAU.sqrt())
    }
}

/// Fitted normals of positives and negatives of a group.
fn fitted(method: &MethodDetail<'_>, class_counts: &ClassCounts, shot: Shot) -> [Option<Normal>; 2] {
    let means = method.column(|per_class| &per_class.positive_mean);
    let magnitudes = method.column(|per_class| &per_class.logits_magnitude);
    let (pos, neg) = (
        method.column(|per_class| &per_class.regularized_std_pos),
        method.column(|per_class| &per_class.regularized_std_neg),
    );
    let get = |column: &[Option<f64>], class: usize| column.get(class).copied().flatten();
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    for class in class_counts.classes_of(shot) {
        let class = class.index();
        let Some((mean, magnitude)) = get(&means, class).zip(get(&magnitudes, class)) else { continue };
        // σ = R·M
        positives.extend(get(&pos, class).map(|r| (mean, (r * magnitude).abs())));
        negatives.extend(get(&neg, class).map(|r| (mean - magnitude, (r * magnitude).abs())));
    }
    [Normal::of_classes(&positives), Normal::of_classes(&negatives)]
}

fn of(groups: &GroupHistograms, shot: Shot) -> Option<&Histogram> {
    match shot {
        Shot::Many => groups.many.as_ref(),
        Shot::Medium => groups.medium.as_ref(),
        Shot::Few => groups.few.as_ref(),
    }
}

fn logit_distributions(input: &FigureInput<'_>) -> Option<Figure> {
    let class_counts = input.class_counts.as_ref()?;
    let rows: Vec<_> = input
        .featured()
        .into_iter()
        .filter_map(|method| {
            let distributions = method.per_class.iter().find_map(|seed| seed.distributions.as_ref())?;
            let histograms = [Shot::Many, Shot::Few]
                .map(|shot| [of(&distributions.positive, shot), of(&distributions.negative, shot)]);
            Some((method, histograms))
        })
        .filter(|(_, histograms)| histograms.iter().flatten().any(Option::is_some))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let grid = Grid { columns: 2, width: 360.0, height: 120.0, x_labels: XLabels::Lowest };
    let mut drawing = Panels::new(grid, 2 * rows.len(), &KINDS);
    for (row, (method, histograms)) in rows.iter().enumerate() {
        let bins = || histograms.iter().flatten().flatten().flat_map(|histogram| visible(histogram));
        let x = Scale::linear(bins().map(|(middle, _)| middle), 6);
        for (column, (shot, kinds)) in [Shot::Many, Shot::Few].into_iter().zip(histograms).enumerate() {
            let normals = fitted(method, class_counts, shot);
            let peaks = normals.iter().flatten().map(|normal| normal.density(normal.mean));
            let y = Scale::linear(bins().map(|(_, density)| density).chain(peaks).chain([0.0]), 3);
            let heading = format!("{}, {} classes", method.heading(), shot.name());
            let x = ("logit of the class", x.clone());
            let panel = drawing.panel(2 * row + column, &heading, x, ("density", y));
            for ((histogram, normal), (series, _)) in kinds.iter().zip(normals).zip(KINDS) {
                draw(&mut drawing.svg, &panel, *histogram, normal, series, bins().map(|(middle, _)| middle));
            }
        }
    }
    let title = "Distributions of positive and negative logits, many against few";
    drawing.svg.foot(&input.foot());
    let caption = format!(
        "Logits z_k of samples of class k (positives) and of all other samples (negatives), pooled over the classes of a \
         group; areas are histograms of the first seed, lines are normals with the mean and deviation of the same \
         logits; {}; {}",
        input.state(),
        input.how(rows.iter().map(|(method, _)| method.row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}

/// Middles and densities of the bins without the outermost thousandth on either side.
fn visible(histogram: &Histogram) -> Vec<(f64, f64)> {
    let total = histogram.total() as f64;
    let mut below = 0.0;
    let inside = |count: u64, below: &mut f64| {
        let before = *below / total;
        *below += count as f64;
        *below / total >= 0.001 && before <= 0.999
    };
    histogram
        .density()
        .zip(&histogram.counts)
        .filter_map(|(bin, &count)| inside(count, &mut below).then_some(bin))
        .collect()
}

fn draw(
    svg: &mut Svg,
    panel: &Panel,
    histogram: Option<&Histogram>,
    normal: Option<Normal>,
    series: usize,
    range: impl Iterator<Item = f64>,
) {
    if let Some(histogram) = histogram {
        let half = histogram.width / 2.0;
        let steps: Vec<_> = visible(histogram)
            .into_iter()
            .flat_map(|(middle, density)| [(middle - half, density), (middle + half, density)])
            .collect();
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            let outline = [(first.0, 0.0)].into_iter().chain(steps.iter().copied()).chain([(last.0, 0.0)]);
            let outline: Vec<_> = outline.map(|(x, y)| panel.at(x, y)).collect();
            svg.area(&format!("band s{series}"), &outline);
        }
    }
    if let Some(normal) = normal {
        let (low, high) = range.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let place = |step: i32| low + (high - low) * f64::from(step) / 120.0;
        let curve: Vec<_> =
            (0..=120).map(|step| panel.at(place(step), normal.density(place(step)))).collect();
        svg.path(&format!("line s{series}"), &curve);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_of_two_classes_has_their_mean_and_both_kinds_of_spread() {
        // Means 0 and 2, deviations 1 and 1: variance 1 within and 1 between.
        let normal = Normal::of_classes(&[(0.0, 1.0), (2.0, 1.0)]).unwrap();
        assert!((normal.mean - 1.0).abs() < 1e-12 && (normal.std - 2_f64.sqrt()).abs() < 1e-12);
        assert_eq!(Normal::of_classes(&[]), None);
        assert_eq!(Normal::of_classes(&[(1.0, 0.0)]), None);
    }
}
