//! Logits Magnitude and Regularized Standard Deviation over the classes, head to tail.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::{MethodDetail, groups, series, smooth},
    panels::{Grid, Panels, XLabels},
};
use crate::{metrics::PerClass, statistics::Summary};
use cache::{ClassCounts, ClassId, Shot};

pub(super) const FIGURE_2A: FigureKind = FigureKind {
    name: "fig2a",
    about: "Logits Magnitude over classes, head to tail, per method",
    build: |input| over_classes(input, FIGURE_2A.name, &MAGNITUDE),
};

pub(super) const FIGURE_2B: FigureKind = FigureKind {
    name: "fig2b",
    about: "Regularized Standard Deviation of the positives over classes, head to tail, per method",
    build: |input| over_classes(input, FIGURE_2B.name, &REGULARIZED_STD),
};

/// A per-class number with its words.
struct Quantity {
    title: &'static str,
    symbol: &'static str,
    column: fn(&PerClass) -> &Vec<Option<f32>>,
    /// What stands at the axis.
    axis: &'static str,
    /// Whether it is drawn over its mean over the classes of a method, so that all panels have one scale.
    relative: bool,
}

const MAGNITUDE: Quantity = Quantity {
    title: "Logits Magnitude over classes, divided by its mean",
    symbol: "M",
    column: |per_class| &per_class.logits_magnitude,
    axis: "M / mean",
    // It grows with the weights, and only its balance over classes counts.
    relative: true,
};

const REGULARIZED_STD: Quantity = Quantity {
    title: "Regularized Standard Deviation over classes",
    symbol: "R",
    column: |per_class| &per_class.regularized_std_pos,
    axis: "R",
    // That it hardly differs between methods is the paper's claim.
    relative: false,
};

impl Quantity {
    /// The value of each class as it is drawn.
    fn drawn(&self, method: &MethodDetail<'_>) -> Vec<Option<f64>> {
        let values = method.column(self.column);
        if self.relative { over_mean(&values) } else { values }
    }
}

/// Values divided by the mean of those that there are.
fn over_mean(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    values.iter().map(|value| value.map(|value| value / mean)).collect()
}

/// A class in a panel: its place from head to tail, its value, and what it is.
#[derive(Clone, Copy)]
struct Point {
    place: usize,
    value: f64,
    class: ClassId,
    count: u64,
}

fn over_classes(input: &FigureInput<'_>, name: &'static str, quantity: &Quantity) -> Option<Figure> {
    let (classes, class_counts) = (input.head_to_tail()?, input.class_counts?);
    let methods = input.methods();
    let points = |method: &MethodDetail<'_>| -> Vec<Point> {
        let values = quantity.drawn(method);
        let point = |(place, &(class, count)): (usize, &(ClassId, u64))| {
            let value = values.get(class.index()).copied().flatten()?;
            Some(Point { place, value, class, count })
        };
        classes.iter().enumerate().filter_map(point).collect()
    };
    let panels: Vec<_> = methods
        .iter()
        .map(|method| (method.row, method.heading(), points(method)))
        .filter(|(.., points)| !points.is_empty())
        .collect();
    if panels.is_empty() {
        return None;
    }
    let all: Vec<f64> = panels.iter().flat_map(|(.., points)| points).map(|point| point.value).collect();
    let scale = Scale::linear(middle(&all).into_iter().chain([0.0]), 4);
    let grid = Grid { columns: 4, width: 170.0, height: 110.0, x_labels: XLabels::Lowest };
    let mut drawing = Panels::new(grid, panels.len(), &groups());
    for (index, (_, heading, points)) in panels.iter().enumerate() {
        let x = Scale::tight(0.0, (classes.len() - 1) as f64, 4);
        let x = ("class, head to tail", x);
        let panel = drawing.panel(index, heading, x, (quantity.axis, scale.clone()));
        for &Point { place, value, class, count } in points {
            let dot = format!("faint s{}", series(Shot::of(count)));
            let tip = format!("class {class} ({count} training samples): {} = {value:.3}", quantity.axis);
            drawing.svg.circle(&dot, panel.inside(place as f64, value), 2.0, &tip);
        }
        let smoothed = smooth(&points.iter().map(|point| point.value).collect::<Vec<_>>());
        let line: Vec<_> =
            points.iter().zip(smoothed).map(|(point, y)| panel.inside(point.place as f64, y)).collect();
        drawing.svg.path("line s4", &line);
    }
    let Quantity { title, symbol, .. } = quantity;
    let scales = match all.iter().filter(|&&value| !scale.covers(value)).count() {
        0 => "all of one scale".to_owned(),
        beyond => format!("all of one scale, {beyond} points beyond it at its edge"),
    };
    let measured = measured(&methods, class_counts, quantity);
    drawing.svg.foot(&input.foot());
    let caption = format!(
        "{title} from the class with most training samples to that with fewest; a panel for each method with its \
         accuracy in percent, in increasing order, {scales}; points are classes, the line is their moving mean. \
         {symbol} {measured}; {}; {}",
        input.state(),
        input.how(panels.iter().map(|&(row, ..)| row))
    );
    Some(drawing.svg.figure(name, title, caption))
}

