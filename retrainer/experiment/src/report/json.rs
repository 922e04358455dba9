//! JSON: one list of rows over all tables, fractions unrounded.

use super::{
    Format, Style,
    error::ReportError,
    table::{Cell, Table},
};
use files::text;
use serde::{Serializer, ser::SerializeSeq};
use serde_json::{Map, Value};
use std::borrow::Cow;

pub(super) const FORMAT: Format =
    Format { name: "json", extension: "json", cautions: false, in_folder: false, whole: false, render };

fn render(tables: &[Table], _: Style) -> Result<String, ReportError> {
    let encode = |source: Box<dyn std::error::Error + Send + Sync>| ReportError::Encode {
        format: FORMAT.name,
        source,
    };
    let mut bytes = Vec::new();
    write(tables, &mut bytes).map_err(|error| encode(error.into()))?;
    let text = String::from_utf8(bytes).map_err(|error| encode(error.into()))?;
    Ok(if matches!(text::lines(&text), Cow::Borrowed(_)) { text } else { escaped(&text) })
}

/// The same JSON with every character that is not seen as `\u202e`: it may be shown on a terminal.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut units = [0; 2];
    for letter in text.chars() {
        // Beside line ends such characters stand in strings only.
        if matches!(text::lines(letter.encode_utf8(&mut [0; 4])), Cow::Borrowed(_)) {
            escaped.push(letter);
        } else {
            escaped.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    escaped
}

/// Row by row: a list of all rows as values would take many times the memory of its text.
fn write(tables: &[Table], bytes: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let mut serializer = serde_json::Serializer::pretty(&mut *bytes);
    let mut list = serializer.serialize_seq(None)?;
    for table in tables {
        for row in &table.rows {
            list.serialize_element(&object(table, row))?;
        }
    }
    list.end()?;
    bytes.push(b'\n');
    Ok(())
}

fn object(table: &Table, row: &[Cell]) -> Map<String, Value> {
    table.columns.iter().zip(row).map(|(column, cell)| (column.key.clone(), cell.json(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::testing;

    #[test]
    fn json_is_one_list_of_rows_with_unrounded_fractions() {
        let text = render(&[testing::table(), testing::table()], Style::default()).unwrap();
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.len(), 6);
        insta::assert_snapshot!(serde_json::to_string(&rows[0]).unwrap(), @r#"{"method":"lort","params":{"delta":0.98,"lr":0.0005,"epochs":20},"n_seeds":3,"top1.all":{"mean":0.54,"std":0.010000000000000009,"best":0.55,"half_width_95":0.024841377117503234},"balanced_error":{"mean":0.45999999999999996,"std":0.009999999999999981,"best":0.45,"half_width_95":0.024841377117503165},"logits_magnitude.all":{"mean":1.375,"std":0.1767766952966369,"best":null,"half_width_95":1.5882755920218274},"gain":{"mean":0.054,"p_seeds":0.01,"p_images":0.01,"p_holm":0.03},"run_ids":["aa","bb"]}"#);
        insta::assert_snapshot!(serde_json::to_string(&rows[2]).unwrap(), @r#"{"method":"ce","params":{"epochs":20},"n_seeds":0,"top1.all":null,"balanced_error":null,"logits_magnitude.all":null,"gain":null,"run_ids":[]}"#);
        assert_eq!(render(&[], Style::default()).unwrap(), "[]\n");
    }

    #[test]
    fn characters_that_are_not_seen_are_numbers_and_the_values_the_same() {
        let name = "a\u{1b}[31m\u{9b}\u{202e}\u{e0001}é";
        let mut table = testing::table();
        table.rows[0][0] = Cell::Text(name.to_owned());
        let text = render(&[table], Style::default()).unwrap();
        assert!(text.contains(r"a\u001b[31m\u009b\u202e\udb40\udc01é"), "{text}");
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows[0]["method"], name);
    }
}
