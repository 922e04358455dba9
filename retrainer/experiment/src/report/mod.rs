//! From selected results to tables for people and programs.
//!
//! ```text
//! Selected ─▶ Results (one cache) ─▶ TABLES: what to say ─▶ Table ─▶ FORMATS: how to write it ─▶ text
//! ```
//!
//! A table is one file and one line of [`TABLES`]; a format is one file and one line of [`FORMATS`]. Tables know nothing
//! of formats and formats nothing of tables: between them is [`Table`], columns and typed cells.

mod benchmark;
mod classes;
mod columns;
mod csv;
mod error;
mod evidence;
pub mod figures;
pub mod folder;
mod groups;
mod json;
mod latex;
mod leaderboard;
mod markdown;
mod markup;
mod notes;
pub mod page;
mod paper;
mod results;
mod table;
mod table1;
mod table2;
mod table3;
mod terminal;

pub use error::ReportError;
pub use evidence::{Chance, Evidence};
pub use groups::{ClassGroup, ClassSet, GroupError, GroupRule};
pub use results::{Baseline, Results};
pub use table::{Align, Cell, Column, Gain, Show, Table};

/// A way to write tables.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// Extension of files in this format, by which `--out` chooses it.
    pub extension: &'static str,
    /// Whether the text holds the cautions of the tables; otherwise they go to stderr.
    pub cautions: bool,
    /// Whether a folder with the whole report has every table in it.
    pub in_folder: bool,
    /// Whether a file of it is the whole report where no table is asked for.
    pub whole: bool,
    /// Writes all tables of a report.
    pub render: fn(&[Table], Style) -> Result<String, ReportError>,
}

/// Every format; the first is the default.
pub const FORMATS: &[Format] =
    &[terminal::FORMAT, markdown::FORMAT, csv::FORMAT, json::FORMAT, latex::FORMAT, page::FORMAT];

/// A table to make of results.
#[derive(Clone, Copy, Debug)]
pub struct TableKind {
    /// Name on the command line.
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// Whether the page has it: one with a row for each class would bury the others.
    pub on_page: bool,
    /// Makes the tables, for each cache or of all caches together.
    pub build: fn(&[Results]) -> Vec<Table>,
}

/// Every table; the first is the default.
pub const TABLES: &[TableKind] =
    &[leaderboard::TABLE, classes::TABLE, table1::TABLE, table2::TABLE, table3::TABLE];

/// What the terminal can show; formats for files ignore it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Columns of the terminal; `None` is no limit.
    pub width: Option<u16>,
    /// Whether bold and colours are wanted.
    pub color: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_extensions_are_unique() {
        let unique = |names: Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
        assert!(unique(FORMATS.iter().map(|format| format.name).collect()));
        assert!(unique(FORMATS.iter().map(|format| format.extension).collect()));
        assert!(unique(TABLES.iter().map(|table| table.name).collect()));
    }
}