/// The values without the outermost hundredth on either side: a few classes whose M is near 0 have any R.
fn middle(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 100;
    sorted.get(cut..sorted.len() - cut).unwrap_or_default().to_vec()
}

/// What the paper claims of R, in numbers: how little it differs between methods, and how it grows from head to tail.
fn measured(methods: &[MethodDetail<'_>], class_counts: &ClassCounts, quantity: &Quantity) -> String {
    let own: Vec<Vec<Option<f64>>> = methods.iter().map(|method| method.column(quantity.column)).collect();
    let mean = |shot: Shot| {
        let values = class_counts.classes_of(shot).into_iter().flat_map(|class| {
            own.iter().filter_map(move |column| column.get(class.index()).copied().flatten())
        });
        Summary::of(&values.collect::<Vec<_>>())
            .map(|summary| format!("{:.2} of {} classes", summary.mean, shot.name()))
    };
    let groups: Vec<_> = Shot::ALL.into_iter().filter_map(mean).collect();
    let differ = between_methods(&own).map(|deviation| {
        // Of M the part that weights and scales of methods make is no difference of balance.
        let drawn: Vec<_> = methods.iter().map(|method| MAGNITUDE.drawn(method)).collect();
        let beside = between_methods(&drawn).map(|other| {
            let (is_own, other) = (quantity.relative, 100.0 * other);
            if is_own {
                format!(" ({other:.1} % where it is divided by its mean)")
            } else {
                format!(" ({}, divided by its mean, by {other:.1} %)", MAGNITUDE.symbol)
            }
        });
        format!(
            ", and differs between the {} methods by {:.1} %{}: standard deviation over the methods divided by their \
             mean, median over the classes",
            methods.len(),
            100.0 * deviation,
            beside.unwrap_or_default()
        )
    });
    format!("is on average {}{}", groups.join(", "), differ.unwrap_or_default())
}

/// Median over classes of the standard deviation over methods divided by |mean|, of classes that all methods have.
fn between_methods(columns: &[Vec<Option<f64>>]) -> Option<f64> {
    let classes = columns.iter().map(Vec::len).min()?;
    let deviation = |class: usize| {
        let values: Option<Vec<f64>> =
            columns.iter().map(|column| column.get(class).copied().flatten()).collect();
        let summary = Summary::of(&values?)?;
        Some(summary.std? / summary.mean.abs()).filter(|deviation| deviation.is_finite())
    };
    let mut deviations: Vec<f64> = (0..classes).filter_map(deviation).collect();
    deviations.sort_by(f64::total_cmp);
    let half = deviations.len() / 2;
    match deviations.len() % 2 {
        _ if deviations.is_empty() => None,
        0 => Some(f64::midpoint(*deviations.get(half - 1)?, *deviations.get(half)?)),
        _ => deviations.get(half).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_differ_by_the_median_over_classes_of_deviation_over_mean() {
        // Classes of (1, 3): √2 / 2; (2, 2): 0; (1, 1.5): 0.5/√2 / 1.25; the fourth has one method only.
        let columns =
            [vec![Some(1.0), Some(2.0), Some(1.0), Some(9.0)], vec![Some(3.0), Some(2.0), Some(1.5), None]];
        let expected = 0.5 / 2_f64.sqrt() / 1.25;
        assert!((between_methods(&columns).unwrap() - expected).abs() < 1e-12);
        // Of two classes the mean of both.
        let two = columns.each_ref().map(|column| column[..2].to_vec());
        assert!((between_methods(&two).unwrap() - 2_f64.sqrt() / 4.0).abs() < 1e-12);
        // One method has nothing to differ from.
        assert_eq!(between_methods(&columns[..1]), None);
    }

    #[test]
    fn a_hundredth_on_either_side_does_not_stretch_the_scale() {
        let values: Vec<f64> = (0..200).map(f64::from).rev().collect();
        assert_eq!(middle(&values), (2..198).map(f64::from).collect::<Vec<_>>());
        assert_eq!(middle(&[3.0, 1.0]), [1.0, 3.0]);
    }
}
