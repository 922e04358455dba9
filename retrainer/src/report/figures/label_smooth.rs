//! Accuracy of LORT against its label-smooth value.

use super::{
    Figure, FigureInput, FigureKind,
    axes::{Grid, Scale},
    input::{points_by, series},
    svg::Anchor,
};
use crate::{records::ParamText, statistics::Summary};
use serde_json::Value;
use shared::Shot;

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "fig4",
    about: "accuracy of LORT against its label-smooth value",
    build: label_smooth,
};

/// The label-smooth value that the paper uses for CIFAR100-LT.
pub(super) const PUBLISHED: f64 = 0.98;

/// Label-smooth values with the accuracies of one group.
type Line = Vec<(f64, Summary)>;

fn label_smooth(input: &FigureInput<'_>) -> Option<Figure> {
    let (points, fixed) = points_by(input, "lort", &["delta"], &[])?;
    let points: Vec<_> = points.into_iter().filter_map(|(key, row)| Some((*key.first()?, row))).collect();
    let (&(low, _), &(high, _)) = points.first().zip(points.last())?;
    // Three values make a curve; 1 itself is no label-smooth value.
    if points.len() < 3 || low < 0.0 || high >= 1.0 {
        return None;
    }
    let lines: Vec<(&str, usize, Line)> = [("all", 4)]
        .into_iter()
        .chain(Shot::ALL.map(|shot| (shot.name(), series(shot))))
        .map(|(group, series)| {
            let summary = |(delta, row): &(f64, crate::select::Selected)| {
                Some((*delta, row.summary(&format!("top1.{group}"))?))
            };
            (group, series, points.iter().filter_map(summary).collect())
        })
        .filter(|(_, _, line): &(_, _, Vec<_>)| !line.is_empty())
        .collect();
    let percents = lines.iter().flat_map(|(_, _, line)| line).map(|(_, summary)| 100.0 * summary.mean);
    let y = Scale::linear(percents, 6);
    // Equal factors of 1 − δ, so that the values near 1 do not fall together.
    let ticks = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
    let ticks = ticks.into_iter().filter(|&tick| tick >= low && tick <= high);
    let ticks = ticks.map(|tick| (tick, ParamText(&Value::from(tick)).to_string())).collect();
    let grid = Grid { columns: 1, width: 520.0, height: 260.0 };
    let mut svg = grid.drawing(1, 0.0);
    let mut panel = grid.panel(0, 0.0, Scale::mapped(|delta| -(1.0 - delta).log10(), low, high, ticks), y);
    panel.width -= 60.0;
    panel.frame(&mut svg, "LORT", "label-smooth value δ (scale of 1 − δ)", "accuracy, %");
    if (low..=high).contains(&PUBLISHED) {
        let (x, _) = panel.at(PUBLISHED, 0.0);
        svg.path("guide", &[(x, panel.top), (x, panel.bottom())]);
        svg.text("muted", (x - 4.0, panel.top - 8.0), Anchor::End, "published δ = 0.98");
    }
    let mut labels = Vec::new();
    for (group, series, line) in &lines {
        let at = |delta: f64, value: f64| panel.at(delta, 100.0 * value);
        let std = |summary: &Summary| summary.std.unwrap_or(0.0);
        let upper = line.iter().map(|(delta, summary)| at(*delta, summary.mean + std(summary)));
        let lower = line.iter().rev().map(|(delta, summary)| at(*delta, summary.mean - std(summary)));
        svg.area(&format!("band s{series}"), &upper.chain(lower).collect::<Vec<_>>());
        let means: Vec<_> = line.iter().map(|(delta, summary)| at(*delta, summary.mean)).collect();
        svg.path(&format!("line s{series}"), &means);
        for (&(delta, summary), &place) in line.iter().zip(&means) {
            let (mean, std) = (100.0 * summary.mean, 100.0 * std(&summary));
            let tip = format!("δ = {delta}, {group}: {mean:.2} ± {std:.2} over {} seeds", summary.n);
            svg.circle(&format!("dot s{series}"), place, 3.0, &tip);
        }
        labels.extend(means.last().map(|&(x, y)| (x + 8.0, y, *series, *group)));
    }
    // Lines that end close together keep their names apart.
    labels.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = f64::NEG_INFINITY;
    for (x, y, series, group) in labels {
        let y = y.max(free);
        svg.text(&format!("colored-text s{series}"), (x, y + 4.0), Anchor::Start, group);
        free = y + 13.0;
    }
    let title = "Accuracy against the label-smooth value of LORT";
    let caption = format!(
        "Means of per-class accuracies on the test split, bands are ± one standard deviation over seeds; {fixed}; {}",
        input.how()
    );
    Some(Figure { name: "fig4", title: title.to_owned(), svg: svg.finish("fig4", title, &caption), caption })
}
