//! Backbones and methods beside the paper's Table 3: what re-training the head gains on each backbone.

use super::{
    TableKind,
    benchmark::Benchmark,
    leaderboard::{run_ids, seeds},
    notes,
    results::{Results, gains},
    table::{Cell, Column, Show, Table},
    table1::difference,
};
use crate::{
    metrics::{TOP1, Unit},
    records::CacheSummary,
    select::Selected,
};

pub(super) const TABLE: TableKind = TableKind {
    name: "table3",
    about: "backbones and methods beside Table 3 of the paper, with gains over the stage-1 head",
    build: |results| if results.is_empty() { Vec::new() } else { vec![table3(results)] },
};

/// Methods and their names in the paper.
const METHODS: [(&str, &str); 7] = [
    ("stage1", "Vanilla"),
    ("ce", "CE"),
    ("focal", "Focal"),
    ("ldam", "LDAM"),
    ("balanced-softmax", "BS"),
    ("cb-bce-softmax", "CB-BCE"),
    ("lort", "LORT"),
];

/// Stage-1 loss and accuracies in percent, in the order of [`METHODS`].
///
/// # Source
/// Table 3 of the paper, CIFAR100-LT with imbalance ratio 100. It prints a gain of 1.28 for LORT on BS, where its own
/// numbers differ by 1.18; the other gains are the differences of its numbers.
const PAPER: [(&str, [f64; 7]); 4] = [
    ("ce", [41.59, 41.67, 44.18, 43.87, 45.03, 45.01, 45.18]),
    ("ce-drw", [42.38, 42.38, 42.55, 42.41, 44.27, 44.39, 44.88]),
    ("ldam-drw", [44.43, 44.45, 44.58, 44.47, 45.34, 45.52, 45.86]),
    ("bs", [45.90, 45.91, 46.04, 45.90, 46.81, 46.76, 47.08]),
];

/// One method on one backbone.
struct Row<'a> {
    results: &'a Results,
    backbone: String,
    title: &'static str,
    own: &'a Selected,
    vanilla: Option<&'a Selected>,
    /// The paper's accuracy and its gain over the vanilla head, in percent.
    paper: Option<(f64, f64)>,
}

