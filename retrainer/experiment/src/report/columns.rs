//! Columns that tables share: one declaration of each, with its heading, its unit, and what stands in it.

use super::{
    groups::ClassGroup,
    results::Results,
    table::{Cell, Column, Show, Table},
};
use crate::{
    metrics::{Metric, TOP1, Unit},
    protocol::HeldOut,
    select::{Protocol, Selected},
    statistics::Summary,
};

/// A row of a table of results.
pub(super) trait Row {
    /// The results of its cache.
    fn results(&self) -> &Results;

    /// Its own result; `None` of a row that only the paper has.
    fn own(&self) -> Option<&Selected>;
}

/// A table to which columns are added, left to right.
pub(super) struct Columns<'a, R> {
    table: &'a mut Table,
    rows: &'a [R],
}

impl<'a, R: Row> Columns<'a, R> {
    /// Of a table with these rows.
    pub(super) fn of(table: &'a mut Table, rows: &'a [R]) -> Self {
        Self { table, rows }
    }

    /// A column with a cell of each row.
    pub(super) fn push(&mut self, column: Column, cell: impl Fn(&R) -> Cell) {
        self.table.push(column, self.rows.iter().map(cell));
    }

    /// A column of words.
    pub(super) fn words(&mut self, key: &str, title: &str, show: Show, words: impl Fn(&R) -> String) {
        self.push(Column::text(key, title, show), |row| Cell::Text(words(row)));
    }

    /// A column of what results have; rows without one miss it.
    pub(super) fn own(&mut self, column: Column, cell: impl Fn(&Selected) -> Cell) {
        self.push(column, |row| Cell::or_missing(row.own(), &cell));
    }

    /// A number of results in a unit.
    pub(super) fn number(
        &mut self,
        key: &str,
        title: &str,
        unit: Unit,
        show: Show,
        number: impl Fn(&Selected) -> Option<f64>,
    ) {
        self.own(Column::number(key, title, unit, show), |own| Cell::or_missing(number(own), Cell::Number));
    }

    /// A metric over the seeds.
    pub(super) fn metric(&mut self, metric: Metric, title: &str, show: Show) {
        self.own(Column::metric(metric, title, show), |own| {
            Cell::or_missing(own.summary(metric), Cell::Summary)
        });
    }

    /// The accuracy of a group of classes over the seeds.
    pub(super) fn group(&mut self, group: &ClassGroup) {
        let key = format!("top1.group.{}", group.title);
        let column = Column { key, ..Column::metric(TOP1.all, &group.title, Show::Always) };
        self.push(column, |row| {
            let classes = group.classes.iter().copied();
            let own = row.own().and_then(|own| row.results().evidence.accuracy_of(own, &classes));
            Cell::or_missing(own, Cell::Summary)
        });
    }

    /// The paper's number of a metric, which it prints in percent.
    pub(super) fn paper(
        &mut self,
        metric: Metric,
        group: &str,
        show: Show,
        percent: impl Fn(&R) -> Option<f64>,
    ) {
        let (key, title) = (format!("paper.{}", metric.name), format!("{group} (paper)"));
        self.push(Column::number(&key, &title, metric.unit, show), |row| {
            Cell::or_missing(percent(row), |percent| Cell::Number(percent / 100.0))
        });
    }

    /// Ours less the paper's.
    pub(super) fn difference(
        &mut self,
        metric: Metric,
        title: &str,
        show: Show,
        percent: impl Fn(&R) -> Option<f64>,
        ours: impl Fn(&Selected) -> Option<Summary>,
    ) {
        let key = format!("difference.{}", metric.name);
        self.push(Column::number(&key, title, metric.unit, show), |row| {
            let both = percent(row).zip(row.own().and_then(&ours));
            Cell::or_missing(both, |(paper, ours)| Cell::Difference(ours.mean - paper / 100.0))
        });
    }

    /// The best accuracy over the seeds.
    pub(super) fn best_of_n(&mut self, show: Show) {
        let best = |own: &Selected| Some(own.summary(TOP1.all)?.max);
        self.number("best_of_n", "best of n", Unit::Fraction, show, best);
    }

    /// How many seeds finished, and how many diverged.
    pub(super) fn seed_counts(&mut self, show: Show) {
        self.own(Column::number("n_seeds", "seeds", Unit::Plain, show), |own| Cell::Seeds {
            finished: own.seeds().len(),
            diverged: own.diverged(),
        });
    }

    /// The protocol.
    pub(super) fn select(&mut self) {
        self.words("select", "select", Show::Data, |row| row.results().protocol.to_string());
    }

    /// The key of the cache.
    pub(super) fn cache_key(&mut self) {
        self.words("cache_key", "cache key", Show::Data, |row| row.results().cache_key.clone());
    }

    /// The seeds that finished, and the runs behind a row.
    pub(super) fn runs(&mut self) {
        self.own(Column::text("seeds", "seeds", Show::Data), |own| {
            Cell::List(own.seeds().iter().map(|seed| seed.seed.to_string()).collect())
        });
        self.own(Column::text("run_ids", "run", Show::Terminal(2)), |own| {
            Cell::List(own.seeds().iter().map(|seed| seed.run_id.to_string()).collect())
        });
    }

    /// Where the numbers come from, for programs: what stands at the end of the tables beside the paper.
    pub(super) fn origin(&mut self) {
        self.seed_counts(Show::Wide(4));
        self.select();
        self.cache_key();
        self.own(Column::text("params", "hyper-parameters", Show::Terminal(6)), |own| Cell::Params {
            shown: own.params().clone(),
            all: own.params().clone(),
        });
        self.runs();
    }
}

/// The best of n flatters, so people see it only beside numbers that already do.
pub(super) fn best_of_n_shown(protocol: Protocol) -> Show {
    match protocol.chooser().map(|chooser| chooser.split) {
        Some(HeldOut::Test) => Show::Wide(2),
        Some(HeldOut::Val) | None => Show::Data,
    }
}
