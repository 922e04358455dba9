//! Results beside the numbers of the paper's Table 2 that stand for methods of this program.

use super::{
    TableKind,
    benchmark::Benchmark,
    leaderboard::{best_of_n_column, run_ids, seeds},
    notes::{self, common_params},
    results::Results,
    table::{Cell, Column, Show, Table},
    table1::difference,
};
use crate::{
    metrics::{TOP1, Unit},
    select::Selected,
};

pub(super) const TABLE: TableKind = TableKind {
    name: "table2",
    about: "results beside Table 2 of the paper, on the data set and imbalance ratio of the cache",
    build: |results| results.iter().map(table2).collect(),
};

/// A row of the paper: accuracies in percent on CIFAR100-LT with imbalance ratio 100, 50 and 10, ImageNet-LT, iNaturalist 2018.
struct Published {
    method: &'static str,
    title: &'static str,
    top1: [Option<f64>; 5],
}

const fn published(method: &'static str, title: &'static str, top1: [Option<f64>; 5]) -> Published {
    Published { method, title, top1 }
}

/// # Source
/// Table 2 of the paper. The baselines are what their own papers report, with their own backbones and often trained as a
/// whole; a row here re-trains a head on the features of the cache.
const PAPER: [Published; 12] = [
    published("stage1", "CE", [Some(38.3), Some(43.8), Some(55.7), Some(44.4), Some(61.7)]),
    published("focal", "Focal", [Some(38.4), Some(44.3), Some(55.7), Some(30.5), Some(61.1)]),
    published("ldam-drw", "LDAM-DRW", [Some(42.0), Some(46.6), Some(58.7), Some(48.8), None]),
    published("crt", "cRT", [None, None, None, Some(49.6), Some(65.2)]),
    published("tau-norm", "τ-norm", [Some(47.7), Some(52.5), Some(63.8), Some(49.4), Some(65.6)]),
    published("cb-ce", "CB-CE", [Some(39.6), Some(45.3), Some(58.0), Some(33.2), Some(54.0)]),
    published("balanced-softmax", "BALMS", [Some(50.8), None, Some(63.0), Some(50.9), Some(67.2)]),
    published(
        "logit-adjusted-loss",
        "Logit Adjustment",
        [Some(42.0), Some(47.0), Some(57.7), Some(51.1), Some(69.4)],
    ),
    published("disalign", "DisAlign", [None, None, None, Some(52.9), Some(70.6)]),
    published("cb-bce-softmax", "LTWB", [Some(53.4), Some(57.7), Some(68.7), Some(53.9), Some(70.2)]),
    published("area", "AREA", [Some(48.8), Some(51.8), Some(60.1), Some(49.5), Some(68.4)]),
    published("lort", "LORT", [Some(54.9), Some(58.8), Some(69.7), Some(54.4), Some(70.8)]),
];

/// Rows that the paper has no number for on these data, and that head re-training alone shows.
const OWN: [Published; 2] =
    [published("ce", "CE, head re-trained", [None; 5]), published("lws", "LWS", [None; 5])];

fn table2(results: &Results) -> Table {
    let rows = results.shown();
    let benchmark = Benchmark::of(results);
    let paper = |row: &Published| row.top1.get(benchmark?.place).copied().flatten();
    let pairs: Vec<(&Published, Option<&Selected>)> = PAPER
        .iter()
        .chain(&OWN)
        .flat_map(|published| {
            let own: Vec<_> =
                rows.iter().filter(|row| row.method() == published.method).map(|&row| Some(row)).collect();
            let nothing = own.is_empty() && paper(published).is_some();
            own.into_iter().chain(nothing.then_some(None)).map(move |row| (published, row))
        })
        .collect();
    let beside = benchmark.map_or("no benchmark of the paper", |benchmark| benchmark.name);
    let title = format!("{}, beside Table 2 of the paper ({beside})", results.title());
    let mut table = Table::new(title, pairs.len());
    let mut push = |column, cell: &dyn Fn(&Published, Option<&Selected>) -> Cell| {
        table.push(column, pairs.iter().map(|&(paper, own)| cell(paper, own)));
    };
    push(Column::text("title", "method", Show::Always), &|row, _| Cell::Text(row.title.to_owned()));
    push(Column::text("method", "name", Show::Wide(3)), &|row, _| Cell::Text(row.method.to_owned()));
    // Beside other data there is nothing to compare with.
    let beside_paper = |show| if benchmark.is_some() { show } else { Show::Data };
    push(
        Column::number("paper.top1.all", "all (paper)", Unit::Fraction, beside_paper(Show::Always)),
        &|row, _| Cell::or_missing(paper(row), |percent| Cell::Number(percent / 100.0)),
    );
    for (metric, title) in
        [(TOP1.all, "all"), (TOP1.many, "many"), (TOP1.medium, "medium"), (TOP1.few, "few")]
    {
        push(Column::metric(metric, title, Show::Always), &|_, own| {
            Cell::or_missing(own.and_then(|own| own.summary(metric)), Cell::Summary)
        });
        if metric == TOP1.all {
            let show = beside_paper(Show::Wide(1));
            let column = Column::number("difference.top1.all", "difference", Unit::Fraction, show);
            push(column, &|row, own| difference(paper(row), own.and_then(|own| own.summary(metric))));
            push(best_of_n_column(results.protocol), &|_, own| {
                Cell::or_missing(own.and_then(|own| own.summary(metric)), |summary| Cell::Number(summary.max))
            });
        }
    }
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
    table.notes = notes::reading(results, &rows, &common_params(&rows));
    table.notes.push(
        "paper: what the methods' own papers report, on their own backbones, best epoch by test accuracy; \
         CE is its network trained as a whole, here the stage-1 head"
            .to_owned(),
    );
    table.notes.push(
        "LTWB: here its class-balanced loss alone, on the features of the cache, without MaxNorm".to_owned(),
    );
    table.cautions = notes::cautions(results, &rows);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        methods::Method,
        records::testing::{record, stored},
    };

    #[test]
    fn every_row_is_a_method_of_the_program() {
        for row in PAPER.iter().chain(&OWN) {
            assert!(Method::find(row.method).is_ok(), "{}", row.method);
        }
    }

    #[test]
    fn the_gains_over_ltwb_are_those_that_the_paper_names() {
        let row = |method: &str| PAPER.iter().find(|row| row.method == method).unwrap().top1;
        let gains: Vec<String> = row("lort")
            .iter()
            .zip(row("cb-bce-softmax"))
            .map(|(lort, ltwb)| format!("{:.1}", lort.unwrap() - ltwb.unwrap()))
            .collect();
        assert_eq!(gains, ["1.5", "1.1", "1.0", "0.5", "0.6"]);
    }

    #[test]
    fn without_a_known_cache_only_own_rows_are_there() {
        let runs = stored(&[record("lort", "{}", 0, 0.5), record("ncm", "{}", 0, 0.4)]);
        let table = table2(&Results::of(&runs, None, None, &[]).unwrap()[0]);
        assert_eq!(table.rows.len(), 1);
        assert!(table.title.ends_with("(no benchmark of the paper)"), "{}", table.title);
    }
}
