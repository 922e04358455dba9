//! Predictions as rows of CSV or as a list in JSON, written as they come.

use super::classify::Scored;
use crate::ExtractError;
use files::output::Output;
use std::path::Path;

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `path,label,probability,label_2,probability_2 …`, a header first.
    Csv,
    /// A list of `{"path": …, "predictions": [{"label": …, "probability": …}]}`.
    Json,
}

impl Form {
    /// By the ending of a file's name: JSON for `.json`, else CSV.
    pub fn of(path: &Path) -> Self {
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if json { Self::Json } else { Self::Csv }
    }
}

/// A table of predictions on its way to a file.
#[derive(Debug)]
pub struct Table {
    output: Output,
    form: Form,
    class_names: Vec<String>,
    rows: usize,
}

impl Table {
    /// Begins a table of the `top` most probable classes.
    ///
    /// # Errors
    /// [`ExtractError::File`].
    pub fn begin(
        output: Output,
        form: Form,
        class_names: &[String],
        top: usize,
    ) -> Result<Self, ExtractError> {
        let mut table = Self { output, form, class_names: class_names.to_vec(), rows: 0 };
        match form {
            Form::Csv => {
                let columns = (1..=top).flat_map(|place| {
                    let suffix = if place == 1 { String::new() } else { format!("_{place}") };
                    [format!("label{suffix}"), format!("probability{suffix}")]
                });
                let header: Vec<String> = std::iter::once("path".to_owned()).chain(columns).collect();
                table.csv(&header)?;
            }
            Form::Json => table.output.append(b"[")?,
        }
        Ok(table)
    }

    /// Adds an image.
    pub(super) fn row(&mut self, path: &Path, best: &[Scored]) -> Result<(), ExtractError> {
        let label = |class: usize| self.class_names.get(class).map_or("", String::as_str);
        let path = path.to_string_lossy();
        match self.form {
            Form::Csv => {
                let cells = best.iter().flat_map(|&(class, p)| [label(class).to_owned(), format!("{p:.6}")]);
                let row: Vec<String> = std::iter::once(path.into_owned()).chain(cells).collect();
                self.csv(&row)?;
            }
            Form::Json => {
                let predictions: Vec<_> = best
                    .iter()
                    .map(|&(class, p)| serde_json::json!({ "label": label(class), "probability": p }))
                    .collect();
                let row = serde_json::json!({ "path": path, "predictions": predictions });
                let comma = if self.rows == 0 { "" } else { "," };
                self.output.append(format!("{comma}\n  {row}").as_bytes())?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn csv(&mut self, cells: &[String]) -> Result<(), ExtractError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // A list in memory takes every row.
        let row = writer.write_record(cells).ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
        Ok(self.output.append(&row)?)
    }

    /// Ends the table and makes a file of it; the number of its rows.
    ///
    /// # Errors
    /// [`ExtractError::File`].
    pub fn finish(mut self) -> Result<usize, ExtractError> {
        if self.form == Form::Json {
            self.output.append(b"\n]\n")?;
        }
        self.output.finish()?;
        Ok(self.rows)
    }
}
