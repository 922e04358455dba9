//! Results beside the numbers of the paper's Table 1.

use super::{
    TableKind,
    leaderboard::{best_of_n_column, run_ids, seeds},
    notes::{self, common_params},
    results::Results,
    table::{Cell, Column, Show, Table},
};
use crate::{
    metrics::{Metric, Unit},
    select::Selected,
    statistics::Summary,
};

pub(super) const TABLE: TableKind = TableKind {
    name: "table1",
    about: "results beside Table 1 of the paper (CIFAR100-LT, imbalance ratio 100)",
    build: |results| results.iter().map(table1).collect(),
};

/// A row of the paper: its name and formula of a method, and the accuracies in percent of all, many, medium, few.
struct Published {
    method: &'static str,
    title: &'static str,
    formulation: &'static str,
    top1: [Option<f64>; 4],
}

const fn published(
    method: &'static str,
    title: &'static str,
    formulation: &'static str,
    [all, many, medium, few]: [f64; 4],
) -> Published {
    Published { method, title, formulation, top1: [Some(all), Some(many), Some(medium), Some(few)] }
}

/// # Source
/// Table 1 of the paper, best of five trials, best epoch by test accuracy, CIFAR100-LT with imbalance ratio 100. Its row of
/// re-sampling repeats that of the vanilla classifier digit for digit. The groups of its own method are not printed.
const PAPER: [Published; 12] = [
    published("stage1", "Vanilla FC", "g = w_k·f", [48.44, 78.74, 47.37, 14.33]),
    published("cosine", "Vanilla Cosine", "g = s w_k·f / (|w_k||f|)", [51.66, 77.77, 49.60, 23.60]),
    published("lws", "LWS", "g = s_k w_k·f, s_k learnable", [48.99, 78.51, 47.51, 16.26]),
    published("ldam", "LDAM", "g = w_k·f − 1{k=y} K n_k^(−1/4)", [52.94, 72.37, 54.31, 28.67]),
    published("balanced-softmax", "Balanced Softmax", "g = w_k·f + log n_k", [52.23, 77.63, 50.74, 24.33]),
    published("re-sampling", "Re-Sampling", "P(class k) ∝ n_k^q", [48.44, 78.74, 47.37, 14.33]),
    published("focal", "Focal", "ρ = (1 − p_y)^γ", [50.94, 78.00, 49.97, 20.50]),
    published(
        "cb-bce-softmax",
        "Class-Balanced",
        "ρ = (1 − β) / (1 − β^n_y), BCE",
        [54.30, 71.71, 51.25, 37.53],
    ),
    published("max-norm", "MaxNorm", "|w_k| ≤ δ", [51.64, 77.60, 49.37, 23.99]),
    published("tau-norm", "τ-normalized", "w_k·f / |w_k|^τ", [53.01, 74.74, 47.31, 34.30]),
    published("logit-adjustment", "Logit Adjustment", "w_k·f − τ log π_k", [52.45, 75.57, 47.71, 31.00]),
    Published {
        method: "lort",
        title: "LORT",
        formulation: "target 1 − δ + δ/C and δ/C",
        top1: [Some(54.9), None, None, None],
    },
];

/// Ours less the paper's, which is in percent.
pub(super) fn difference(paper: Option<f64>, ours: Option<Summary>) -> Cell {
    let both = paper.zip(ours);
    Cell::or_missing(both, |(paper, ours)| Cell::Difference(ours.mean - paper / 100.0))
}

const GROUPS: [(&str, &str); 4] =
    [("top1.all", "all"), ("top1.many", "many"), ("top1.medium", "medium"), ("top1.few", "few")];

