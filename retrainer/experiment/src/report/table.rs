//! The table between contents and formats: columns, typed cells, notes.

use super::evidence::Chance;
use crate::{
    metrics::{Direction, Metric, Unit},
    records::Params,
    statistics::Summary,
};
use serde_json::{Value, json};

/// A table: everything that a format may write, nothing about how.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// Columns, left to right.
    pub columns: Vec<Column>,
    /// Rows, best first, each with one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Sentences below the table: how to read it.
    pub notes: Vec<String>,
    /// Sentences below the table: where to be careful.
    pub cautions: Vec<String>,
}

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Key in JSON and CSV.
    pub key: String,
    /// Heading for people.
    pub title: String,
    /// How numbers are printed.
    pub unit: Unit,
    /// Which value is the best one.
    pub direction: Direction,
    /// Alignment of its cells.
    pub align: Align,
    /// Who sees it.
    pub show: Show,
}

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Who sees a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Everybody.
    Always,
    /// Everybody, but a narrow terminal drops the columns with the highest number first.
    Wide(u8),
    /// The same on a terminal alone: other formats for people tell it elsewhere.
    Terminal(u8),
    /// Programs (CSV, JSON) only.
    Data,
}

/// Letters of a run's id that tell it from others.
const LETTERS: usize = 10;

/// One cell: a typed value, printed by [`Cell::text`] and encoded by [`Cell::json`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Missing,
    /// Words.
    Text(String),
    /// Names: for programs all, for people the beginning of the first, which `retrainer export --run` takes.
    List(Vec<String>),
    /// A whole number.
    Count(usize),
    /// A number in the unit of the column.
    Number(f64),
    /// Finished and diverged seeds.
    Seeds {
        /// Finished ones.
        finished: usize,
        /// Diverged ones.
        diverged: usize,
    },
    /// Hyper-parameters: those worth printing, and all.
    Params {
        /// For people.
        shown: Params,
        /// For programs.
        all: Params,
    },
    /// A difference in the unit of the column, printed with its sign.
    Difference(f64),
    /// A metric over seeds.
    Summary(Summary),
    /// Difference to the baseline.
    Gain(Gain),
}

/// A difference to the baseline, with what tells it from chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// Difference of the means.
    pub mean: f64,
    /// Over seeds and over test images.
    pub chance: Chance,
    /// The p-value of both after Holm's correction over the rows of the table; `None` where one is missing.
    pub corrected: Option<f64>,
}

impl Gain {
    /// Whether it is marked: p < 0.05 over seeds and over images, after the correction.
    pub(crate) fn significant(&self) -> bool {
        self.corrected.is_some_and(|p_value| p_value < 0.05)
    }
}

impl Column {
    /// A column of words or names.
    pub fn text(key: &str, title: &str, show: Show) -> Self {
        let (unit, direction) = (Unit::Plain, Direction::Neither);
        Self { key: key.to_owned(), title: title.to_owned(), unit, direction, align: Align::Left, show }
    }

    /// A column of numbers.
    pub fn number(key: &str, title: &str, unit: Unit, show: Show) -> Self {
        Self { unit, align: Align::Right, ..Self::text(key, title, show) }
    }

    /// The column of a metric.
    pub fn metric(metric: Metric, title: &str, show: Show) -> Self {
        Self { direction: metric.direction, ..Self::number(metric.name, title, metric.unit, show) }
    }

    /// How dispensable it is on a narrow terminal, 0 not at all; `None` for a column that people never see.
    pub fn rank(&self) -> Option<u8> {
        match self.show {
            Show::Always => Some(0),
            Show::Wide(rank) | Show::Terminal(rank) => Some(rank),
            Show::Data => None,
        }
    }

    /// Whether people see it in files.
    pub(super) fn is_printed(&self) -> bool {
        matches!(self.show, Show::Always | Show::Wide(_))
    }

    fn print(&self, value: f64) -> String {
        self.print_like(value, value)
    }

    fn signed(&self, value: f64) -> String {
        let sign = if value < 0.0 { "" } else { "+" };
        format!("{sign}{}", self.print(value))
    }

