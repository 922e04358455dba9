//! Accuracy of every class against its number of training samples.

use super::{
    Figure, FigureInput, FigureKind,
    axes::{Grid, Scale, legend},
    input::{series, smooth},
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
    let grid = Grid { columns: 4, width: 170.0, height: 150.0 };
    let above = 24.0;
    let mut svg = grid.drawing(panels.len(), above);
    legend(&mut svg, &Shot::ALL.map(|shot| (series(shot), shot.name())));
    for (index, (_, heading, accuracy)) in panels.iter().enumerate() {
        let (low, high) = (fewest as f64, most as f64);
        let panel = grid.panel(index, above, Scale::logarithmic(low, high), Scale::tight(0.0, 100.0, 5));
        panel.frame(
            &mut svg,
            heading,
            "training samples of the class",
            if index % grid.columns == 0 { "accuracy, %" } else { "" },
        );
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
            svg.circle(&dot, panel.at(count as f64, percent), 2.6, &tip);
        }
        let smoothed = smooth(&points.iter().map(|point| point.2).collect::<Vec<_>>());
        let line: Vec<_> =
            points.iter().zip(smoothed).map(|(point, y)| panel.at(point.1 as f64, y)).collect();
        svg.path("line s4", &line);
    }
    let title = "Accuracy of a class against its training samples";
    svg.foot(&input.foot());
    let caption = format!(
        "Each point is a class, the line their moving mean; {}; means over the seeds; {}",
        input.state(),
        input.how(panels.iter().map(|&(row, ..)| row))
    );
    let svg = svg.finish("class-size", title, &caption);
    Some(Figure { name: "class-size", title: title.to_owned(), svg, caption })
}
