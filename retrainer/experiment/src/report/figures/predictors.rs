//! What predicts accuracy: balance of the weight norms or balance of the Logits Magnitude.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::MethodDetail,
    labels,
    panels::{Grid, Panel, Panels, XLabels},
    svg::Svg,
};
use crate::{
    metrics::PerClass,
    statistics::{Summary, pearson, spearman},
};

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "predictors",
    about: "accuracy of each method against the imbalance of its weight norms and of its Logits Magnitude",
    build: predictors,
};

/// Mean over the seeds of the spread of a per-class number, as in tables: classes of a mean over seeds would differ less.
fn mean_spread(method: &MethodDetail<'_>, column: fn(&PerClass) -> &Vec<Option<f32>>) -> Option<f64> {
    let of_seed = |seed: &&PerClass| {
        let values: Vec<Option<f64>> = column(seed).iter().map(|value| value.map(f64::from)).collect();
        spread(&values)
    };
    let spreads: Vec<f64> = method.per_class.iter().filter_map(of_seed).collect();
    Summary::of(&spreads).map(|summary| summary.mean)
}

/// Population standard deviation over |mean| of the classes' values.
fn spread(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let n = known.len() as f64;
    let mean = known.iter().sum::<f64>() / n;
    let variance = known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    Some(variance.sqrt() / mean.abs()).filter(|spread| spread.is_finite())
}

/// A dot for each method: its spread, its accuracy in percent, its name.
fn draw(svg: &mut Svg, panel: &Panel, methods: &[(f64, f64, &str)]) {
    let place = |&(spread, percent, method): &(f64, f64, _)| {
        let (x, y) = panel.at(spread, percent);
        (x, y, method)
    };
    let dots: Vec<_> = methods.iter().map(place).collect();
    for (&(x, y, method), (spread, percent, _)) in dots.iter().zip(methods) {
        let tip = format!("{method}: spread {spread:.3}, accuracy {percent:.2} %");
        svg.circle("dot s0", (x, y), 4.0, &tip);
    }
    // A name without a place is left to the tip.
    let names = labels::place(&dots, panel.left, panel.right());
    for ((_, _, method), place) in dots.iter().zip(names) {
        if let Some((x, y, anchor)) = place {
            svg.text("muted", (x, y + 4.0), anchor, method);
        }
    }
}

fn predictors(input: &FigureInput<'_>) -> Option<Figure> {
    let methods = input.methods();
    let points: Vec<_> = methods
        .iter()
        .filter_map(|method| {
            let norms = mean_spread(method, |per_class| &per_class.weight_norm)?;
            let magnitudes = mean_spread(method, |per_class| &per_class.logits_magnitude)?;
            Some((method.row, [norms, magnitudes], 100.0 * method.top1))
        })
        .collect();
    // A correlation of two points is ±1 whatever they are.
    if points.len() < 3 {
        return None;
    }
    let grid = Grid { columns: 2, width: 330.0, height: 240.0, x_labels: XLabels::Every };
    let mut drawing = Panels::new(grid, 2, &[]);
    let accuracies: Vec<f64> = points.iter().map(|point| point.2).collect();
    let mut found = Vec::new();
    for (index, name) in ["weight norm", "Logits Magnitude"].into_iter().enumerate() {
        let place = |spreads: &[f64; 2]| spreads.get(index).copied().unwrap_or_default();
        let xs: Vec<f64> = points.iter().map(|point| place(&point.1)).collect();
        let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let (r, rho) = (text(pearson(&xs, &accuracies)), text(spearman(&xs, &accuracies)));
        found.push(format!("{name}: Pearson {r}, Spearman {rho}"));
        let panel = drawing.panel(
            index,
            &format!("{name}:  r = {r}, ρ = {rho}"),
            (
                &format!("spread of the {name} over classes (0 is balanced)"),
                Scale::linear(xs.iter().copied().chain([0.0]), 5),
            ),
            ("accuracy, %", Scale::linear(accuracies.iter().copied(), 5)),
        );
        let dots =
            xs.iter().zip(&points).map(|(&spread, (row, _, percent))| (spread, *percent, row.method()));
        draw(&mut drawing.svg, &panel, &dots.collect::<Vec<_>>());
    }
    let title = "Predictors of accuracy: balance of weight norms and of Logits Magnitude";
    drawing.svg.foot(&input.foot());
    let caption = format!(
        "Each point is a method; spread is the standard deviation over classes divided by the mean, its mean over seeds; {}; n = {} methods; {}; {}",
        found.join("; "),
        points.len(),
        input.state(),
        input.how(points.iter().map(|&(row, ..)| row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_deviation_over_mean() {
        // Mean 2, population variance 2/3.
        let spread = spread(&[Some(1.0), None, Some(2.0), Some(3.0)]).unwrap();
        assert!((spread - (2.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert_eq!(super::spread(&[None]), None);
    }
}
