//! Accuracy of LORT against its label-smooth value.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::series,
    panels::{Grid, Panel, Panels, XLabels},
    points::{points_by, span},
    svg::{Anchor, Svg},
};
use crate::{metrics::TOP1, records::ParamText, statistics::Summary};
use cache::Shot;
use serde_json::Value;

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
    let lines: Vec<(&str, usize, Line)> = [("all", 4, TOP1.all)]
        .into_iter()
        .chain(Shot::ALL.map(|shot| (shot.name(), series(shot), TOP1.of(shot))))
        .map(|(group, series, metric)| {
            let summary =
                |(delta, row): &(f64, crate::select::Selected)| Some((*delta, row.summary(metric)?));
            (group, series, points.iter().filter_map(summary).collect())
        })
        .filter(|(_, _, line): &(_, _, Vec<_>)| !line.is_empty())
        .collect();
    // Groups move ten times as far as all classes together, which have a panel of their own.
    let (all, groups): (Vec<_>, Vec<_>) = lines.iter().partition(|(group, ..)| *group == "all");
    let panels: Vec<_> = [("LORT, all classes", all), ("LORT, by training samples of the class", groups)]
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let grid = Grid { columns: 1, width: 520.0, height: 170.0, x_labels: XLabels::Every };
    let mut drawing = Panels::new(grid, panels.len(), &[]);
    for (index, (heading, lines)) in panels.iter().enumerate() {
        let percents = lines.iter().flat_map(|(_, _, line)| line).map(|(_, summary)| 100.0 * summary.mean);
        let mut panel = drawing.place(index, delta_axis(low, high), Scale::linear(percents, 5));
        panel.width -= 60.0;
        draw(&mut drawing.svg, &panel, heading, lines, (low..=high).contains(&PUBLISHED));
    }
    let title = "Accuracy against the label-smooth value of LORT";
    let caption = format!(
        "Means of per-class accuracies on the test split, bands are ± one standard deviation over seeds; over all classes \
         {}; {fixed}; {}",
        span(input, &points.iter().map(|(_, row)| row).collect::<Vec<_>>(), "values")?,
        input.how(points.iter().map(|(_, row)| row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}

/// Equal factors of 1 − δ, so that the values near 1 do not fall together.
fn delta_axis(low: f64, high: f64) -> Scale {
    let ticks = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
    let ticks = ticks.into_iter().filter(|&tick| tick >= low && tick <= high);
    let ticks = ticks.map(|tick| (tick, ParamText(&Value::from(tick)).to_string())).collect();
    Scale::mapped(|delta| -(1.0 - delta).log10(), low, high, ticks)
}

/// A panel with the lines of some groups; `published` marks the paper's value.
fn draw(svg: &mut Svg, panel: &Panel, heading: &str, lines: &[&(&str, usize, Line)], published: bool) {
    panel.frame(svg, heading, "label-smooth value δ (scale of 1 − δ)", "accuracy, %");
    if published {
        let (x, _) = panel.at(PUBLISHED, 0.0);
        svg.path("guide", &[(x, panel.top), (x, panel.bottom())]);
        svg.text("muted", (x - 4.0, panel.top - 8.0), Anchor::End, "published δ = 0.98");
    }
    let mut labels = Vec::new();
    for (group, series, line) in lines {
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
}
