//! CSV: the same values as JSON, one line per row; a metric has the columns `metric.mean`, `metric.std`, ….
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and runs it. Such a text (numbers are none)
//! gets a leading apostrophe, by which spreadsheets know text.

use super::{
    Format, Style,
    error::ReportError,
    table::{Cell, Column, Table},
};
use files::text;
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap};

pub(super) const FORMAT: Format =
    Format { name: "csv", extension: "csv", cautions: false, in_folder: true, whole: false, render };

/// Column of the table and part of its cell: the order of the CSV columns.
type Place = (usize, usize);

/// Columns without any value are left out.
fn render(tables: &[Table], _: Style) -> Result<String, ReportError> {
    let encode = |source: Box<dyn std::error::Error + Send + Sync>| ReportError::Encode {
        format: FORMAT.name,
        source,
    };
    let rows = || tables.iter().flat_map(|table| table.rows.iter().map(|row| fields(table, row)));
    let mut header: BTreeMap<Place, String> = BTreeMap::new();
    for (place, (key, _)) in rows().flatten() {
        header.entry(place).or_insert(key);
    }
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let keys = header.values().map(|key| inert(key).into_owned());
    writer.write_record(keys).map_err(|error| encode(error.into()))?;
    for row in rows() {
        let cell = |place| row.get(place).map_or(Cow::Borrowed(""), |(_, text)| inert(text));
        let line = header.keys().map(|place| cell(place).into_owned());
        writer.write_record(line).map_err(|error| encode(error.into()))?;
    }
    let bytes = writer.into_inner().map_err(|error| encode(error.into_error().into()))?;
    String::from_utf8(bytes).map_err(|error| encode(error.into()))
}

/// Keys and texts of a row.
fn fields(table: &Table, row: &[Cell]) -> BTreeMap<Place, (String, String)> {
    let cells = table.columns.iter().zip(row).enumerate();
    let parts = |(index, (column, cell))| {
        parts(column, cell).into_iter().enumerate().map(move |(part, field)| ((index, part), field))
    };
    cells.flat_map(parts).collect()
}

/// Keys and texts of a cell: one, or one for each part of a summary.
fn parts(column: &Column, cell: &Cell) -> Vec<(String, String)> {
    let key = &column.key;
    match (cell, cell.json(column)) {
        (Cell::Missing, _) => Vec::new(),
        (Cell::List(names), _) => vec![(key.clone(), names.join(" "))],
        (Cell::Summary(_) | Cell::Gain(_), Value::Object(parts)) => {
            parts.iter().map(|(part, value)| (format!("{key}.{part}"), text(value))).collect()
        }
        (_, value) => vec![(key.clone(), text(&value))],
    }
}

/// A text that no spreadsheet runs and no terminal obeys.
fn inert(text: &str) -> Cow<'_, str> {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula && text.parse::<f64>().is_err() {
        return Cow::Owned(format!("'{}", text::name(text)));
    }
    text::name(text)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::testing;

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_text_and_numbers_stay_numbers() {
        for formula in ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", " =1", "＝1", "-"] {
            assert_eq!(inert(formula), format!("'{formula}"));
        }
        for harmless in ["-0.001", "+1e-5", "lort", "", "a=1", "0"] {
            assert_eq!(inert(harmless), harmless);
        }
        assert_eq!(inert("\t=1\u{1b}[31m"), "'\\t=1\\u{1b}[31m");
    }

    #[test]
    fn csv_has_a_column_for_each_part_and_quotes_what_needs_it() {
        insta::assert_snapshot!(render(&[testing::table()], Style::default()).unwrap(), @r#"
        method,params,n_seeds,top1.all.mean,top1.all.std,top1.all.best,top1.all.half_width_95,balanced_error.mean,balanced_error.std,balanced_error.best,balanced_error.half_width_95,logits_magnitude.all.mean,logits_magnitude.all.std,logits_magnitude.all.best,logits_magnitude.all.half_width_95,gain.mean,gain.p_seeds,gain.p_images,gain.p_holm,run_ids
        lort,"{""delta"":0.98,""lr"":0.0005,""epochs"":20}",3,0.54,0.010000000000000009,0.55,0.024841377117503234,0.45999999999999996,0.009999999999999981,0.45,0.024841377117503165,1.375,0.1767766952966369,,1.5882755920218274,0.054,0.01,0.01,0.03,aa bb
        "a|b, ""c""","{""threshold"":""inf"",""epochs"":20}",1,0.5,,0.5,,0.4,,0.4,,0.05,,,,-0.001,,,,cc
        ce,"{""epochs"":20}",0,,,,,,,,,,,,,,,,,
        "#);
    }
}
