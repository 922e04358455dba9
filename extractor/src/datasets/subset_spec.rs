//! What decides a subset, and settings of one that cannot be: each is named, with what helps.

use super::longtail::Rounding;
use crate::ExtractError;
use cache::DatasetInfo;
use clap::ValueEnum;
use std::path::PathBuf;

/// Which images of a class come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum SubsetRule {
    /// In file order
    #[default]
    FirstN,
    /// In the order of LDAM's code: NumPy's `shuffle` of each class in turn after `seed(0)`
    #[value(name = "ldam-seed0")]
    LdamSeed0,
    /// Exactly the images of --index-file
    IndexFile,
}

impl SubsetRule {
    /// The name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstN => "first-n",
            Self::LdamSeed0 => "ldam-seed0",
            Self::IndexFile => "index-file",
        }
    }
}

/// A subset as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubsetSpec {
    /// Which images of a class come first.
    pub rule: SubsetRule,
    /// Largest over smallest class count; `None` keeps the classes equal.
    pub imbalance_ratio: Option<f64>,
    /// Images of the largest class; `None` is all that the data set has.
    pub n_max: Option<u64>,
    /// `None` truncates, and rounds where `n_max` is given.
    pub rounding: Option<Rounding>,
    /// Validation images of each class, if any.
    pub val_per_class: Option<u64>,
    /// The list for [`SubsetRule::IndexFile`].
    pub index_file: Option<PathBuf>,
}

impl SubsetSpec {
    /// What was asked for when a subset was chosen, by its record in a manifest; an index file must be given again.
    pub fn recorded(info: &DatasetInfo, index_file: Option<PathBuf>) -> Self {
        let named = |rule: &SubsetRule| info.subset.split(',').next() == Some(rule.name());
        let rule = SubsetRule::value_variants().iter().copied().find(named).unwrap_or_default();
        let rounded = info.subset.ends_with(", rounded");
        Self {
            rule,
            imbalance_ratio: info.imbalance_ratio,
            n_max: info.n_max,
            rounding: info.n_max.map(|_| if rounded { Rounding::Round } else { Rounding::Trunc }),
            val_per_class: info.val_per_class,
            index_file,
        }
    }
}

/// Whether the settings of a subset fit together.
pub(super) fn check(spec: &SubsetSpec) -> Result<(), ExtractError> {
    match spec.imbalance_ratio {
        Some(ratio) if !(ratio.is_finite() && ratio >= 1.0) => {
            return invalid(
                "--imbalance-ratio",
                "a number of at least 1",
                ratio.to_string(),
                "100 is the usual benchmark",
            );
        }
        _ => {}
    }
    if spec.n_max == Some(0) {
        return invalid("--n-max", "at least 1", "0".to_owned(), "");
    }
    if spec.val_per_class == Some(0) {
        return invalid(
            "--val-per-class",
            "at least 1",
            "0".to_owned(),
            "leave it out for no validation split",
        );
    }
    check_sources(spec)
}

/// Whether class counts and rows come from one place.
fn check_sources(spec: &SubsetSpec) -> Result<(), ExtractError> {
    match (spec.rule, &spec.index_file) {
        (SubsetRule::IndexFile, None) => {
            return invalid(
                "--index-file",
                "a file with the training indices",
                "nothing".to_owned(),
                "`--subset index-file` reads it",
            );
        }
        (SubsetRule::FirstN | SubsetRule::LdamSeed0, Some(path)) => {
            let got = format!("`{}` with `--subset {}`", path.display(), spec.rule.name());
            return invalid(
                "--index-file",
                "`--subset index-file`",
                got,
                "give `--subset index-file`, or no index file",
            );
        }
        _ => {}
    }
    if spec.rule == SubsetRule::IndexFile && (spec.imbalance_ratio.is_some() || spec.n_max.is_some()) {
        let hint = "leave out `--imbalance-ratio` and `--n-max`";
        return invalid(
            "--subset",
            "class counts from one place",
            "an index file and a ratio".to_owned(),
            hint,
        );
    }
    Ok(())
}

/// Whether every class has as many images as are asked for.
pub(super) fn check_counts(
    counts: &[u64],
    ranked: &[Vec<u32>],
    spec: &SubsetSpec,
) -> Result<(), ExtractError> {
    let invalid = |name, expected: String, got: String, hint: &str| {
        Err(ExtractError::InvalidSetting { name, expected, got, hint: hint.to_owned() })
    };
    for (class, (&count, rows)) in counts.iter().zip(ranked).enumerate() {
        let (one, got, there) =
            ("at least one image of every class", format!("none of class {class}"), rows.len());
        match (count, spec.imbalance_ratio, spec.n_max) {
            (0, None, None) => {
                return invalid("--data", format!("{one}, for training"), got, "get the data set again");
            }
            (0, ..) => {
                let hint = "give a smaller ratio or a larger `--n-max`";
                return invalid("--imbalance-ratio", one.to_owned(), got, hint);
            }
            (_, ratio, n_max) if count > there as u64 => {
                let most = format!("at most the {there} training images of class {class}");
                let hint = "give a smaller `--n-max`";
                return match (ratio, n_max) {
                    (Some(ratio), None) => invalid(
                        "--imbalance-ratio",
                        most,
                        format!("{count}, for a ratio of {ratio} from the mean class size on"),
                        "`--n-max` sets the largest class; data that is long-tailed already needs no ratio",
                    ),
                    _ => invalid("--n-max", most, count.to_string(), hint),
                };
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn no_validation_images_left(got: &str) -> ExtractError {
    ExtractError::InvalidSetting {
        name: "--val-per-class",
        expected: "enough images that training does not use".to_owned(),
        got: got.to_owned(),
        hint: "`--n-max N` leaves the images of a class beyond N over; image files are validation images by \
               `--val-list`, a folder `val`, or `--split-file`; `--val-fraction 0.1` takes a tenth of each class"
            .to_owned(),
    }
}

fn invalid(name: &'static str, expected: &str, got: String, hint: &str) -> Result<(), ExtractError> {
    Err(ExtractError::InvalidSetting { name, expected: expected.to_owned(), got, hint: hint.to_owned() })
}