fn table1(results: &Results) -> Table {
    let rows = results.shown();
    // Without a choice of hyper-parameters a method has a row for each grid point; the paper's number stands beside all.
    let pairs: Vec<(&Published, Option<&Selected>)> = PAPER
        .iter()
        .flat_map(|paper| {
            let own: Vec<_> =
                rows.iter().filter(|row| row.method() == paper.method).map(|&row| Some(row)).collect();
            let own = if own.is_empty() { vec![None] } else { own };
            own.into_iter().map(move |row| (paper, row))
        })
        .collect();
    let common = common_params(&rows);
    let mut table = Table::new(format!("{}, beside Table 1 of the paper", results.title()), pairs.len());
    let mut push = |column, cell: &dyn Fn(&Published, Option<&Selected>) -> Cell| {
        table.push(column, pairs.iter().map(|&(paper, own)| cell(paper, own)));
    };
    push(Column::text("title", "method", Show::Always), &|paper, _| Cell::Text(paper.title.to_owned()));
    push(Column::text("method", "name", Show::Wide(3)), &|paper, _| Cell::Text(paper.method.to_owned()));
    push(Column::text("formulation", "formulation", Show::Wide(2)), &|paper, _| {
        Cell::Text(paper.formulation.to_owned())
    });
    for (group, (key, title)) in GROUPS.into_iter().enumerate() {
        let name = format!("paper.{key}");
        let column = Column::number(&name, &format!("{title} (paper)"), Unit::Fraction, Show::Wide(1));
        push(column, &|paper, _| {
            let percent = paper.top1.get(group).copied().flatten();
            Cell::or_missing(percent, |percent| Cell::Number(percent / 100.0))
        });
        let Some(metric) = Metric::find(key) else { continue };
        push(Column::metric(metric, title, Show::Always), &|_, own| {
            Cell::or_missing(own.and_then(|own| own.summary(key)), Cell::Summary)
        });
        let name = format!("difference.{key}");
        push(Column::number(&name, "difference", Unit::Fraction, Show::Wide(5)), &|paper, own| {
            let percent = paper.top1.get(group).copied().flatten();
            difference(percent, own.and_then(|own| own.summary(key)))
        });
    }
    push(best_of_n_column(results.protocol), &|_, own| {
        Cell::or_missing(own.and_then(|own| own.summary("top1.all")), |summary| Cell::Number(summary.max))
    });
    push(Column::number("n_seeds", "seeds", Unit::Plain, Show::Wide(4)), &|_, own| {
        Cell::or_missing(own, |own| Cell::Seeds { finished: own.seeds().len(), diverged: own.diverged() })
    });
    push(Column::text("select", "select", Show::Data), &|_, _| Cell::Text(results.protocol.to_string()));
    push(Column::text("cache_key", "cache key", Show::Data), &|_, _| Cell::Text(results.cache_key.clone()));
    push(Column::text("params", "hyper-parameters", Show::Data), &|_, own| {
        Cell::or_missing(own, |own| Cell::Params { shown: own.params().clone(), all: own.params().clone() })
    });
    push(Column::text("seeds", "seeds", Show::Data), &|_, own| Cell::or_missing(own, seeds));
    push(Column::text("run_ids", "runs", Show::Data), &|_, own| Cell::or_missing(own, run_ids));
    table.notes = notes::reading(results, &rows, &common);
    table.cautions = notes::cautions(results, &rows);
    table.notes.push(
        "paper: best of five trials, best epoch by test accuracy, its own backbone; its re-sampling row repeats the vanilla one"
            .to_owned(),
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::testing::{record, stored},
        report::{Style, markdown},
    };

    #[test]
    fn the_groups_of_the_paper_make_its_overall_accuracy() {
        // 35 many, 35 medium, 30 few of 100 classes; all numbers are rounded to two digits.
        for row in &PAPER {
            if let [Some(all), Some(many), Some(medium), Some(few)] = row.top1 {
                let mean = 0.35 * many + 0.35 * medium + 0.30 * few;
                assert!((mean - all).abs() < 0.011, "{}: {mean} is not {all}", row.title);
            }
        }
    }

    #[test]
    fn ours_stand_beside_the_papers_and_missing_ones_are_dashes() {
        let runs = stored(&[
            record("lort", "{}", 0, 0.5),
            record("lort", "{}", 1, 0.52),
            record("ce", "{}", 1, 0.4),
        ]);
        let tables: Vec<_> = Results::of(&runs, None, None, &[]).unwrap().iter().map(table1).collect();
        let text = (markdown::FORMAT.render)(&tables, Style::default()).unwrap();
        let rows: Vec<_> = text
            .lines()
            .filter(|line| line.contains("lort") || line.contains("stage1") || line.contains("all"))
            .collect();
        insta::assert_snapshot!(rows.join("\n"), @"
        | method | name | formulation | all (paper) | all | difference | many (paper) | many | difference | medium (paper) | medium | difference | few (paper) | few | difference | seeds |
        | Vanilla FC | stage1 | g = w_k·f | 48.44 | - | - | 78.74 | - | - | 47.37 | - | - | 14.33 | - | - | - |
        | LORT | lort | target 1 − δ + δ/C and δ/C | 54.90 | 51.00 ± 1.41 | -3.90 | - | 51.00 ± 1.41 | - | - | 51.00 ± 1.41 | - | - | 51.00 ± 1.41 | - | 2 |
        ");
    }
}