fn table3(results: &[Results]) -> Table {
    // Backbones in the order of the paper, others after them as they come.
    let mut ordered: Vec<&Results> = results.iter().collect();
    ordered.sort_by_key(|results| {
        let loss = results.summary.as_ref().and_then(CacheSummary::stage1_loss);
        PAPER.iter().position(|(known, _)| Some(*known) == loss).unwrap_or(PAPER.len())
    });
    let rows: Vec<Row<'_>> = ordered.iter().copied().flat_map(rows).collect();
    let protocols: Vec<String> = results.iter().map(|results| results.protocol.to_string()).collect();
    let protocol = protocols.first().filter(|first| protocols.iter().all(|other| other == *first));
    let select = protocol.map_or("select differs by cache", String::as_str);
    let mut table = Table::new(
        format!("Backbones and methods, beside Table 3 of the paper, select {select}"),
        rows.len(),
    );
    let compared: Vec<_> = rows.iter().map(|row| (row.results, row.own, row.vanilla)).collect();
    let gains = gains(&compared);
    let mut push = |column, cell: &dyn Fn(&Row<'_>) -> Cell| table.push(column, rows.iter().map(cell));
    push(Column::text("backbone", "backbone", Show::Always), &|row| Cell::Text(row.backbone.clone()));
    push(Column::text("title", "method", Show::Always), &|row| Cell::Text(row.title.to_owned()));
    push(Column::text("method", "name", Show::Wide(4)), &|row| Cell::Text(row.own.method().to_owned()));
    push(Column::metric(TOP1.all, "all", Show::Always), &|row| {
        Cell::or_missing(row.own.summary(TOP1.all), Cell::Summary)
    });
    table.push(
        Column::number("gain", "gain", Unit::Fraction, Show::Always),
        gains.iter().map(|&gain| Cell::or_missing(gain, Cell::Gain)),
    );
    let mut push = |column, cell: &dyn Fn(&Row<'_>) -> Cell| table.push(column, rows.iter().map(cell));
    // Beside other data there is nothing to compare with.
    let beside_paper = |show| if rows.iter().any(|row| row.paper.is_some()) { show } else { Show::Data };
    push(
        Column::number("paper.top1.all", "all (paper)", Unit::Fraction, beside_paper(Show::Wide(2))),
        &|row| Cell::or_missing(row.paper, |(all, _)| Cell::Number(all / 100.0)),
    );
    push(Column::number("paper.gain", "gain (paper)", Unit::Fraction, beside_paper(Show::Wide(1))), &|row| {
        let trained = row.paper.filter(|_| row.own.method() != "stage1");
        Cell::or_missing(trained, |(_, gain)| Cell::Difference(gain / 100.0))
    });
    let show = beside_paper(Show::Wide(3));
    push(Column::number("difference.top1.all", "difference", Unit::Fraction, show), &|row| {
        difference(row.paper.map(|(all, _)| all), row.own.summary(TOP1.all))
    });
    push(Column::number("best_of_n", "best of n", Unit::Fraction, Show::Wide(5)), &|row| {
        Cell::or_missing(row.own.summary(TOP1.all), |summary| Cell::Number(summary.max))
    });
    push(Column::number("n_seeds", "seeds", Unit::Plain, Show::Wide(4)), &|row| Cell::Seeds {
        finished: row.own.seeds().len(),
        diverged: row.own.diverged(),
    });
    push(Column::text("select", "select", Show::Data), &|row| Cell::Text(row.own.protocol().to_string()));
    push(Column::text("cache_key", "cache key", Show::Data), &|row| {
        Cell::Text(row.results.cache_key.clone())
    });
    push(Column::text("params", "hyper-parameters", Show::Data), &|row| Cell::Params {
        shown: row.own.params().clone(),
        all: row.own.params().clone(),
    });
    push(Column::text("seeds", "seeds", Show::Data), &|row| seeds(row.own));
    push(Column::text("run_ids", "runs", Show::Data), &|row| run_ids(row.own));
    for results in results {
        let note = format!("select {}: {}", results.protocol, results.protocol.about());
        if !table.notes.contains(&note) {
            table.notes.push(note);
        }
    }
    table.notes.push(format!(
        "gain: difference to the stage-1 head of the same backbone in percentage points{}",
        notes::stars(results.iter().any(|results| results.evidence.too_many), &gains)
    ));
    table.notes.push(
        "paper: CIFAR100-LT, imbalance ratio 100, its own backbones; it prints a gain of +1.28 for LORT on BS, \
         where its own numbers differ by +1.18"
            .to_owned(),
    );
    for results in results {
        let name = results.cache_name();
        let cautions = notes::cautions(results, &results.shown());
        let cautions = cautions.iter().chain(&results.evidence.problems);
        table.cautions.extend(cautions.map(|caution| format!("{name}: {caution}")));
    }
    table
}

fn rows(results: &Results) -> Vec<Row<'_>> {
    let shown = results.shown();
    let named =
        |method: &str| results.selected.iter().filter(move |row| row.method() == method).collect::<Vec<_>>();
    let vanilla = match named("stage1").as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    let paper = results.summary.as_ref().filter(|_| Benchmark::is_cifar100_lt(results));
    let paper = paper.and_then(|summary| PAPER.iter().find(|(loss, _)| Some(*loss) == summary.stage1_loss()));
    let backbone = results.summary.as_ref().map_or_else(
        || results.cache_name(),
        |summary| {
            let architecture = &summary.manifest().backbone.architecture;
            summary.stage1_loss().map_or(architecture.clone(), |loss| format!("{loss}, {architecture}"))
        },
    );
    let rows = METHODS.into_iter().enumerate().flat_map(|(place, (method, title))| {
        let published =
            paper.and_then(|(_, top1)| Some((*top1.get(place)?, top1.get(place)? - top1.first()?)));
        let own = shown.iter().copied().filter(move |row| row.method() == method);
        let backbone = backbone.clone();
        own.map(move |own| Row { results, backbone: backbone.clone(), title, own, vanilla, paper: published })
            .collect::<Vec<_>>()
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::testing::{record, stored},
        report::{Style, markdown},
    };

    #[test]
    fn the_papers_gain_of_lort_on_bs_is_not_the_printed_one() {
        let (_, bs) = PAPER[3];
        assert_eq!(format!("{:.2}", bs[6] - bs[0]), "1.18");
    }

    #[test]
    fn every_backbone_has_a_block_with_gains_over_its_own_head() {
        let mut records = Vec::new();
        for (key, stage1, lort) in [("a", 0.4, 0.45), ("b", 0.5, 0.51)] {
            for (method, seed, top1) in
                [("stage1", 0, stage1), ("lort", 0, lort), ("lort", 1, lort + 0.02), ("ncm", 0, 0.3)]
            {
                let mut record = record(method, "{}", seed, top1);
                record.run_id = format!("{key}{}", record.run_id);
                (record.cache_key, record.cache) = (key.to_owned(), format!("caches/{key}"));
                records.push(record);
            }
        }
        let results = Results::of(&stored(&records), None, None, &[]).unwrap();
        let text = (markdown::FORMAT.render)(&(TABLE.build)(&results), Style::default()).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        insta::assert_snapshot!(rows.join("\n"), @"
        | backbone | method | name | all | gain | best of n | seeds |
        | :-- | :-- | :-- | --: | --: | --: | --: |
        | caches/a | Vanilla | stage1 | 40.00 | - | 40.00 | 1 |
        | caches/a | LORT | lort | 46.00 ± 1.41 | +6.00 | 47.00 | 2 |
        | caches/b | Vanilla | stage1 | 50.00 | - | 50.00 | 1 |
        | caches/b | LORT | lort | **52.00 ± 1.41** | +2.00 | 53.00 | 2 |
        ");
    }
}
