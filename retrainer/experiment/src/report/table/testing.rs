//! A table for tests of formats.

use super::*;
use crate::metrics::{BALANCED_ERROR, LOGITS_MAGNITUDE, TOP1};

/// Three rows with every kind of cell: a good one, one with text that formats must escape, one without result.
pub(in crate::report) fn table() -> Table {
    let mut table = Table::new("caches/demo (c0ffee), select val".to_owned(), 3);
    let summary = |values: &[f64]| Cell::or_missing(Summary::of(values), Cell::Summary);
    let params = |json: &str| {
        let all: Params = serde_json::from_str(json).unwrap();
        Cell::Params {
            shown: all.iter().filter(|(name, _)| *name != "epochs").map(|(n, v)| (n, v.clone())).collect(),
            all,
        }
    };
    let text = |text: &str| Cell::Text(text.to_owned());
    table.push(Column::text("method", "method", Show::Always), ["lort", "a|b, \"c\"", "ce"].map(text));
    let points = [
        r#"{"delta":0.98,"lr":0.0005,"epochs":20}"#,
        r#"{"threshold":"inf","epochs":20}"#,
        r#"{"epochs":20}"#,
    ];
    table.push(Column::text("params", "hyper-parameters", Show::Wide(1)), points.map(params));
    let seeds = [(3, 0), (1, 2), (0, 3)].map(|(finished, diverged)| Cell::Seeds { finished, diverged });
    table.push(Column::number("n_seeds", "seeds", Unit::Plain, Show::Wide(2)), seeds);
    let top1 = [summary(&[0.53, 0.54, 0.55]), summary(&[0.5]), Cell::Missing];
    table.push(Column::metric(TOP1.all, "all", Show::Always), top1);
    let error = [summary(&[0.47, 0.46, 0.45]), summary(&[0.4]), Cell::Missing];
    table.push(Column::metric(BALANCED_ERROR, "error", Show::Data), error);
    let magnitude = [summary(&[1.5, 1.25]), summary(&[0.05]), Cell::Missing];
    table.push(Column::metric(LOGITS_MAGNITUDE.all, "magnitude", Show::Wide(3)), magnitude);
    let gain = [(0.054, Some(0.01), Some(0.03)), (-0.001, None, None)].map(|(mean, seeds, corrected)| {
        let chance = Chance { seeds, images: seeds, untrained: false };
        Cell::Gain(Gain { mean, chance, corrected })
    });
    table.push(Column::number("gain", "gain", Unit::Fraction, Show::Wide(2)), gain);
    let ids = ["aa bb", "cc", ""].map(|ids| Cell::List(ids.split_whitespace().map(str::to_owned).collect()));
    table.push(Column::text("run_ids", "runs", Show::Data), ids);
    table.notes = vec!["select val: chosen by validation accuracy".to_owned()];
    table.cautions = vec!["1 of 3 rows has no result".to_owned()];
    table
}
