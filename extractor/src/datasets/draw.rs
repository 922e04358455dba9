//! Splits that a data set gets from its training images, where fractions ask for them.

use super::{Images, SourceFiles, SourceImages, SubsetSpec, samples::Samples};
use crate::ExtractError;
use cache::{DrawnSplits, Split};

/// Refuses fractions beside another way to say which training images there are.
pub(super) fn refuse_two_ways(files: &SourceFiles, spec: &SubsetSpec) -> Result<(), ExtractError> {
    let (val, test) = (files.fractions.val.is_some(), files.fractions.test.is_some());
    let name = if val { "--val-fraction" } else { "--test-fraction" };
    let other = match (spec.val_per_class, &spec.index_file) {
        (Some(_), _) if val => "--val-per-class",
        (_, Some(_)) if val || test => "--index-file",
        _ => return Ok(()),
    };
    Err(ExtractError::InvalidSetting {
        name,
        expected: format!("no `{other}` beside it"),
        got: "both".to_owned(),
        hint: "give one of the two".to_owned(),
    })
}

/// The rows of a source that are left for training after a draw.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// `None`: all.
    rows: Option<Vec<u32>>,
    pub(super) drawn: Option<DrawnSplits>,
}

impl Left {
    /// Rows of the source, for rows of what is left.
    pub(super) fn of(&self, rows: &[u32]) -> Vec<u32> {
        match &self.rows {
            None => rows.to_vec(),
            Some(left) => rows.iter().filter_map(|&row| left.get(row as usize).copied()).collect(),
        }
    }
}

/// Draws the splits that are asked for from the training images.
pub(super) fn draw(
    mut source: SourceImages,
    files: &SourceFiles,
) -> Result<(SourceImages, Left), ExtractError> {
    let fractions = &files.fractions;
    for (name, asked, there) in [
        ("--val-fraction", fractions.val, source.val.is_some()),
        ("--test-fraction", fractions.test, source.test.is_some()),
    ] {
        if let (Some(fraction), true) = (asked, there) {
            return Err(ExtractError::InvalidSetting {
                name,
                expected: "a data set without a split of its own".to_owned(),
                got: format!("{fraction} for one that has it"),
                hint: "leave it out: the split that is there is taken".to_owned(),
            });
        }
    }
    if !fractions.any() {
        return Ok((source, Left::default()));
    }
    let train = &source.train;
    let names = match &train.images {
        Images::Files(files) => files.names.iter().map(|name| &**name).collect(),
        Images::Memory(_) => Vec::new(),
    };
    let samples = Samples {
        labels: &train.labels,
        sample_ids: &train.sample_ids,
        names,
        classes: source.class_names.len(),
    };
    let drawn = fractions.draw(&samples)?;
    let take = |split| train.take(&drawn.rows(split));
    let (val, test) = (fractions.val.map(|_| take(Split::Val)), fractions.test.map(|_| take(Split::Test)));
    let rows = drawn.rows(Split::Train);
    source.train = train.take(&rows);
    source.val = val.or(source.val);
    source.test = test.or(source.test);
    source.left_out.extend(drawn.left_out);
    Ok((source, Left { rows: Some(rows), drawn: Some(drawn.info) }))
}
