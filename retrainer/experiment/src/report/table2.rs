//! Results beside the numbers of the paper's Table 2, all of its rows.

use super::{
    TableKind,
    benchmark::Benchmark,
    columns::{Columns, best_of_n_shown},
    notes::{self, common_params},
    paper::{Beside, PAPER, Published, beside},
    results::Results,
    table::{Show, Table},
};
use crate::metrics::TOP1;

pub(super) const TABLE: TableKind = TableKind {
    name: "table2",
    about: "results beside all rows of Table 2 of the paper, on the data set and imbalance ratio of the cache, with what differs",
    on_page: true,
    build: |results| results.iter().map(table2).collect(),
};

fn table2(results: &Results) -> Table {
    let benchmark = Benchmark::of(results);
    let percent = |paper: &Published| paper.percent(benchmark?.key);
    let rows = beside(results, &PAPER.table2, |paper| benchmark.is_some() && !paper.top1.is_empty());
    let percent = |row: &Beside<'_>| percent(row.paper);
    let words = benchmark.map_or("no benchmark of the paper", |benchmark| benchmark.name);
    let title = format!("{}, beside Table 2 of the paper ({words})", results.title());
    let mut table = Table::new(title, rows.len());
    // Beside other data there is nothing to compare with.
    let beside_paper = |show| if benchmark.is_some() { show } else { Show::Data };
    let mut columns = Columns::of(&mut table, &rows);
    columns.words("title", "method", Show::Always, |row| row.paper.title.clone());
    columns.words("method", "name", Show::Wide(3), |row| row.paper.method.clone());
    columns.paper(TOP1.all, "all", beside_paper(Show::Always), percent);
    columns.metric(TOP1.all, "all", Show::Always);
    let show = beside_paper(Show::Wide(1));
    columns.difference(TOP1.all, "difference", show, percent, |own| own.summary(TOP1.all));
    columns.best_of_n(best_of_n_shown(results.protocol));
    for (metric, group) in [(TOP1.many, "many"), (TOP1.medium, "medium"), (TOP1.few, "few")] {
        columns.metric(metric, group, Show::Always);
    }
    columns.words("differs", "what differs", beside_paper(Show::Wide(2)), |row| row.paper.differs.clone());
    columns.origin();
    let shown = results.shown();
    table.notes = notes::reading(results, &shown, &common_params(&shown));
    table.notes.push(
        "paper: what the methods' own papers report, on their own backbones, best epoch by test accuracy; here heads on the \
         features of one backbone"
            .to_owned(),
    );
    table.cautions = notes::cautions(results, &shown);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::{record, stored};

    #[test]
    fn on_its_data_every_row_of_the_paper_is_there_and_says_what_differs() {
        let runs = stored(&[record("lort", "{}", 0, 0.5), record("ce", "{}", 0, 0.4)]);
        let mut results = Results::of(&runs, None, None, &[]).unwrap().remove(0);
        let counts = longtail::exponential_counts(100, 500, 5);
        results.summary = Some(crate::records::CacheSummary::testing("cifar100", counts));
        let table = table2(&results);
        assert_eq!(PAPER.table2.iter().filter(|row| !row.top1.is_empty()).count(), 21);
        // And the head re-trained with cross-entropy, which is ours alone.
        assert_eq!(table.rows.len(), 22);
        let place = |key| table.columns.iter().position(|column| column.key == key).unwrap();
        let row = |title: &str| {
            let row = table.rows.iter().find(|row| row[0].text(&table.columns[0]) == title).unwrap();
            ["paper.top1.all", "top1.all", "difference.top1.all", "differs"]
                .map(|key| row[place(key)].text(&table.columns[place(key)]))
        };
        assert_eq!(row("LORT"), ["54.90", "50.00", "-4.90", "the backbone alone"]);
        let ssd = row("SSD");
        assert_eq!(ssd[..3], ["46.00", "-", "-"]);
        assert!(ssd[3].starts_with("not here: "), "{ssd:?}");
        assert!(table.rows.iter().all(|row| !row[place("differs")].text(&table.columns[0]).is_empty()));
    }

    #[test]
    fn without_a_known_cache_only_own_rows_are_there() {
        let runs = stored(&[record("lort", "{}", 0, 0.5), record("ncm", "{}", 0, 0.4)]);
        let table = table2(&Results::of(&runs, None, None, &[]).unwrap()[0]);
        assert_eq!(table.rows.len(), 1);
        assert!(table.title.ends_with("(no benchmark of the paper)"), "{}", table.title);
    }
}
