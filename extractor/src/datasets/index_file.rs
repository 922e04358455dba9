//! A list of training rows: a JSON list, or whole numbers separated by white space.

use super::text;
use crate::error::ExtractError;
use std::path::Path;

/// Reads row numbers below `rows`, each at most once, in the order of the file.
///
/// # Errors
/// As [`text::read`], and [`ExtractError::Malformed`] for anything but a list of different row numbers.
pub(crate) fn read(path: &Path, rows: usize) -> Result<Vec<u32>, ExtractError> {
    let text = text::read(path, "a list of training rows", "check the path of `--index-file`")?;
    let malformed = |got: String| ExtractError::Malformed {
        path: path.to_owned(),
        expected: format!(
            "different row numbers from 0 to {}, as a JSON list or one a line",
            rows.saturating_sub(1)
        ),
        got,
        hint: "rows are counted from 0 in the order of the training files".to_owned(),
    };
    let numbers = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<u64>>(&text).map_err(|error| malformed(error.to_string()))?
    } else {
        text.split_whitespace()
            .map(|word| {
                word.parse()
                    .map_err(|_| malformed(format!("`{}`", word.chars().take(40).collect::<String>())))
            })
            .collect::<Result<_, _>>()?
    };
    if numbers.is_empty() {
        return Err(malformed("an empty list".to_owned()));
    }
    let mut seen = vec![false; rows];
    let mut checked = Vec::with_capacity(numbers.len());
    for number in numbers {
        let slot = usize::try_from(number).ok().and_then(|row| seen.get_mut(row));
        match (slot, u32::try_from(number)) {
            (Some(seen), Ok(row)) if !*seen => {
                *seen = true;
                checked.push(row);
            }
            (Some(_), _) => return Err(malformed(format!("{number} twice"))),
            (None, _) => return Err(malformed(number.to_string())),
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<u32>, ExtractError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        std::fs::write(&path, text).unwrap();
        read(&path, 12)
    }

    #[test]
    fn json_and_words_are_the_same_list() {
        for text in
            ["[7, 3, 0, 11]", "7 3\n0\t11\n", "\u{feff}[7, 3, 0, 11]", "\u{feff}7\r\n3\r\n0\r\n11\r\n"]
        {
            assert_eq!(read_text(text).unwrap(), [7, 3, 0, 11]);
        }
    }

    #[test]
    fn rejects_what_is_no_list_of_rows() {
        for text in ["", "[]", "[1, 1]", "12", "-1", "1.5", "[1, ", "99999999999999999999", "[1, \"a\"]"] {
            let error = read_text(text).unwrap_err();
            assert!(matches!(error, ExtractError::Malformed { .. }), "{text}: {error}");
        }
    }
}
