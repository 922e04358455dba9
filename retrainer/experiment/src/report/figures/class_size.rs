//! Accuracy of every class against its number of training samples.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::{groups, series, smooth},
    panels::{Grid, Panels, XLabels},
};
use cache::Shot;

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "class-size",
    about: "accuracy of every class against its number of training samples",
    build: class_size,
};

fn class_size(input: &FigureInput<'_>) -> Option<Figure> {
    let classes = input.head_to_tail()?;
    let (most, fewest) = (classes.first()?.1, classes.last()?.1.max(1));
    let panels: Vec<_> = input
        .featured()
        .into_iter()
        .map(|method| (method.row, method.heading(), method.column(|per_class| &per_class.accuracy)))
        .filter(|(.., accuracy)| accuracy.iter().any(Option::is_some))
        .collect();
    if panels.is_empty() || most <= fewest {
        return None;
    }
    let grid = Grid { columns: 4, width: 170.0, height: 150.0, x_labels: XLabels::Every };
    let mut drawing = Panels::new(grid, panels.len(), &groups());
    for (index, (_, heading, accuracy)) in panels.iter().enumerate() {
        let (low, high) = (fewest as f64, most as f64);
        let x = ("training samples of the class", Scale::logarithmic(low, high));
        let panel = drawing.panel(index, heading, x, ("accuracy, %", Scale::tight(0.0, 100.0, 5)));
        let points: Vec<_> = classes
            .iter()
            .filter(|(_, count)| *count > 0)
            .filter_map(|&(class, count)| {
                Some((class, count, 100.0 * accuracy.get(class.index()).copied().flatten()?))
            })
            .collect();
        for &(class, count, percent) in &points {
            let tip = format!("class {class} ({count} training samples): {percent:.1} %");
            let dot = format!("faint s{}", series(Shot::of(count)));
            drawing.svg.circle(&dot, panel.at(count as f64, percent), 2.6, &tip);
        }
        let smoothed = smooth(&points.iter().map(|point| point.2).collect::<Vec<_>>());
        let line: Vec<_> =
            points.iter().zip(smoothed).map(|(point, y)| panel.at(point.1 as f64, y)).collect();
        drawing.svg.path("line s4", &line);
    }
    let title = "Accuracy of a class against its training samples";
    drawing.svg.foot(&input.foot());
    let caption = format!(
        "Each point is a class, the line their moving mean; {}; means over the seeds; {}",
        input.state(),
        input.how(panels.iter().map(|&(row, ..)| row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}
