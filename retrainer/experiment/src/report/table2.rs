//! Results beside the numbers of the paper's Table 2 that stand for methods of this program.

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
    about: "results beside Table 2 of the paper, on the data set and imbalance ratio of the cache",
    build: |results| results.iter().map(table2).collect(),
};

fn table2(results: &Results) -> Table {
    let benchmark = Benchmark::of(results);
    let percent = |paper: &Published| paper.percent(benchmark?.key);
    let rows = beside(results, &PAPER.table2, |paper| percent(paper).is_some());
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
    columns.origin();
    let shown = results.shown();
    table.notes = notes::reading(results, &shown, &common_params(&shown));
    table.notes.push(
        "paper: what the methods' own papers report, on their own backbones, best epoch by test accuracy; \
         CE is its network trained as a whole, here the stage-1 head"
            .to_owned(),
    );
    table.notes.push(
        "LTWB: here its class-balanced loss alone, on the features of the cache, without MaxNorm".to_owned(),
    );
    table.cautions = notes::cautions(results, &shown);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::{record, stored};

    #[test]
    fn without_a_known_cache_only_own_rows_are_there() {
        let runs = stored(&[record("lort", "{}", 0, 0.5), record("ncm", "{}", 0, 0.4)]);
        let table = table2(&Results::of(&runs, None, None, &[]).unwrap()[0]);
        assert_eq!(table.rows.len(), 1);
        assert!(table.title.ends_with("(no benchmark of the paper)"), "{}", table.title);
    }
}
