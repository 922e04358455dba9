//! The numbers that the paper prints, from `paper.toml`, and rows that stand beside them.

use super::{columns::Row, results::Results};
use crate::select::Selected;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::LazyLock};

/// The tables of the paper.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paper {
    pub(super) table1: Vec<Published>,
    pub(super) table2: Vec<Published>,
    pub(super) table3: Vec<Published>,
}

/// A row of the paper.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    /// Name of the method here; empty where nothing of it is left for a head on frozen features.
    #[serde(default)]
    pub(super) method: String,
    /// Its name there.
    pub(super) title: String,
    /// Its formula there, where the table has some.
    #[serde(default)]
    pub(super) formulation: String,
    /// What is not the same here, or why there is no result.
    #[serde(default)]
    pub(super) differs: String,
    /// Accuracies in percent, by group of classes, by data set or by stage-1 loss.
    pub(super) top1: BTreeMap<String, f64>,
}

impl Published {
    /// The accuracy under that heading.
    pub(super) fn percent(&self, of: &str) -> Option<f64> {
        self.top1.get(of).copied()
    }
}

pub(super) static PAPER: LazyLock<Paper> =
    LazyLock::new(|| match toml::from_str(include_str!("paper.toml")) {
        Ok(paper) => paper,
        Err(error) => unreachable!("`paper.toml` is part of the program, and a test reads it: {error}"),
    });

/// A row of the paper with a result of its method.
pub(super) struct Beside<'a> {
    pub(super) results: &'a Results,
    pub(super) paper: &'static Published,
    pub(super) own: Option<&'a Selected>,
}

impl Row for Beside<'_> {
    fn results(&self) -> &Results {
        self.results
    }

    fn own(&self) -> Option<&Selected> {
        self.own
    }
}

/// The rows of the paper with the results of their methods: without a choice of hyper-parameters a method has a row for each
/// grid point, and the paper's number stands beside all. Of methods without result those that `stays`.
pub(super) fn beside<'a>(
    results: &'a Results,
    published: &'static [Published],
    stays: impl Fn(&Published) -> bool,
) -> Vec<Beside<'a>> {
    let shown = results.shown();
    let rows = published.iter().flat_map(|paper| {
        let own: Vec<_> =
            shown.iter().copied().filter(|row| row.method() == paper.method).map(Some).collect();
        let alone = (own.is_empty() && stays(paper)).then_some(None);
        own.into_iter().chain(alone).map(move |own| Beside { results, paper, own })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{methods::Method, report::benchmark::Benchmark};

    #[test]
    fn every_row_is_a_method_of_the_program_and_every_heading_is_known() {
        let datasets: Vec<_> = Benchmark::ALL.iter().map(|benchmark| benchmark.key).collect();
        for (rows, headings) in [
            (&PAPER.table1, vec!["all", "many", "medium", "few"]),
            (&PAPER.table2, datasets),
            (&PAPER.table3, vec!["ce", "ce-drw", "ldam-drw", "bs"]),
        ] {
            for row in rows {
                let nothing_here = row.method.is_empty() && row.differs.starts_with("not here: ");
                assert!(nothing_here || Method::find(&row.method).is_ok(), "{}", row.method);
                assert!(row.top1.keys().all(|heading| headings.contains(&heading.as_str())), "{row:?}");
            }
        }
    }

    #[test]
    fn the_groups_of_the_paper_make_its_overall_accuracy() {
        // 35 many, 35 medium, 30 few of 100 classes; all numbers are rounded to two digits.
        let mut rows = 0;
        for row in &PAPER.table1 {
            let [all, many, medium, few] = ["all", "many", "medium", "few"].map(|group| row.percent(group));
            if let (Some(all), Some(many), Some(medium), Some(few)) = (all, many, medium, few) {
                let mean = 0.35 * many + 0.35 * medium + 0.30 * few;
                assert!((mean - all).abs() < 0.011, "{}: {mean} is not {all}", row.title);
                rows += 1;
            }
        }
        assert_eq!(rows, 11);
    }

    fn differences(rows: &[Published], method: &str, other: &str, headings: &[&str]) -> Vec<String> {
        let row = |method: &str| rows.iter().find(|row| row.method == method).unwrap();
        let percent = |method: &str, heading: &str| row(method).percent(heading).unwrap();
        let difference = |heading: &&str| percent(method, heading) - percent(other, heading);
        headings.iter().map(|heading| format!("{:.2}", difference(heading))).collect()
    }

    #[test]
    fn the_gains_over_ltwb_are_those_that_the_paper_names() {
        let datasets = Benchmark::ALL.map(|benchmark| benchmark.key);
        let gains = differences(&PAPER.table2, "lort", "cb-bce-softmax", &datasets);
        assert_eq!(gains, ["1.50", "1.10", "1.00", "0.50", "0.60"]);
    }

    #[test]
    fn the_papers_gain_of_lort_on_bs_is_not_the_printed_one() {
        assert_eq!(differences(&PAPER.table3, "lort", "stage1", &["bs"]), ["1.18"]);
    }
}