    /// A number with the digits that suit `scale`, so that a deviation has those of its mean.
    fn print_like(&self, value: f64, scale: f64) -> String {
        /// From here on digits before the point are only noise, and make columns wider than screens.
        const LONG: f64 = 1e6;
        let factor = if self.unit == Unit::Fraction { 100.0 } else { 1.0 };
        if (factor * scale).abs() >= LONG {
            return format!("{:.2e}", factor * value);
        }
        match (self.unit, scale.abs()) {
            (Unit::Fraction, _) => format!("{:.2}", factor * value),
            (Unit::Nats, _) => format!("{value:.3}"),
            (Unit::Plain, scale) if scale >= 1.0 || scale == 0.0 => format!("{value:.2}"),
            (Unit::Plain, scale) if scale >= 0.1 => format!("{value:.3}"),
            (Unit::Plain, _) => format!("{value:.4}"),
        }
    }

    /// The best value over seeds, where the metric has a direction.
    fn best(&self, summary: &Summary) -> Option<f64> {
        match self.direction {
            Direction::Higher => Some(summary.max),
            Direction::Lower => Some(summary.min),
            Direction::Neither => None,
        }
    }
}

impl Cell {
    /// A cell that may be missing.
    pub(crate) fn or_missing<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Missing, cell)
    }

    /// What people read: fractions in percent, `mean ± std`.
    pub fn text(&self, column: &Column) -> String {
        match self {
            Self::Missing => "-".to_owned(),
            Self::Text(text) => text.clone(),
            Self::List(names) => {
                names.first().map(|first| first.chars().take(LETTERS).collect()).unwrap_or_default()
            }
            Self::Count(count) => count.to_string(),
            Self::Number(value) => column.print(*value),
            Self::Difference(value) => column.signed(*value),
            Self::Seeds { finished, diverged: 0 } => finished.to_string(),
            Self::Seeds { finished: 0, .. } => "diverged".to_owned(),
            Self::Seeds { finished, diverged } => format!("{finished} ({diverged} diverged)"),
            Self::Params { shown, .. } => shown.to_string(),
            Self::Summary(summary) => match summary.std {
                Some(std) => {
                    format!("{} ± {}", column.print(summary.mean), column.print_like(std, summary.mean))
                }
                None => column.print(summary.mean),
            },
            Self::Gain(gain) => {
                let star = if gain.significant() { " *" } else { "" };
                format!("{}{star}", column.signed(gain.mean))
            }
        }
    }

    /// What fits where [`Cell::text`] does not: without the deviation.
    pub(crate) fn brief(&self, column: &Column) -> String {
        match self {
            Self::Summary(summary) => column.print(summary.mean),
            other => other.text(column),
        }
    }

    /// What programs read: fractions as they are, numbers unrounded.
    pub fn json(&self, column: &Column) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Text(text) => json!(text),
            Self::List(names) => json!(names),
            Self::Count(count) => json!(count),
            Self::Number(value) | Self::Difference(value) => json!(value),
            Self::Seeds { finished, .. } => json!(finished),
            Self::Params { all, .. } => json!(all),
            Self::Summary(summary) => json!({
                "mean": summary.mean,
                "std": summary.std,
                "best": column.best(summary),
                "half_width_95": summary.half_width_95(),
            }),
            Self::Gain(gain) => json!({
                "mean": gain.mean,
                "p_seeds": gain.chance.seeds,
                "p_images": gain.chance.images,
                "p_holm": gain.corrected,
            }),
        }
    }
}

impl Table {
    /// A table of `rows` rows without columns.
    pub fn new(title: String, rows: usize) -> Self {
        Self {
            title,
            columns: Vec::new(),
            rows: vec![Vec::new(); rows],
            notes: Vec::new(),
            cautions: Vec::new(),
        }
    }

    /// Adds a column with its cells from the first row on; rows without one miss it.
    pub fn push(&mut self, column: Column, cells: impl IntoIterator<Item = Cell>) {
        self.columns.push(column);
        let mut cells = cells.into_iter();
        self.rows.iter_mut().for_each(|row| row.push(cells.next().unwrap_or(Cell::Missing)));
    }

