//! The leaderboard: every result of a cache, best first.

use super::{
    TableKind,
    columns::{Columns, Row, best_of_n_shown},
    notes::{self, common_params},
    results::Results,
    table::{Cell, Column, Gain, Show, Table},
};
use crate::{
    metrics::{LOGITS_MAGNITUDE, MAGNITUDE_SPREAD, METRICS, Metric, TOP1, Unit},
    protocol::{Key, Score},
    records::{PRECISION, Params, REVISION},
    select::Selected,
};

pub(super) const TABLE: TableKind = TableKind {
    name: "leaderboard",
    about: "every result of a cache, best first",
    on_page: true,
    build: |results| results.iter().map(leaderboard).collect(),
};

/// Metrics that people see, with their headings; programs see all of [`METRICS`].
const SHOWN: [(Metric, &str, Show); 6] = [
    (TOP1.all, "all", Show::Always),
    (TOP1.many, "many", Show::Always),
    (TOP1.medium, "medium", Show::Always),
    (TOP1.few, "few", Show::Always),
    (LOGITS_MAGNITUDE.all, "magnitude", Show::Wide(5)),
    (MAGNITUDE_SPREAD, "spread", Show::Wide(6)),
];

/// A result in its place.
struct Ranked<'a> {
    results: &'a Results,
    rank: usize,
    own: &'a Selected,
    gain: Option<Gain>,
}

impl Row for Ranked<'_> {
    fn results(&self) -> &Results {
        self.results
    }

    fn own(&self) -> Option<&Selected> {
        Some(self.own)
    }
}

fn leaderboard(results: &Results) -> Table {
    let (shown, gains) = (results.shown(), results.gains());
    let gain = |own: &Selected| {
        let place = results.selected.iter().position(|other| std::ptr::eq(other, own));
        place.and_then(|place| gains.get(place).copied().flatten())
    };
    let rows: Vec<_> =
        (1..).zip(&shown).map(|(rank, own)| Ranked { results, rank, own, gain: gain(own) }).collect();
    let common = common_params(&shown);
    let some_rounded = shown.iter().any(|row| row.params().get(PRECISION).is_some());
    let mut table = Table::new(results.title(), rows.len());
    let mut columns = Columns::of(&mut table, &rows);
    columns.words("cache", "cache", Show::Data, |_| results.cache.clone());
    columns.cache_key();
    columns.push(Column::number("rank", "#", Unit::Plain, Show::Always), |row| Cell::Count(row.rank));
    columns.words("method", "method", Show::Always, |row| row.own.method().to_owned());
    columns.own(Column::text("params", "hyper-parameters", Show::Wide(3)), |own| {
        params(own, &common, some_rounded)
    });
    columns.select();
    columns.seed_counts(Show::Wide(1));
    columns.own(Column::number("n_diverged", "diverged", Unit::Plain, Show::Data), |own| {
        Cell::Count(own.diverged())
    });
    for &metric in METRICS {
        let shown = SHOWN.iter().find(|(shown, ..)| *shown == metric);
        let (title, show) = shown.map_or((metric.name, Show::Data), |&(_, title, show)| (title, show));
        let replaced = results.by_size.is_some() && TOP1.each().contains(&metric) && metric != TOP1.all;
        columns.metric(metric, title, if replaced { Show::Data } else { show });
        if metric == TOP1.few {
            for group in results.by_size.iter().flatten().chain(&results.sets) {
                columns.group(group);
            }
            let show = if results.baseline().is_some() { Show::Wide(2) } else { Show::Data };
            columns.push(Column::number("gain", "gain", Unit::Fraction, show), |row| {
                Cell::or_missing(row.gain, Cell::Gain)
            });
            columns.best_of_n(best_of_n_shown(results.protocol));
        }
    }
    let interval = |own: &Selected| own.summary(TOP1.all).and_then(|summary| summary.half_width_95());
    columns.number("interval_95", "95% ±", Unit::Fraction, Show::Wide(7), interval);
    let by = results.protocol.val_score();
    let (title, unit) = match by {
        Score::Top1 => ("val", Unit::Fraction),
        Score::Nll => ("val NLL", Unit::Nats),
        Score::MacroF1 => ("val macro-F1", Unit::Fraction),
        Score::Few => ("val few", Unit::Fraction),
    };
    columns.number(by.key(), title, unit, Show::Data, Selected::val);
    columns.number("seconds_per_head", "s/head", Unit::Plain, Show::Wide(4), Selected::seconds);
    columns.runs();
    table.notes = notes::reading(results, &shown, &common);
    table.notes.extend(notes::gain(results, &gains));
    table.cautions = notes::cautions(results, &shown);
    table.cautions.extend(results.evidence.problems.iter().cloned());
    table
}

