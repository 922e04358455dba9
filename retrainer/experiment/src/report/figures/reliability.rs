//! Reliability diagrams: accuracy against confidence.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    panels::{Grid, Panels, XLabels},
    svg::Anchor,
};
use crate::metrics::Reliability;

pub(super) const FIGURE: FigureKind =
    FigureKind { name: "reliability", about: "accuracy against confidence, 15 bins", build: reliability };

/// Samples, mean confidence and accuracy of each bin, over the seeds.
fn pooled(seeds: &[&Reliability]) -> Vec<(u64, f64, f64)> {
    let bins = seeds.iter().map(|seed| seed.count.len()).max().unwrap_or(0);
    (0..bins)
        .filter_map(|bin| {
            let at = |seed: &&Reliability| {
                Some((*seed.count.get(bin)?, *seed.confidence.get(bin)?, *seed.accuracy.get(bin)?))
            };
            let sums =
                seeds.iter().filter_map(at).fold((0, 0.0, 0.0), |sums, (count, confidence, accuracy)| {
                    let weight = count as f64;
                    (
                        sums.0 + count,
                        sums.1 + weight * f64::from(confidence),
                        sums.2 + weight * f64::from(accuracy),
                    )
                });
            (sums.0 > 0).then(|| (sums.0, sums.1 / sums.0 as f64, sums.2 / sums.0 as f64))
        })
        .collect()
}

fn reliability(input: &FigureInput<'_>) -> Option<Figure> {
    let panels: Vec<_> = input
        .featured()
        .into_iter()
        .filter_map(|method| {
            let seeds: Vec<_> = method
                .per_class
                .iter()
                .filter_map(|seed| seed.distributions.as_ref()?.reliability.as_ref())
                .collect();
            let bins = pooled(&seeds);
            (!bins.is_empty()).then(|| (method.row, method.heading(), bins))
        })
        .collect();
    if panels.is_empty() {
        return None;
    }
    let grid = Grid { columns: 4, width: 170.0, height: 170.0, x_labels: XLabels::Every };
    let mut drawing = Panels::new(grid, panels.len(), &[]);
    for (index, (_, heading, bins)) in panels.iter().enumerate() {
        let unit = Scale::tight(0.0, 1.0, 5);
        let total: u64 = bins.iter().map(|bin| bin.0).sum();
        let ece: f64 = bins.iter().map(|bin| bin.0 as f64 / total as f64 * (bin.2 - bin.1).abs()).sum();
        let panel = drawing.panel(index, heading, ("confidence", unit.clone()), ("accuracy", unit));
        drawing.svg.path("guide", &[panel.at(0.0, 0.0), panel.at(1.0, 1.0)]);
        // The heading has no room for it; heads are seldom so unsure and right that points lie in this corner.
        let corner = (panel.left + 6.0, panel.top + 14.0);
        drawing.svg.text("muted", corner, Anchor::Start, &format!("ECE {:.1} %", 100.0 * ece));
        for &(count, confidence, accuracy) in bins {
            let tip = format!("{count} samples: confidence {confidence:.3}, accuracy {accuracy:.3}");
            // The area of a point is its share of the samples.
            let radius = 2.0 + 9.0 * (count as f64 / total as f64).sqrt();
            drawing.svg.circle("faint s0", panel.at(confidence, accuracy), radius, &tip);
        }
        let line: Vec<_> = bins.iter().map(|bin| panel.at(bin.1, bin.2)).collect();
        drawing.svg.path("thin s0", &line);
    }
    let title = "Reliability: accuracy against confidence";
    drawing.svg.foot(&input.foot());
    let caption = format!(
        "15 equal bins of the largest probability, the size of a point shows its share of the test samples; on the dashed \
         line a head is calibrated, below it too sure; {}; {}",
        input.state(),
        input.how(panels.iter().map(|&(row, ..)| row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_seeds_are_weighted_by_their_samples() {
        let seed = |count: u64, confidence: f32, accuracy: f32| Reliability {
            count: vec![0, count],
            confidence: vec![0.0, confidence],
            accuracy: vec![0.0, accuracy],
        };
        assert_eq!(pooled(&[&seed(1, 0.5, 1.0), &seed(3, 0.75, 0.0)]), [(4, 0.6875, 0.25)]);
    }
}
