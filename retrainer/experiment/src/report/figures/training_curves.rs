//! Accuracy after each epoch of training.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::heading,
    panels::{Grid, Panel, Panels, XLabels},
    svg::Svg,
};
use crate::{
    metrics::TOP1,
    protocol::{Chooser, HeldOut, Score},
    records::RunRecord,
    select::{Protocol, Selected, curve},
    statistics::Summary,
};

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "training-curves",
    about: "accuracy after each epoch on validation and test split, per method",
    build: training_curves,
};

/// Series, word and name of a split.
const SPLITS: [(usize, &str, HeldOut); 2] = [(0, "validation", HeldOut::Val), (1, "test", HeldOut::Test)];

/// Accuracies of a run on a split.
fn scores(record: &RunRecord, split: HeldOut) -> &[f64] {
    curve(record, Chooser { split, score: Score::Top1 })
}

/// The curves of one method on both splits: percent after each epoch over the seeds.
struct Curves<'a> {
    row: &'a Selected,
    splits: [Vec<Summary>; 2],
    /// Epochs that the protocol chose: seed, epoch, and the place in percent on each split.
    chosen: Vec<(u64, u32, [Option<f64>; 2])>,
}

/// Mean and deviation after each epoch that any of the seeds has.
fn over_seeds(curves: &[&[f64]]) -> Vec<Summary> {
    let epochs = curves.iter().map(|curve| curve.len()).max().unwrap_or(0);
    let after = |epoch: usize| {
        let scores: Vec<f64> =
            curves.iter().filter_map(|curve| curve.get(epoch)).map(|score| 100.0 * score).collect();
        Summary::of(&scores)
    };
    (0..epochs).map_while(after).collect()
}

fn curves<'a>(input: &FigureInput<'a>, row: &'a Selected) -> Option<Curves<'a>> {
    let records: Vec<_> = input.records(row).collect();
    let splits = SPLITS.map(|(.., split)| {
        over_seeds(&records.iter().map(|(_, record)| scores(record, split)).collect::<Vec<_>>())
    });
    // One epoch is a point.
    if splits.iter().all(|split| split.len() < 2) {
        return None;
    }
    let chosen = records.iter().filter(|_| input.results.protocol != Protocol::Last).map(|(seed, record)| {
        let index = (seed.epoch as usize).checked_sub(1);
        let place = |scores: &[f64]| index.and_then(|index| scores.get(index)).map(|score| 100.0 * score);
        (seed.seed, seed.epoch, SPLITS.map(|(.., split)| place(scores(record, split))))
    });
    Some(Curves { row, splits, chosen: chosen.collect() })
}

fn training_curves(input: &FigureInput<'_>) -> Option<Figure> {
    let panels: Vec<_> = input.rows().into_iter().filter_map(|row| curves(input, row)).collect();
    if panels.is_empty() {
        return None;
    }
    let is_there = |split: usize| {
        panels.iter().any(|panel| panel.splits.get(split).is_some_and(|curve| !curve.is_empty()))
    };
    let names: Vec<_> = (0..)
        .zip(SPLITS)
        .filter(|&(split, _)| is_there(split))
        .map(|(_, (series, name, _))| (series, name))
        .collect();
    let grid = Grid { columns: 4, width: 170.0, height: 110.0, x_labels: XLabels::Lowest };
    let mut drawing = Panels::new(grid, panels.len(), &names);
    // One scale for all panels: heights compare.
    let means = panels.iter().flat_map(|panel| panel.splits.iter().flatten()).map(|summary| summary.mean);
    let y = Scale::linear(means, 4);
    for (index, curves) in panels.iter().enumerate() {
        let epochs = curves.splits.iter().map(Vec::len).max().unwrap_or(0);
        let top1 = curves.row.summary(TOP1.all).map(|summary| summary.mean);
        let (x, y) = (("epoch", Scale::tight(1.0, epochs as f64, 4)), ("accuracy, %", y.clone()));
        let panel = drawing.panel(index, &heading(curves.row.method(), top1), x, y);
        draw(&mut drawing.svg, &panel, curves);
    }
    let title = "Training curves";
    let marks = if panels.iter().any(|panel| !panel.chosen.is_empty()) {
        "; points mark the epoch that the protocol chose for each seed"
    } else {
        ""
    };
    let caption = format!(
        "Mean of per-class accuracies after each epoch of the selected grid point of each method, mean over the seeds, bands \
         are ± one standard deviation; a panel for each method with its test accuracy in percent, in increasing order, all of \
         one scale{marks}; {}",
        input.how(panels.iter().map(|panel| panel.row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}

/// The means of a method with their bands, and the epochs that the protocol chose.
fn draw(svg: &mut Svg, panel: &Panel, curves: &Curves<'_>) {
    for ((series, ..), curve) in SPLITS.into_iter().zip(&curves.splits).filter(|(_, curve)| !curve.is_empty())
    {
        let at = |place: usize, value: f64| panel.inside(place as f64 + 1.0, value);
        let std = |summary: &Summary| summary.std.unwrap_or(0.0);
        let points = || curve.iter().enumerate();
        let upper = points().map(|(place, summary)| at(place, summary.mean + std(summary)));
        let lower = points().rev().map(|(place, summary)| at(place, summary.mean - std(summary)));
        svg.area(&format!("band s{series}"), &upper.chain(lower).collect::<Vec<_>>());
        let line: Vec<_> = points().map(|(place, summary)| at(place, summary.mean)).collect();
        svg.path(&format!("thin s{series}"), &line);
    }
    for (seed, epoch, places) in &curves.chosen {
        for ((series, name, _), percent) in SPLITS.into_iter().zip(places) {
            let Some(percent) = percent else { continue };
            let tip = format!("{}, seed {seed}: epoch {epoch}, {name} {percent:.2} %", curves.row.method());
            svg.circle(&format!("faint s{series}"), panel.inside(f64::from(*epoch), *percent), 2.6, &tip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_averaged_epoch_by_epoch_over_the_seeds_that_have_it() {
        let curve = over_seeds(&[&[0.2, 0.4, 0.5], &[0.4, 0.6], &[]]);
        let means: Vec<_> = curve.iter().map(|summary| (summary.n, summary.mean.round())).collect();
        assert_eq!(means, [(2, 30.0), (2, 50.0), (1, 50.0)]);
        assert!(over_seeds(&[]).is_empty());
    }
}