/// What is the row's own; beside rows of another precision, f32 too, which is not written in records.
fn params(row: &Selected, common: &Params, some_rounded: bool) -> Cell {
    // An older revision stands in the name of the method.
    let own =
        row.params().iter().filter(|&(name, value)| name != REVISION && common.get(name) != Some(value));
    let mut shown: Params = own.map(|(name, value)| (name, value.clone())).collect();
    if some_rounded && row.params().get(PRECISION).is_none() {
        shown = shown.with(PRECISION, "f32".into());
    }
    Cell::Params { shown, all: row.params().clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{
            RunRecord,
            testing::{diverged, record, stored, validated},
        },
        report::{ReportError, Style, markdown},
        select::Protocol,
    };

    fn tables(records: &[RunRecord], protocol: Option<Protocol>, methods: &[&str]) -> Vec<Table> {
        let methods: Vec<_> = methods.iter().map(|&name| name.to_owned()).collect();
        Results::of(&stored(records), protocol, None, &methods).unwrap().iter().map(leaderboard).collect()
    }

    fn text(records: &[RunRecord], protocol: Option<Protocol>) -> String {
        (markdown::FORMAT.render)(&tables(records, protocol, &[]), Style::default()).unwrap()
    }

    /// Three seeds of a validated point, each a point better on test; the untrained head has no spread.
    fn point(method: &str, params: &str, val: f64, top1: f64) -> [RunRecord; 3] {
        let step = if method == "stage1" { 0.0 } else { 0.01 };
        [0, 1, 2].map(|seed| validated(method, params, seed, val, top1 + step * seed as f64))
    }

    fn sweep() -> Vec<RunRecord> {
        let (low, high) = (r#"{"lr":0.1,"epochs":20}"#, r#"{"lr":1.0,"epochs":20}"#);
        let mut records = point("stage1", "{}", 0.3, 0.3).to_vec();
        records.extend(point("ce", low, 0.35, 0.4));
        records.extend(point("ce", high, 0.33, 0.9));
        records.extend(point("lort", high, 0.5, 0.45));
        records.extend(point("lort", low, 0.4, 0.5));
        records.extend([0, 1].map(|seed| diverged("focal", high, seed)));
        records
    }

    #[test]
    fn rows_of_two_precisions_each_say_theirs() {
        let bf16 = r#"{"precision":"bf16"}"#;
        let both = ["ce", "lort"]
            .map(|method| [validated(method, bf16, 0, 0.5, 0.5), validated(method, "{}", 0, 0.5, 0.25)]);
        let page = text(&both.concat(), Some(Protocol::Val));
        assert!(!page.contains("unless a row says otherwise"), "{page}");
        assert_eq!(page.matches("precision=bf16").count(), 2, "{page}");
        assert_eq!(page.matches("precision=f32").count(), 2, "{page}");
        let rounded = text(&both.map(|[rounded, _]| rounded), Some(Protocol::Val));
        assert!(rounded.contains("unless a row says otherwise: precision=bf16"), "{rounded}");
    }

    #[test]
    fn a_run_under_a_second_id_is_left_out_and_said() {
        let again = RunRecord { run_id: "0".repeat(32), ..record("ce", "{}", 0, 0.75) };
        let page = text(&[record("ce", "{}", 0, 0.25), again], Some(Protocol::Last));
        assert!(page.contains("1 run of `ce` left out: another run has the same cache"), "{page}");
    }

    #[test]
    fn val_has_a_row_for_each_method_with_gains_cautions_and_common_parameters_said_once() {
        insta::assert_snapshot!(text(&sweep(), None), @r"
        ### caches/cifar100-lt (0123456789ab), select val

        | # | method | hyper-parameters | seeds | all | many | medium | few | gain | magnitude | spread | 95% ± | s/head |
        | --: | :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
        | 1 | lort | lr=1 | 3 | **46.00 ± 1.00** | **46.00 ± 1.00** | **46.00 ± 1.00** | **46.00 ± 1.00** | +16.00 | - | - | 2.48 | 0.500 |
        | 2 | ce | lr=0.1 | 3 | 41.00 ± 1.00 | 41.00 ± 1.00 | 41.00 ± 1.00 | 41.00 ± 1.00 | +11.00 | - | - | 2.48 | 0.500 |
        | 3 | stage1 |  | 3 | 30.00 ± 0.00 | 30.00 ± 0.00 | 30.00 ± 0.00 | 30.00 ± 0.00 | - | - | - | 0.00 | 0.500 |
        | 4 | focal | lr=1 | diverged | - | - | - | - | - | - | - | - | - |

        - select val: epoch and hyper-parameters chosen by validation accuracy; test seen once
        - accuracies in percent, mean ± standard deviation over 3 seeds; many > 100, medium 20 to 100, few < 20 training samples per class
        - unless a row says otherwise: epochs=20
        - gain: difference to `stage1` in percentage points; none is marked: these runs do not record which test images they have right, so chance over images is unknown
        - **caution:** `lort`: selected lr=1 is the largest of 2 values, the best may lie beyond: widen the grid
        - **caution:** `ce`: selected lr=0.1 is the smallest of 2 values, the best may lie beyond: widen the grid
        - **caution:** 1 of 4 rows have seeds that diverged; their means are over the seeds that did not
        ");
    }

    #[test]
    fn best_on_test_is_labelled_and_shows_the_best_of_n() {
        let records = [record("ce", "{}", 0, 0.5), record("ce", "{}", 1, 0.7), record("lort", "{}", 0, 0.6)];
        insta::assert_snapshot!(text(&records, Some(Protocol::BestOnTest)), @r"
        ### caches/cifar100-lt (0123456789ab), select best-on-test

        | # | method | hyper-parameters | seeds | all | many | medium | few | gain | best of n | magnitude | spread | 95% ± | s/head |
        | --: | :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
        | 1 | ce |  | 2 | **60.00 ± 14.14** | **60.00 ± 14.14** | **60.00 ± 14.14** | **60.00 ± 14.14** | - | 70.00 | - | - | 127.06 | 0.500 |
        | 2 | lort |  | 1 | **60.00** | **60.00** | **60.00** | **60.00** | +0.00 | 60.00 | - | - | - | 0.500 |

        - select best-on-test: epoch and hyper-parameters chosen by TEST accuracy (the usual published protocol, optimistic)
        - accuracies in percent, mean ± standard deviation over 1 to 2 seeds; many > 100, medium 20 to 100, few < 20 training samples per class
        - gain: difference to `ce` in percentage points; none is marked: these runs do not record which test images they have right, so chance over images is unknown
        ");
    }

    #[test]
    fn last_has_a_row_for_each_point_and_takes_no_baseline_among_several() {
        let records = [
            record("ce", r#"{"lr":1}"#, 0, 0.5),
            record("ce", r#"{"lr":2}"#, 0, 0.7),
            record("lort", "{}", 0, 0.6),
        ];
        let table = tables(&records, None, &[]).remove(0);
        assert_eq!(table.rows.len(), 3);
        assert!(
            table.notes.iter().any(|note| note.starts_with("no gain: `ce` has 2 results")),
            "{:?}",
            table.notes
        );
    }

    #[test]
    fn a_single_method_shows_what_is_its_own_and_says_general_settings_once() {
        let text = |method, json| text(&[record(method, json, 0, 0.5)], None);
        // Of a single row all is common, and still its column is not blank: at the published setting the learning rate stands there.
        assert!(text("ce", r#"{"lr":0.0005,"epochs":20}"#).contains("| ce | lr=5e-4 |"));
        let text = text("lort", r#"{"delta":0.9,"lr":0.1,"epochs":20}"#);
        assert!(text.contains("| lort | delta=0.9 lr=0.1 |"), "{text}");
        assert!(text.contains("unless a row says otherwise: epochs=20"), "{text}");
    }

    #[test]
    fn a_run_of_an_earlier_revision_stands_beside_todays_and_says_so() {
        let records = [
            validated("ncm", r#"{"distance":"l2"}"#, 0, 0.9, 0.5),
            validated("ncm", r#"{"distance":"l2","revision":2}"#, 0, 0.6, 0.6),
            validated("ncm", r#"{"distance":"cl2n"}"#, 0, 0.5, 0.4),
        ];
        let table = tables(&records, None, &[]).remove(0);
        let place = |key| table.columns.iter().position(|column| column.key == key).unwrap();
        let text = |row: &[Cell], key| row[place(key)].text(&table.columns[place(key)]);
        let rows: Vec<_> =
            table.rows.iter().map(|row| text(row, "method") + " " + &text(row, "top1.all")).collect();
        // Validation prefers the old run, but may choose among today's only.
        assert_eq!(rows, ["ncm 60.00", "ncm (revision 1) 50.00"]);
        assert!(
            table.cautions[0].starts_with("`ncm (revision 1)`: made by an earlier version"),
            "{:?}",
            table.cautions
        );
    }

    #[test]
    fn caches_are_kept_apart() {
        let mut other = record("ce", "{}", 0, 0.5);
        (other.run_id, other.cache_key, other.cache) =
            ("x".to_owned(), "fedcba".to_owned(), "caches/other".to_owned());
        let tables = tables(&[record("ce", "{}", 0, 0.6), other], None, &[]);
        assert_eq!(tables.iter().map(|table| table.rows.len()).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(tables[1].title, "caches/other (fedcba), select last");
    }

    #[test]
    fn a_filter_hides_rows_but_not_the_baseline() {
        let table = tables(&sweep(), None, &["lort"]).remove(0);
        assert_eq!(table.rows.len(), 1);
        let gain = table.columns.iter().position(|column| column.key == "gain").unwrap();
        let Cell::Gain(Gain { mean, chance, corrected }) = table.rows[0][gain] else {
            panic!("{:?}", table.rows[0])
        };
        assert!((mean - 0.16).abs() < 1e-12);
        assert_eq!((chance.images, corrected), (None, None), "these runs record no hits");
        // t = 0.16 / (0.01 / sqrt(3)) with two degrees of freedom: p = 1 − t / sqrt(2 + t²).
        let t = 16.0 * 3.0_f64.sqrt();
        assert!((chance.seeds.unwrap() - (1.0 - t / (2.0 + t * t).sqrt())).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_method_is_an_error_that_knows_a_near_one_and_makes_up_none() {
        let runs = ["balanced-softmax", "ce", "lort"].map(|method| record(method, "{}", 0, 0.5));
        let hint = |name: &str| {
            let error = Results::of(&stored(&runs), None, Some(name), &[]).unwrap_err();
            assert!(matches!(error, ReportError::UnknownMethod { .. }));
            files::Hint::hint(&error).unwrap()
        };
        let list = "there are runs of balanced-softmax, ce, lort";
        assert_eq!(hint("balanced-sofmax"), format!("did you mean `balanced-softmax`? {list}"));
        // Another name of a method is that method.
        assert_eq!(hint("los"), format!("did you mean `lort`? {list}"));
        for name in ["nope", "x", "tau-norm"] {
            assert_eq!(hint(name), format!("{list}; `retrainer methods` lists all methods"));
        }
    }
}
