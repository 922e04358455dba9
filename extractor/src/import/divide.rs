//! Validation and test splits from the rows of the training file, where fractions ask for them.

use super::split::ImportedSplit;
use crate::{
    ExtractError,
    datasets::{Fractions, samples::Samples},
};
use cache::{DrawnSplits, LeftOut, Split};
use std::collections::BTreeMap;

/// The splits after a draw, and what the manifest says of it.
pub(super) type Divided = (BTreeMap<Split, ImportedSplit>, Option<(DrawnSplits, Option<LeftOut>)>);

/// Draws the splits that are asked for from the training rows.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] for a split that is there already; those of [`Fractions::check`] and of the group file.
pub(super) fn divide(
    mut splits: BTreeMap<Split, ImportedSplit>,
    fractions: &Fractions,
) -> Result<Divided, ExtractError> {
    fractions.check()?;
    let asked = [
        ("--val-fraction", "--val", Split::Val, fractions.val),
        ("--test-fraction", "--test", Split::Test, fractions.test),
    ];
    for (name, file, split, _) in asked.iter().filter(|(.., fraction)| fraction.is_some()) {
        if splits.contains_key(split) {
            return Err(ExtractError::InvalidSetting {
                name,
                expected: format!("no `{file}` beside it"),
                got: "both".to_owned(),
                hint: "give one of the two".to_owned(),
            });
        }
    }
    let Some(train) = splits.get(&Split::Train).filter(|_| fractions.any()) else {
        return Ok((splits, None));
    };
    let classes = train.labels.iter().map(|label| label.index() + 1).max().unwrap_or(0);
    let samples =
        Samples { labels: &train.labels, sample_ids: &train.sample_ids, names: Vec::new(), classes };
    let drawn = fractions.draw(&samples)?;
    let parts: Vec<(Split, ImportedSplit)> = asked
        .iter()
        .filter(|(.., fraction)| fraction.is_some())
        .map(|(_, _, split, _)| (*split, train.take(&drawn.rows(*split))))
        .chain([(Split::Train, train.take(&drawn.rows(Split::Train)))])
        .collect();
    splits.extend(parts);
    Ok((splits, Some((drawn.info, drawn.left_out))))
}
