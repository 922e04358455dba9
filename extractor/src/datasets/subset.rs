//! Which images become the training and validation samples.
//!
//! # Source
//! The first images of a class in file order are LTWB's choice (Alshammari et al. 2022, arXiv 2203.14197), a shuffle by
//! NumPy's seed 0 is LDAM's (Cao et al. 2019, `imbalance_cifar.py`).

pub use super::subset_spec::{SubsetRule, SubsetSpec};
use super::{
    index_file,
    longtail::{Rounding, class_counts},
    numpy_legacy::RandomState,
    subset_spec::{check, check_counts, no_validation_images_left},
};
use crate::error::ExtractError;
use cache::ClassId;
use sha2::{Digest, Sha256};

/// A subset as chosen: rows of the data set's training files, class-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subset {
    /// Training rows: class 0 first, and within a class in the order of the rule.
    pub train: Vec<u32>,
    /// Validation rows in the same order, if asked for.
    pub val: Option<Vec<u32>>,
    /// The rule with everything that decided the rows, for the manifest: `all`, `first-n`, `ldam-seed0, rounded` …
    pub description: String,
    /// n_max as resolved; `None` for the whole set or an index file.
    pub n_max: Option<u64>,
}

/// SHA-256 of row numbers as little-endian u32, in hexadecimal.
pub fn index_digest(rows: &[u32]) -> String {
    let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
    sha256(&bytes)
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// Chooses the training and validation rows among samples with these labels `[N]`, all below `classes`.
///
/// Validation rows are those at ranks n_max … n_max + val_per_class of each class, which no training subset of this
/// n_max can use: they are the same for every imbalance ratio. For an index file they are the first unlisted ones.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] for settings that exclude each other or ask for more images than there are;
/// the index file's own errors.
pub fn select(labels: &[ClassId], classes: usize, spec: &SubsetSpec) -> Result<Subset, ExtractError> {
    check(spec)?;
    let mut ranked = rows_of_classes(labels, classes);
    if let (SubsetRule::IndexFile, Some(path)) = (spec.rule, &spec.index_file) {
        let listed = index_file::read(path, labels.len())?;
        return from_list(&listed, labels, &ranked, spec);
    }
    if spec.rule == SubsetRule::LdamSeed0 {
        let mut random = RandomState::new(0);
        for rows in &mut ranked {
            random.shuffle(rows);
        }
    }
    let whole_set = spec.imbalance_ratio.is_none() && spec.n_max.is_none();
    if whole_set && spec.val_per_class.is_some() {
        return Err(no_validation_images_left("the training set uses all images"));
    }
    // LDAM's n_max: the mean class size, which is every class's size in a balanced set.
    let n_max = spec.n_max.unwrap_or((labels.len() / classes.max(1)) as u64);
    let rounding =
        spec.rounding.unwrap_or(if spec.n_max.is_some() { Rounding::Round } else { Rounding::Trunc });
    let counts = if whole_set {
        ranked.iter().map(|rows| rows.len() as u64).collect()
    } else {
        class_counts(classes, n_max, spec.imbalance_ratio.unwrap_or(1.0), rounding)
    };
    check_counts(&counts, &ranked, spec)?;
    let train =
        ranked.iter().zip(&counts).flat_map(|(rows, &n)| rows.iter().take(to_usize(n))).copied().collect();
    let val = spec.val_per_class.map(|v| validation_ranks(&ranked, n_max, v)).transpose()?;
    let description = match (whole_set, rounding) {
        (true, _) if spec.rule == SubsetRule::FirstN => "all".to_owned(),
        (false, Rounding::Round) => format!("{}, rounded", spec.rule.name()),
        _ => spec.rule.name().to_owned(),
    };
    Ok(Subset { train, val, description, n_max: (!whole_set).then_some(n_max) })
}

/// Row numbers of each class in file order.
fn rows_of_classes(labels: &[ClassId], classes: usize) -> Vec<Vec<u32>> {
    let mut rows = vec![Vec::new(); classes];
    for (row, label) in (0_u32..).zip(labels) {
        if let Some(class) = rows.get_mut(label.index()) {
            class.push(row);
        }
    }
    rows
}

fn from_list(
    listed: &[u32],
    labels: &[ClassId],
    rows: &[Vec<u32>],
    spec: &SubsetSpec,
) -> Result<Subset, ExtractError> {
    let class_of = |row: &u32| labels.get(to_usize(u64::from(*row))).copied();
    let mut train = listed.to_vec();
    train.sort_by_key(class_of); // stable: within a class the order of the file
    let mut used = vec![false; labels.len()];
    for &row in listed {
        if let Some(slot) = used.get_mut(to_usize(u64::from(row))) {
            *slot = true;
        }
    }
    let unused: Vec<Vec<u32>> = rows
        .iter()
        .map(|class| {
            class.iter().copied().filter(|&row| used.get(to_usize(u64::from(row))) == Some(&false)).collect()
        })
        .collect();
    let val = spec.val_per_class.map(|v| validation_ranks(&unused, 0, v)).transpose()?;
    Ok(Subset { train, val, description: spec.rule.name().to_owned(), n_max: None })
}

/// Rows at ranks `from … from + count` of every class.
fn validation_ranks(ranked: &[Vec<u32>], from: u64, count: u64) -> Result<Vec<u32>, ExtractError> {
    let mut val = Vec::new();
    for (class, rows) in ranked.iter().enumerate() {
        let end = from.checked_add(count).map(to_usize);
        let Some(chosen) = end.and_then(|end| rows.get(to_usize(from)..end)) else {
            let left = (rows.len() as u64).saturating_sub(from);
            return Err(no_validation_images_left(&format!(
                "class {class} has {left} images beside the {from} for training"
            )));
        };
        val.extend_from_slice(chosen);
    }
    Ok(val)
}

/// Row numbers and ranks fit a `usize` wherever the data set itself fits into memory.
fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `per_class` images of each class, interleaved: row r has class r mod `classes`.
    fn interleaved(classes: u32, per_class: u32) -> Vec<ClassId> {
        (0..classes * per_class).map(|row| ClassId(row % classes)).collect()
    }

    fn long_tail(ratio: f64) -> SubsetSpec {
        SubsetSpec { imbalance_ratio: Some(ratio), ..SubsetSpec::default() }
    }

    #[test]
    fn rows_are_class_major_and_in_file_order() {
        let subset = select(&interleaved(3, 4), 3, &long_tail(4.0)).unwrap();
        assert_eq!(subset.train, [0, 3, 6, 9, 1, 4, 2]); // 4, 2, 1 images
        assert_eq!((subset.description.as_str(), subset.n_max), ("first-n", Some(4)));
    }

    #[test]
    fn validation_rows_are_the_same_for_every_ratio() {
        let labels = interleaved(5, 10);
        let val = |ratio| {
            let spec = SubsetSpec { n_max: Some(8), val_per_class: Some(2), ..long_tail(ratio) };
            select(&labels, 5, &spec).unwrap().val.unwrap()
        };
        assert_eq!(val(1.0), [40, 45, 41, 46, 42, 47, 43, 48, 44, 49]);
        assert_eq!(val(1.0), val(4.0));
    }

    #[test]
    fn rejects_a_validation_split_when_no_image_is_left() {
        let labels = interleaved(5, 10);
        for spec in [
            SubsetSpec { val_per_class: Some(1), ..SubsetSpec::default() },
            SubsetSpec { val_per_class: Some(1), ..long_tail(2.0) },
            SubsetSpec { val_per_class: Some(3), n_max: Some(8), ..long_tail(2.0) },
        ] {
            let error = select(&labels, 5, &spec).unwrap_err();
            assert!(matches!(error, ExtractError::InvalidSetting { name: "--val-per-class", .. }), "{error}");
        }
    }

    #[test]
    fn rejects_a_ratio_that_empties_a_class() {
        let error = select(&interleaved(5, 10), 5, &long_tail(20.0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`--imbalance-ratio`: expected at least one image of every class, got none of class 4"
        );
    }

    #[test]
    fn rejects_more_images_than_there_are() {
        let error =
            select(&interleaved(5, 10), 5, &SubsetSpec { n_max: Some(11), ..long_tail(2.0) }).unwrap_err();
        assert!(matches!(error, ExtractError::InvalidSetting { name: "--n-max", .. }), "{error}");
    }

    #[test]
    fn an_index_file_gives_its_rows_class_major() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        for text in ["[7, 3, 0, 9]", "7 3\n0\n9\n"] {
            std::fs::write(&path, text).unwrap();
            let spec = SubsetSpec {
                rule: SubsetRule::IndexFile,
                index_file: Some(path.clone()),
                val_per_class: Some(1),
                ..SubsetSpec::default()
            };
            let subset = select(&interleaved(3, 4), 3, &spec).unwrap();
            assert_eq!(subset.train, [3, 0, 9, 7]);
            assert_eq!(subset.val, Some(vec![6, 1, 2]));
        }
    }

    proptest! {
        #[test]
        fn a_larger_ratio_takes_a_prefix_of_every_class(
            classes in 2_u32..20, per_class in 1_u32..40, small in 1.0_f64..10.0, factor in 1.0_f64..10.0,
            rule in prop::sample::select(vec![SubsetRule::FirstN, SubsetRule::LdamSeed0]),
        ) {
            let labels = interleaved(classes, per_class);
            let take = |ratio| select(&labels, classes as usize, &SubsetSpec { rule, ..long_tail(ratio) });
            // A ratio beyond the class size is an error by contract, and says nothing here.
            if let (Ok(more), Ok(fewer)) = (take(small), take(small * factor)) {
                let of = |subset: &Subset, class| -> Vec<u32> {
                    subset.train.iter().copied().filter(|&row| row % classes == class).collect()
                };
                for class in 0..classes {
                    prop_assert!(of(&more, class).starts_with(&of(&fewer, class)));
                }
                let sorted = more.train.is_sorted_by_key(|row| row % classes);
                prop_assert!(sorted, "class-major");
            }
        }

        #[test]
        fn training_and_validation_rows_never_meet(
            classes in 2_u32..10, n_max in 1_u64..20, val in 1_u64..5, ratio in 1.0_f64..5.0, spare in 0_u32..5,
            rule in prop::sample::select(vec![SubsetRule::FirstN, SubsetRule::LdamSeed0]),
        ) {
            let per_class = u32::try_from(n_max + val).unwrap() + spare;
            let labels = interleaved(classes, per_class);
            let spec = SubsetSpec { rule, n_max: Some(n_max), val_per_class: Some(val), ..long_tail(ratio) };
            if let Ok(subset) = select(&labels, classes as usize, &spec) {
                let rows = subset.val.unwrap();
                prop_assert_eq!(rows.len() as u64, u64::from(classes) * val);
                prop_assert!(rows.iter().all(|row| !subset.train.contains(row)));
            }
        }
    }
}
