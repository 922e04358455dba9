//! Results beside the numbers of the paper's Table 1.

use super::{
    TableKind,
    benchmark::{Benchmark, OtherGroups},
    leaderboard::{best_of_n_column, run_ids, seeds},
    notes::{self, common_params},
    results::Results,
    table::{Cell, Column, Show, Table},
};
use crate::{
    metrics::{Metric, TOP1, Unit},
    select::Selected,
    statistics::Summary,
};
use cache::Shot;

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

const GROUPS: [(Metric, &str, Option<Shot>); 4] = [
    (TOP1.all, "all", None),
    (TOP1.many, "many", Some(Shot::Many)),
    (TOP1.medium, "medium", Some(Shot::Medium)),
    (TOP1.few, "few", Some(Shot::Few)),
];

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
    // Its numbers say nothing beside other data, and those of its groups nothing beside other groups.
    let (paper_s_data, other_groups) = (Benchmark::is_cifar100_lt(results), OtherGroups::of(results));
    let beside = if paper_s_data { "beside" } else { "the methods of" };
    let mut table = Table::new(format!("{}, {beside} Table 1 of the paper", results.title()), pairs.len());
    let beside_paper = |show| if paper_s_data { show } else { Show::Data };
    let percent =
        |paper: &Published, group: usize| paper.top1.get(group).copied().flatten().filter(|_| paper_s_data);
    let mut push = |column, cell: &dyn Fn(&Published, Option<&Selected>) -> Cell| {
        table.push(column, pairs.iter().map(|&(paper, own)| cell(paper, own)));
    };
    push(Column::text("title", "method", Show::Always), &|paper, _| Cell::Text(paper.title.to_owned()));
    push(Column::text("method", "name", Show::Wide(3)), &|paper, _| Cell::Text(paper.method.to_owned()));
    push(Column::text("formulation", "formulation", Show::Wide(2)), &|paper, _| {
        Cell::Text(paper.formulation.to_owned())
    });
    for (group, (metric, title, shot)) in GROUPS.into_iter().enumerate() {
        let name = format!("paper.{}", metric.name);
        let show = beside_paper(Show::Wide(1));
        let column = Column::number(&name, &format!("{title} (paper)"), Unit::Fraction, show);
        push(column, &|paper, _| {
            Cell::or_missing(percent(paper, group), |percent| Cell::Number(percent / 100.0))
        });
        push(Column::metric(metric, title, Show::Always), &|_, own| {
            Cell::or_missing(own.and_then(|own| own.summary(metric)), Cell::Summary)
        });
        let name = format!("difference.{}", metric.name);
        // The paper's groups, where ours are of other classes.
        let other = other_groups.zip(shot);
        let title = if other.is_some() { "difference (paper's classes)" } else { "difference" };
        let column = Column::number(&name, title, Unit::Fraction, beside_paper(Show::Wide(5)));
        push(column, &|paper, own| {
            let ours = |own: &Selected| match other {
                None => own.summary(metric),
                Some((groups, shot)) => groups.on_the_papers(own, shot),
            };
            difference(percent(paper, group), own.and_then(ours))
        });
    }
    push(best_of_n_column(results.protocol), &|_, own| {
        Cell::or_missing(own.and_then(|own| own.summary(TOP1.all)), |summary| Cell::Number(summary.max))
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
    if paper_s_data {
        table.notes.push(
            "paper: best of five trials, best epoch by test accuracy, its own backbone; its re-sampling row repeats the \
             vanilla one"
                .to_owned(),
        );
        let own: Vec<&Selected> = pairs.iter().filter_map(|&(_, own)| own).collect();
        table.notes.extend(other_groups.map(|groups| groups.note(&own)));
    } else {
        table.notes.push(
            "the paper's numbers are of CIFAR100-LT with imbalance ratio 100 and not shown beside other data"
                .to_owned(),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{
            CacheSummary, RunRecord, RunStore, RunWriter,
            testing::{record, stored, with_hits},
        },
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

    /// Results of two methods; on a cache with such class counts, where there are any.
    fn results(cache: Option<(&str, Vec<u64>)>) -> Results {
        let runs = stored(&[
            record("lort", "{}", 0, 0.5),
            record("lort", "{}", 1, 0.52),
            record("stage1", "{}", 0, 0.4),
        ]);
        let mut results = Results::of(&runs, None, None, &[]).unwrap().remove(0);
        results.summary = cache.map(|(name, counts)| CacheSummary::testing(name, counts));
        results
    }

    fn text(results: &Results) -> String {
        let text = (markdown::FORMAT.render)(&[table1(results)], Style::default()).unwrap();
        let wanted = ["lort", "stage1", "all", "paper", "no difference"];
        let rows: Vec<_> =
            text.lines().filter(|line| wanted.iter().any(|word| line.contains(word))).collect();
        rows.join("\n")
    }

    /// CIFAR100-LT with this many images of the largest class, counts cut or rounded.
    fn cifar100(n_max: f64, whole: fn(f64) -> f64) -> (&'static str, Vec<u64>) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts up to 500")]
        let count = |k: u32| whole(n_max * 0.01_f64.powf(f64::from(k) / 99.0)) as u64;
        ("cifar100", (0..100).map(count).collect())
    }

    #[test]
    fn ours_stand_beside_the_papers_on_its_data_and_missing_ones_are_dashes() {
        insta::assert_snapshot!(text(&results(Some(cifar100(500.0, f64::trunc)))), @"
        ### cifar100, imbalance ratio 100, none (0123456789ab), select last, beside Table 1 of the paper
        | method | name | formulation | all (paper) | all | difference | many (paper) | many | difference | medium (paper) | medium | difference | few (paper) | few | difference | seeds |
        | Vanilla FC | stage1 | g = w_k·f | 48.44 | 40.00 | -8.44 | 78.74 | 40.00 | -38.74 | 47.37 | 40.00 | -7.37 | 14.33 | 40.00 | +25.67 | 1 |
        | LORT | lort | target 1 − δ + δ/C and δ/C | 54.90 | **51.00 ± 1.41** | -3.90 | - | **51.00 ± 1.41** | - | - | **51.00 ± 1.41** | - | - | **51.00 ± 1.41** | - | 2 |
        - paper: best of five trials, best epoch by test accuracy, its own backbone; its re-sampling row repeats the vanilla one
        ");
    }

    #[test]
    fn groups_of_other_classes_have_no_difference_without_the_accuracy_of_each_class() {
        insta::assert_snapshot!(text(&results(Some(cifar100(480.0, f64::round)))), @"
        ### cifar100, imbalance ratio 96, none (0123456789ab), select last, beside Table 1 of the paper
        | method | name | formulation | all (paper) | all | difference | many (paper) | many | difference (paper's classes) | medium (paper) | medium | difference (paper's classes) | few (paper) | few | difference (paper's classes) | seeds |
        | Vanilla FC | stage1 | g = w_k·f | 48.44 | 40.00 | -8.44 | 78.74 | 40.00 | - | 47.37 | 40.00 | - | 14.33 | 40.00 | - | 1 |
        | LORT | lort | target 1 − δ + δ/C and δ/C | 54.90 | **51.00 ± 1.41** | -3.90 | - | **51.00 ± 1.41** | - | - | **51.00 ± 1.41** | - | - | **51.00 ± 1.41** | - | 2 |
        - paper: best of five trials, best epoch by test accuracy, its own backbone; its re-sampling row repeats the vanilla one
        - no difference of groups: many, medium and few are 34, 35, 31 classes here and 35, 35, 30 in the paper
        ");
    }

    /// A run that has all samples of the first `right` classes right, in the state that `last` shows.
    fn detailed(method: &str, seed: u64, right: u32) -> RunRecord {
        let hits: Vec<bool> = (0..1000).map(|sample| sample % 100 < right).collect();
        with_hits(method, seed, 20, 100, &hits)
    }

    #[test]
    fn groups_of_other_classes_are_compared_on_the_papers_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(folder.path()).unwrap();
        // A seed of `focal` keeps no accuracies of classes.
        let records = [
            detailed("stage1", 0, 35),
            detailed("ldam", 0, 71),
            detailed("ldam", 1, 73),
            detailed("focal", 0, 35),
            record("focal", "{}", 1, 0.5),
        ];
        for record in &records {
            writer.append(record).unwrap();
        }
        writer.finish().unwrap();
        let store = RunStore::open(folder.path()).unwrap();
        let mut results = Results::of_store(&store, None, None, &[]).unwrap().remove(0);
        let (name, counts) = cifar100(480.0, f64::round);
        results.summary = Some(CacheSummary::testing(name, counts.clone()));
        let table = table1(&results);
        // In hundredths of a percentage point.
        let of = |method: &str, key: &str| {
            let row = PAPER.iter().position(|paper| paper.method == method).unwrap();
            let place = table.columns.iter().position(|column| column.key == key).unwrap();
            match &table.rows[row][place] {
                Cell::Difference(difference) => Some((1e4 * difference).round()),
                Cell::Missing => None,
                other => panic!("{other:?}"),
            }
        };
        // 35 of the paper's 35 many classes; of the 34 here all, and one of the medium ones.
        assert_eq!(of("stage1", "difference.top1.many"), Some(2126.0));
        assert_eq!(of("stage1", "difference.top1.medium"), Some(-4737.0));
        // Classes 70 and 70 to 72 of its 30 few: 2/30 in the mean.
        assert_eq!(of("ldam", "difference.top1.few"), Some(-2200.0));
        assert_eq!(of("focal", "difference.top1.many"), None);
        assert!(
            table.notes.iter().any(|note| note.contains("35, 35, 30 many") && note.contains("; none where"))
        );
        // Classes in another order are not the paper's, whatever their sizes.
        results.summary = Some(CacheSummary::testing(name, counts.into_iter().rev().collect()));
        let table = table1(&results);
        assert!(table.notes.iter().any(|note| note.starts_with("no difference of groups")));
    }

    #[test]
    fn the_papers_numbers_do_not_stand_beside_other_data() {
        insta::assert_snapshot!(text(&results(None)), @"
        ### caches/cifar100-lt (0123456789ab), select last, the methods of Table 1 of the paper
        | method | name | formulation | all | many | medium | few | seeds |
        | Vanilla FC | stage1 | g = w_k·f | 40.00 | 40.00 | 40.00 | 40.00 | 1 |
        | LORT | lort | target 1 − δ + δ/C and δ/C | **51.00 ± 1.41** | **51.00 ± 1.41** | **51.00 ± 1.41** | **51.00 ± 1.41** | 2 |
        - the paper's numbers are of CIFAR100-LT with imbalance ratio 100 and not shown beside other data
        ");
        let other = text(&results(Some(("imagenet-lt", vec![1280, 100, 5]))));
        assert!(!other.contains("(paper)") && !other.contains("48.44"), "{other}");
    }
}