    /// The cells with the best mean of their column, and those that print alike: of two equal numbers neither is better.
    pub fn best(&self) -> Best {
        Best(self.columns.iter().enumerate().map(|(index, column)| self.best_rows(index, column)).collect())
    }

    /// Rows with the best mean of a column; none where there is nothing to compare.
    fn best_rows(&self, index: usize, column: &Column) -> Vec<usize> {
        let sign = match column.direction {
            Direction::Higher => 1.0,
            Direction::Lower => -1.0,
            Direction::Neither => return Vec::new(),
        };
        let mean = |(row, cells): (usize, &Vec<Cell>)| match cells.get(index)? {
            Cell::Summary(summary) => Some((row, summary.mean)),
            _ => None,
        };
        let means: Vec<(usize, f64)> = self.rows.iter().enumerate().filter_map(mean).collect();
        let best = means.iter().map(|&(_, mean)| mean).max_by(|a, b| (sign * a).total_cmp(&(sign * b)));
        let Some(best) = best.filter(|_| means.len() > 1).map(|best| column.print(best)) else {
            return Vec::new();
        };
        means.into_iter().filter(|&(_, mean)| column.print(mean) == best).map(|(row, _)| row).collect()
    }
}

/// Which cells of a table hold the best mean of their column.
#[derive(Clone, Debug)]
pub struct Best(Vec<Vec<usize>>);

impl Best {
    /// Whether a cell does.
    pub fn holds(&self, row: usize, column: usize) -> bool {
        self.0.get(column).is_some_and(|rows| rows.contains(&row))
    }
}

#[cfg(test)]
pub(super) mod testing;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TOP1;

    #[test]
    fn the_best_row_follows_the_direction_of_the_metric() {
        let table = testing::table();
        let best: Vec<_> =
            table.columns.iter().map(|column| column.key.as_str()).zip(table.best().0).collect();
        let marked: Vec<_> = best.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
        assert_eq!(marked, [("top1.all", vec![0]), ("balanced_error", vec![1])]);
    }

    #[test]
    fn rows_that_print_alike_are_best_together() {
        let cells = |means: [f64; 3]| {
            let mut table = Table::new(String::new(), 3);
            let cell = |mean| Cell::or_missing(Summary::of(&[mean]), Cell::Summary);
            table.push(Column::metric(TOP1.all, "all", Show::Always), means.map(cell));
            let best = table.best();
            [0, 1, 2].map(|row| best.holds(row, 0))
        };
        assert_eq!(cells([0.5, 0.4, 0.500_01]), [true, false, true]);
        assert_eq!(cells([0.5, 0.4, 0.500_1]), [false, false, true]);
    }

    #[test]
    fn numbers_too_long_for_a_column_are_in_scientific_notation() {
        let plain = Column::number("m", "m", Unit::Plain, Show::Always);
        let fraction = Column::number("f", "f", Unit::Fraction, Show::Always);
        let nats = Column::number("n", "n", Unit::Nats, Show::Always);
        assert_eq!(plain.print(123_456.0), "123456.00");
        assert_eq!(plain.print(1.234e31), "1.23e31");
        assert_eq!(plain.print_like(1e4, -2e31), "1.00e4", "a deviation as its mean");
        assert_eq!((fraction.print(5e30), nats.print(-1e9)), ("5.00e32".to_owned(), "-1.00e9".to_owned()));
    }

    #[test]
    fn a_single_row_is_not_the_best_of_anything() {
        let mut table = testing::table();
        table.rows.truncate(1);
        assert!(table.best().0.iter().all(Vec::is_empty));
    }

    #[test]
    fn rows_without_a_cell_miss_it() {
        let mut table = Table::new(String::new(), 2);
        table.push(Column::text("a", "a", Show::Always), [Cell::Count(1)]);
        assert_eq!(table.rows, [vec![Cell::Count(1)], vec![Cell::Missing]]);
    }
}
