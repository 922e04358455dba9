//! Which samples belong together: a table `path or id, group`, with or without a header.

use super::{entries::normal, samples::Samples, text};
use crate::ExtractError;
use cache::LeftOut;
use std::{collections::HashMap, path::Path};

/// The group of each sample.
#[derive(Debug)]
pub(super) struct Grouping {
    /// Number of the group of each sample `[N]`.
    of: Vec<u32>,
    /// Name of each group.
    pub(super) names: Vec<String>,
    /// BLAKE3 of the file.
    pub(super) digest: String,
    /// Rows that name no sample.
    pub(super) left_out: Option<LeftOut>,
}

impl Grouping {
    /// The samples of each group.
    pub(super) fn members(&self) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); self.names.len()];
        for (row, &group) in (0..).zip(&self.of) {
            members.iter_mut().skip(group as usize).take(1).for_each(|rows: &mut Vec<u32>| rows.push(row));
        }
        members
    }
}

/// Reads the group of every sample; a first row that names no sample is a header, later ones are left out.
///
/// # Errors
/// As [`text::read`]; [`ExtractError::Malformed`] for rows of other than two cells, samples in two groups, and samples in none.
pub(super) fn read(path: &Path, samples: &Samples<'_>) -> Result<Grouping, ExtractError> {
    let text = text::read(path, "a table `path or id, group`", "check the path of `--group-file`")?;
    let ids = samples.sample_ids.iter().map(ToString::to_string);
    let mut rows: HashMap<String, usize> = ids.zip(0..).collect();
    rows.extend(samples.names.iter().map(|name| normal(name)).zip(0..));
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let (mut of, mut names) = (vec![None; samples.labels.len()], Vec::new());
    let mut strangers: Vec<String> = Vec::new();
    for (line, (sample, group)) in (1..).zip(pairs(path, &text)?) {
        let slot = rows.get(&sample).or_else(|| rows.get(&normal(&sample))).and_then(|&row| of.get_mut(row));
        let Some(slot) = slot else {
            strangers.extend((line > 1).then_some(sample));
            continue;
        };
        let number = *numbers.entry(group.clone()).or_insert_with(|| {
            names.push(group.clone());
            u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
        });
        if slot.replace(number).is_some_and(|before| before != number) {
            let got = format!("`{sample}` in a second one, `{group}`, in row {line}");
            return Err(malformed(path, "each sample in one group", got, "remove one of the two rows"));
        }
    }
    refuse_ungrouped(path, samples, &of)?;
    let left_out = (!strangers.is_empty()).then(|| LeftOut {
        what: "rows of the group file that name no sample".to_owned(),
        count: strangers.len() as u64,
        first: strangers.iter().take(LeftOut::NAMES).cloned().collect(),
    });
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    Ok(Grouping { of: of.into_iter().flatten().collect(), names, digest, left_out })
}

/// The two cells of each row.
fn pairs(path: &Path, text: &str) -> Result<Vec<(String, String)>, ExtractError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let pair = |(line, record): (usize, csv::Result<csv::StringRecord>)| {
        let shape = "two cells a row, `path or id, group`";
        let hint = "a cell with a comma stands in double quotes";
        let record = record.map_err(|error| malformed(path, shape, error.to_string(), hint))?;
        match record.iter().collect::<Vec<_>>().as_slice() {
            [_, ""] => {
                let hint = "a sample on its own takes a group of its own";
                Err(malformed(path, "a group in each row", format!("none in row {line}"), hint))
            }
            [sample, group] => Ok(((*sample).to_owned(), (*group).to_owned())),
            cells => Err(malformed(path, shape, format!("{} in row {line}", cells.len()), hint)),
        }
    };
    (1..).zip(reader.records()).map(pair).collect()
}

fn refuse_ungrouped(path: &Path, samples: &Samples<'_>, of: &[Option<u32>]) -> Result<(), ExtractError> {
    let Some(row) = of.iter().position(Option::is_none) else { return Ok(()) };
    let first = match samples.names.get(row) {
        Some(name) => format!("`{name}`"),
        None => samples.sample_ids.get(row).map_or_else(String::new, |id| format!("id {id}")),
    };
    let without = of.iter().filter(|group| group.is_none()).count();
    let more = if without > 1 { " …" } else { "" };
    let got = format!("none for {without} of {} ({first}{more})", of.len());
    let hint = "paths are relative to `--data`; a sample on its own takes a group of its own";
    Err(malformed(path, "a group for every sample", got, hint))
}

fn malformed(path: &Path, expected: &str, got: String, hint: &str) -> ExtractError {
    ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::ClassId;

    fn read_text(text: &str) -> Result<Grouping, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        std::fs::write(&path, text).unwrap();
        let labels = [ClassId(0); 3];
        let samples = Samples {
            labels: &labels,
            sample_ids: &[7, 8, 9],
            names: vec!["a/1.png", "a/2, 3.png", "b/1.png"],
            classes: 1,
        };
        read(&path, &samples).map_err(|error| error.to_string().split_once("`: ").unwrap().1.to_owned())
    }

    #[test]
    fn samples_are_named_by_path_or_id_with_or_without_a_header() {
        for text in [
            "path,camera\na/1.png,x\n\"a/2, 3.png\",y\nb/1.png,x\n",
            "./a//1.png, x\n8, y\nb/1.png,x",
            "9,x\n8,y\n7,x\n7,x\n",
        ] {
            let grouping = read_text(text).unwrap();
            let members = grouping.members();
            assert_eq!(members.len(), 2, "{text}");
            assert!(members.contains(&vec![0, 2]) && members.contains(&vec![1]), "{text}");
            assert_eq!(grouping.left_out, None, "{text}");
        }
        let more = read_text("7,x\n8,y\n9,x\nc/4.png,z\n").unwrap().left_out.unwrap();
        assert_eq!((more.count, more.first), (1, vec!["c/4.png".to_owned()]));
    }

    #[test]
    fn a_table_that_leaves_a_question_is_refused() {
        let refused = |text: &str| read_text(text).unwrap_err();
        insta::assert_snapshot!(refused("7,x\n8,y\n"), @"expected a group for every sample, got none for 1 of 3 (`b/1.png`)");
        insta::assert_snapshot!(refused("7,x\n8,y\n9,x\n7,y\n"), @"expected each sample in one group, got `7` in a second one, `y`, in row 4");
        insta::assert_snapshot!(refused("7,x\n8\n9,x\n"), @"expected two cells a row, `path or id, group`, got 1 in row 2");
        insta::assert_snapshot!(refused("7,x\n8,\n9,x\n"), @"expected a group in each row, got none in row 2");
        insta::assert_snapshot!(refused("path,group\n"), @"expected a group for every sample, got none for 3 of 3 (`a/1.png` …)");
    }
}
