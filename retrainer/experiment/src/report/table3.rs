//! Backbones and methods beside the paper's Table 3: what re-training the head gains on each backbone.

use super::{
    TableKind,
    benchmark::Benchmark,
    columns::{Columns, Row},
    notes,
    paper::{PAPER, Published},
    results::{Results, gains},
    table::{Cell, Column, Gain, Show, Table},
};
use crate::{
    metrics::{TOP1, Unit},
    records::CacheSummary,
    select::Selected,
};

pub(super) const TABLE: TableKind = TableKind {
    name: "table3",
    about: "backbones and methods beside Table 3 of the paper, with gains over the stage-1 head",
    on_page: true,
    build: |results| if results.is_empty() { Vec::new() } else { vec![table3(results)] },
};

/// Stage-1 losses in the order of the paper.
const LOSSES: [&str; 4] = ["ce", "ce-drw", "ldam-drw", "bs"];

/// One method on one backbone.
struct OnBackbone<'a> {
    results: &'a Results,
    backbone: String,
    title: &'static str,
    own: &'a Selected,
    vanilla: Option<&'a Selected>,
    gain: Option<Gain>,
    /// The paper's accuracy and its gain over the vanilla head, in percent.
    paper: Option<(f64, f64)>,
}

impl Row for OnBackbone<'_> {
    fn results(&self) -> &Results {
        self.results
    }

    fn own(&self) -> Option<&Selected> {
        Some(self.own)
    }
}

fn table3(results: &[Results]) -> Table {
    let rows = all_rows(results);
    let protocols: Vec<String> = results.iter().map(|results| results.protocol.to_string()).collect();
    let protocol = protocols.first().filter(|first| protocols.iter().all(|other| other == *first));
    let select = protocol.map_or("select differs by cache", String::as_str);
    let title = format!("Backbones and methods, beside Table 3 of the paper, select {select}");
    let mut table = Table::new(title, rows.len());
    // Beside other data there is nothing to compare with.
    let beside_paper = |show| if rows.iter().any(|row| row.paper.is_some()) { show } else { Show::Data };
    let percent = |row: &OnBackbone<'_>| row.paper.map(|(all, _)| all);
    let mut columns = Columns::of(&mut table, &rows);
    columns.words("backbone", "backbone", Show::Always, |row| row.backbone.clone());
    columns.words("title", "method", Show::Always, |row| row.title.to_owned());
    columns.words("method", "name", Show::Wide(4), |row| row.own.method().to_owned());
    columns.metric(TOP1.all, "all", Show::Always);
    columns.push(Column::number("gain", "gain", Unit::Fraction, Show::Always), |row| {
        Cell::or_missing(row.gain, Cell::Gain)
    });
    columns.paper(TOP1.all, "all", beside_paper(Show::Wide(2)), percent);
    let paper_gain =
        Column::number("paper.gain", "gain (paper)", Unit::Fraction, beside_paper(Show::Wide(1)));
    columns.push(paper_gain, |row| {
        let trained = row.paper.filter(|_| row.own.method() != "stage1");
        Cell::or_missing(trained, |(_, gain)| Cell::Difference(gain / 100.0))
    });
    let show = beside_paper(Show::Wide(3));
    columns.difference(TOP1.all, "difference", show, percent, |own| own.summary(TOP1.all));
    columns.best_of_n(Show::Wide(5));
    columns.origin();
    annotate(&mut table, results, &rows);
    table
}

/// How to read the table, and where to be careful.
fn annotate(table: &mut Table, results: &[Results], rows: &[OnBackbone<'_>]) {
    for results in results {
        let note = format!("select {}: {}", results.protocol, results.protocol.about());
        if !table.notes.contains(&note) {
            table.notes.push(note);
        }
    }
    let gains: Vec<Option<Gain>> = rows.iter().map(|row| row.gain).collect();
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
}

/// The rows of all backbones, those of the paper first and in its order, with what they gain.
fn all_rows(results: &[Results]) -> Vec<OnBackbone<'_>> {
    let mut ordered: Vec<&Results> = results.iter().collect();
    ordered.sort_by_key(|results| {
        let loss = results.summary.as_ref().and_then(CacheSummary::stage1_loss);
        LOSSES.iter().position(|known| Some(*known) == loss).unwrap_or(LOSSES.len())
    });
    let mut rows: Vec<OnBackbone<'_>> = ordered.into_iter().flat_map(rows).collect();
    let compared: Vec<_> = rows.iter().map(|row| (row.results, row.own, row.vanilla)).collect();
    let gains = gains(&compared);
    rows.iter_mut().zip(gains).for_each(|(row, gain)| row.gain = gain);
    rows
}

/// The rows of one backbone.
fn rows(results: &Results) -> Vec<OnBackbone<'_>> {
    let shown = results.shown();
    let named =
        |method: &str| results.selected.iter().filter(move |row| row.method() == method).collect::<Vec<_>>();
    let vanilla = match named("stage1").as_slice() {
        [only] => Some(*only),
        [] | [_, _, ..] => None,
    };
    let loss = results.summary.as_ref().and_then(CacheSummary::stage1_loss);
    let percent = |published: &Published| {
        loss.filter(|_| Benchmark::is_cifar100_lt(results)).and_then(|loss| published.percent(loss))
    };
    let paper_s_vanilla = PAPER.table3.first().and_then(percent);
    let backbone = results.summary.as_ref().map_or_else(
        || results.cache_name(),
        |summary| {
            let architecture = summary.manifest().backbone.architecture.to_string();
            loss.map_or_else(|| architecture.clone(), |loss| format!("{loss}, {architecture}"))
        },
    );
    let mut rows = Vec::new();
    for published in &PAPER.table3 {
        let paper = percent(published).zip(paper_s_vanilla).map(|(own, vanilla)| (own, own - vanilla));
        for own in shown.iter().copied().filter(|row| row.method() == published.method) {
            let (backbone, title) = (backbone.clone(), published.title.as_str());
            rows.push(OnBackbone { results, backbone, title, own, vanilla, gain: None, paper });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::testing::{record, stored},
        report::{Style, markdown},
    };

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
