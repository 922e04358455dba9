//! Results beside the numbers of the paper's Table 1.

use super::{
    TableKind,
    benchmark::{Benchmark, OtherGroups},
    columns::{Columns, best_of_n_shown},
    notes::{self, common_params},
    paper::{Beside, PAPER, beside},
    results::Results,
    table::{Show, Table},
};
use crate::{
    metrics::{Metric, TOP1},
    select::Selected,
};
use cache::Shot;

pub(super) const TABLE: TableKind = TableKind {
    name: "table1",
    about: "results beside Table 1 of the paper (CIFAR100-LT, imbalance ratio 100)",
    on_page: true,
    build: |results| results.iter().map(table1).collect(),
};

const GROUPS: [(Metric, &str, Option<Shot>); 4] = [
    (TOP1.all, "all", None),
    (TOP1.many, "many", Some(Shot::Many)),
    (TOP1.medium, "medium", Some(Shot::Medium)),
    (TOP1.few, "few", Some(Shot::Few)),
];

fn table1(results: &Results) -> Table {
    let rows = beside(results, &PAPER.table1, |_| true);
    // Its numbers say nothing beside other data, and those of its groups nothing beside other groups.
    let (paper_s_data, other_groups) = (Benchmark::is_cifar100_lt(results), OtherGroups::of(results));
    let words = if paper_s_data { "beside" } else { "the methods of" };
    let mut table = Table::new(format!("{}, {words} Table 1 of the paper", results.title()), rows.len());
    let beside_paper = |show| if paper_s_data { show } else { Show::Data };
    let mut columns = Columns::of(&mut table, &rows);
    columns.words("title", "method", Show::Always, |row| row.paper.title.clone());
    columns.words("method", "name", Show::Wide(3), |row| row.paper.method.clone());
    columns.words("formulation", "formulation", Show::Wide(2), |row| row.paper.formulation.clone());
    for (metric, group, shot) in GROUPS {
        let percent = |row: &Beside<'_>| row.paper.percent(group).filter(|_| paper_s_data);
        columns.paper(metric, group, beside_paper(Show::Wide(1)), percent);
        columns.metric(metric, group, Show::Always);
        // The paper's groups, where ours are of other classes.
        let other = other_groups.zip(shot);
        let title = if other.is_some() { "difference (paper's classes)" } else { "difference" };
        columns.difference(metric, title, beside_paper(Show::Wide(5)), percent, |own| match other {
            None => own.summary(metric),
            Some((groups, shot)) => groups.on_the_papers(own, shot),
        });
    }
    columns.best_of_n(best_of_n_shown(results.protocol));
    columns.origin();
    let shown = results.shown();
    table.notes = notes::reading(results, &shown, &common_params(&shown));
    table.cautions = notes::cautions(results, &shown);
    if paper_s_data {
        table.notes.push(
            "paper: best of five trials, best epoch by test accuracy, its own backbone; its re-sampling row repeats the \
             vanilla one"
                .to_owned(),
        );
        let own: Vec<&Selected> = rows.iter().filter_map(|row| row.own).collect();
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
        report::{Cell, Style, markdown},
    };

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
            let row = PAPER.table1.iter().position(|paper| paper.method == method).unwrap();
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
