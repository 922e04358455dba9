//! Class by class: training samples, accuracy, and what a class is taken for.

use super::{
    TableKind,
    groups::names,
    results::Results,
    table::{Cell, Column, Show, Table},
};
use crate::{
    metrics::{Confusions, Unit},
    records::CacheSummary,
    select::Selected,
};
use cache::Shot;
use std::cmp::Reverse;

pub(super) const TABLE: TableKind = TableKind {
    name: "classes",
    about: "accuracy of every class and the class that it is most confused with, of one method beside the baseline",
    on_page: false,
    build: |results| results.iter().map(classes).collect(),
};

/// The class that most of the wrong samples of another are taken for.
struct MostConfused {
    predicted: usize,
    /// Share of all samples of the class.
    share: f64,
}

fn classes(results: &Results) -> Table {
    let mut order: Vec<(usize, u64)> = results
        .summary
        .iter()
        .flat_map(|summary| summary.class_counts().counts().iter().copied().enumerate())
        .collect();
    order.sort_by_key(|&(class, n)| (Reverse(n), class));
    let mut table = Table::new(format!("{}, class by class", results.title()), order.len());
    let Some((summary, leading)) = results.summary.as_ref().zip(results.leading()) else {
        table.notes.push(
            "the classes are not known: the manifest of the cache is not beside the records".to_owned(),
        );
        return table;
    };
    let confusions = results.evidence.confusions_of(leading);
    named(&mut table, results, summary, &order);
    let samples = |class: usize| {
        Some(*confusions.as_ref()?.samples().get(class)? as usize / leading.seeds().len().max(1))
    };
    table.push(
        Column::number("test_samples", "test", Unit::Plain, Show::Wide(2)),
        order.iter().map(|&(class, _)| Cell::or_missing(samples(class), Cell::Count)),
    );
    accuracies(&mut table, results, leading, &order);
    let most: Vec<_> = order.iter().map(|&(class, _)| most_confused(confusions.as_ref()?, class)).collect();
    let name = |most: &MostConfused| names(summary).get(most.predicted).cloned().unwrap_or_default();
    table.push(
        Column::text("confused_with", "most confused with", Show::Always),
        most.iter().map(|most| Cell::or_missing(most.as_ref(), |most| Cell::Text(name(most)))),
    );
    table.push(
        Column::number("confused_share", "share", Unit::Fraction, Show::Wide(1)),
        most.iter().map(|most| Cell::or_missing(most.as_ref(), |most| Cell::Number(most.share))),
    );
    table.notes = notes(results, leading, confusions.is_some());
    table
}

/// What the classes are: names, training samples, groups.
fn named(table: &mut Table, results: &Results, summary: &CacheSummary, order: &[(usize, u64)]) {
    // Where nobody named the classes the numbers are the names.
    let names = names(summary);
    let numbered = cache::numbered(names);
    let number = if numbered { Show::Always } else { Show::Wide(3) };
    table.push(
        Column::number("class", "class", Unit::Plain, number),
        order.iter().map(|&(class, _)| Cell::Count(class)),
    );
    let name = |class: usize| Cell::Text(names.get(class).cloned().unwrap_or_default());
    table.push(
        Column::text("name", "name", if numbered { Show::Data } else { Show::Always }),
        order.iter().map(|&(class, _)| name(class)),
    );
    let count = |n: u64| usize::try_from(n).map_or(Cell::Missing, Cell::Count);
    table.push(
        Column::number("train_samples", "n", Unit::Plain, Show::Always),
        order.iter().map(|&(_, n)| count(n)),
    );
    let group = |class: usize, n: u64| match &results.by_size {
        None => Shot::of(n).name().to_owned(),
        Some(groups) => {
            let own = groups.iter().find(|group| group.classes.contains(&class));
            own.map(|group| group.title.clone()).unwrap_or_default()
        }
    };
    table.push(
        Column::text("group", "group", Show::Always),
        order.iter().map(|&(class, n)| Cell::Text(group(class, n))),
    );
}

/// Accuracy of the leading result, of the baseline with the difference, and for programs of all others.
fn accuracies(table: &mut Table, results: &Results, leading: &Selected, order: &[(usize, u64)]) {
    let baseline = results.baseline().filter(|baseline| !std::ptr::eq(*baseline, leading));
    let of = |row: &Selected, class: usize| results.evidence.accuracy_of(row, &std::iter::once(class));
    let push = |table: &mut Table, row: &Selected, show| {
        let column = Column::number(&format!("top1.{}", row.method()), row.method(), Unit::Fraction, show);
        table.push(column, order.iter().map(|&(class, _)| Cell::or_missing(of(row, class), Cell::Summary)));
    };
    push(table, leading, Show::Always);
    if let Some(baseline) = baseline {
        push(table, baseline, Show::Wide(1));
        let difference = |class| Some(of(leading, class)?.mean - of(baseline, class)?.mean);
        table.push(
            Column::number("difference", "difference", Unit::Fraction, Show::Wide(1)),
            order.iter().map(|&(class, _)| Cell::or_missing(difference(class), Cell::Difference)),
        );
    }
    let shown = results.shown();
    let alone = |row: &Selected| shown.iter().filter(|other| other.method() == row.method()).count() == 1;
    let is =
        |row: &Selected, other: Option<&Selected>| other.is_some_and(|other| other.method() == row.method());
    for row in shown.iter().filter(|row| alone(row) && !is(row, Some(leading)) && !is(row, baseline)) {
        push(table, row, Show::Data);
    }
}

/// The lowest class of equals; `None` for a class without a wrong sample.
fn most_confused(confusions: &Confusions, class: usize) -> Option<MostConfused> {
    let own = confusions.cells().filter(|cell| cell.class == class);
    let most = own.reduce(|most, cell| if cell.count > most.count { cell } else { most })?;
    let samples = f64::from(*confusions.samples().get(class)?);
    Some(MostConfused { predicted: most.predicted, share: most.count as f64 / samples })
}

fn notes(results: &Results, leading: &Selected, confused: bool) -> Vec<String> {
    let (method, params) = (leading.method(), leading.params());
    let chosen = if results.methods.is_empty() {
        match leading.val() {
            Some(_) => "the method that validation likes best; `--method` shows another",
            None => "the first of the leaderboard, which is by test accuracy; `--method` shows another",
        }
    } else {
        "of the methods that are asked for"
    };
    let mut notes = vec![
        format!("select {}: {}", results.protocol, results.protocol.about()),
        format!("`{method}` ({params}): {chosen}"),
        "n: training samples of the class; accuracies in percent, mean ± standard deviation over seeds"
            .to_owned(),
    ];
    if leading.seeds().iter().any(|_| true)
        && results.evidence.accuracy_of(leading, &std::iter::once(0)).is_none()
    {
        notes.push(
            "no accuracies: these runs do not keep them by class in the state that is shown".to_owned(),
        );
    }
    notes.push(if confused {
        "most confused with: the class that most of its test images are taken for where they are wrong, over all seeds; share: \
         of all its test images"
            .to_owned()
    } else {
        "most confused with: not known, these runs are of a program that did not record it; a sweep into another folder \
         records it"
            .to_owned()
    });
    notes
}
