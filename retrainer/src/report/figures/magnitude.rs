//! Logits Magnitude and Regularized Standard Deviation over the classes, head to tail.

use super::{
    Figure, FigureInput, FigureKind,
    axes::{Grid, Scale, legend},
    input::{series, smooth},
};
use crate::metrics::PerClass;
use shared::Shot;

pub(super) const FIGURE_2A: FigureKind = FigureKind {
    name: "fig2a",
    about: "Logits Magnitude over classes, head to tail, per method",
    build: |input| {
        over_classes(input, "fig2a", "Logits Magnitude over classes", "M", |per_class| {
            &per_class.logits_magnitude
        })
    },
};

pub(super) const FIGURE_2B: FigureKind = FigureKind {
    name: "fig2b",
    about: "Regularized Standard Deviation of the positives over classes, head to tail, per method",
    build: |input| {
        over_classes(input, "fig2b", "Regularized Standard Deviation over classes", "R", |per_class| {
            &per_class.regularized_std_pos
        })
    },
};

fn over_classes(
    input: &FigureInput<'_>,
    name: &'static str,
    title: &str,
    symbol: &str,
    column: fn(&PerClass) -> &Vec<Option<f32>>,
) -> Option<Figure> {
    let classes = input.head_to_tail()?;
    let methods: Vec<_> = input
        .methods()
        .into_iter()
        .map(|method| (method.heading(), method.column(column)))
        .filter(|(_, values)| values.iter().any(Option::is_some))
        .collect();
    if methods.is_empty() {
        return None;
    }
    let grid = Grid { columns: 4, width: 170.0, height: 110.0 };
    let above = 24.0;
    let mut svg = grid.drawing(methods.len(), above);
    legend(&mut svg, &Shot::ALL.map(|shot| (series(shot), shot.name())));
    for (index, (heading, values)) in methods.iter().enumerate() {
        let points: Vec<_> = classes
            .iter()
            .enumerate()
            .filter_map(|(place, &(class, count))| {
                let value = values.get(class.index()).copied().flatten()?;
                Some((place as f64, value, class, count))
            })
            .collect();
        let y = Scale::linear(points.iter().map(|point| point.1).chain([0.0]), 4);
        let x = Scale::tight(0.0, (classes.len() - 1) as f64, 4);
        let panel = grid.panel(index, above, x, y);
        let (x_label, y_label) = (
            if index + grid.columns >= methods.len() { "class, head to tail" } else { "" },
            if index % grid.columns == 0 { symbol } else { "" },
        );
        panel.frame(&mut svg, heading, x_label, y_label);
        for &(place, value, class, count) in &points {
            let shot = Shot::of(count);
            let tip = format!("class {class} ({count} training samples): {symbol} = {value:.3}");
            svg.circle(&format!("faint s{}", series(shot)), panel.at(place, value), 2.0, &tip);
        }
        let smoothed = smooth(&points.iter().map(|point| point.1).collect::<Vec<_>>());
        let line: Vec<_> = points.iter().zip(smoothed).map(|(point, y)| panel.at(point.0, y)).collect();
        svg.path("line s4", &line);
    }
    let caption = format!(
        "{title} from the class with most training samples to that with fewest; a panel for each method with its \
         accuracy in percent, in increasing order; points are classes, the line is their moving mean; after the last epoch; {}",
        input.how()
    );
    Some(Figure { name, title: title.to_owned(), svg: svg.finish(name, title, &caption), caption })
}
