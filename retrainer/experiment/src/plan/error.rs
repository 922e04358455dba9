//! Why a grid cannot be run on a cache.

use cache::Split;
use files::Hint;

/// A cache that a grid cannot be run on.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No test split to report on.
    #[error("the cache has no view `{split}.clean`")]
    MissingSplit {
        /// The split.
        split: Split,
    },
    /// Few-shot accuracy is chosen by, and there is none.
    #[error("no image of the validation split is of a class with fewer than 20 training samples")]
    NoFewShot,
    /// A method starts at or adjusts the stage-1 head.
    #[error("`{method}` needs the stage-1 head, and the cache has none")]
    MissingHead {
        /// The method.
        method: &'static str,
    },
    /// A method asks for augmented views.
    #[error("`{method}` asks for augmented views, and the cache has none")]
    MissingAugmented {
        /// The method.
        method: &'static str,
    },
    /// Prior or weight of a class without training samples.
    #[error("{} undefined for classes without training samples: {classes}", are(methods))]
    EmptyClasses {
        /// The methods.
        methods: Vec<&'static str>,
        /// The classes.
        classes: String,
    },
    /// A combination of values that overflows.
    #[error("`{method}` with {params} has a coefficient that is not finite")]
    NotFinite {
        /// The method.
        method: &'static str,
        /// Its parameters.
        params: String,
    },
}

impl PlanError {
    /// The same of all methods that it is true of, where it names them.
    pub(super) fn of_methods(self, methods: Vec<&'static str>) -> Self {
        match self {
            Self::EmptyClasses { classes, .. } => Self::EmptyClasses { methods, classes },
            other => other,
        }
    }

    /// What is wrong, without the method.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::MissingSplit { .. } | Self::NoFewShot => self.to_string(),
            Self::MissingHead { .. } => "needs the stage-1 head, and the cache has none".to_owned(),
            Self::MissingAugmented { .. } => "asks for augmented views, and the cache has none".to_owned(),
            Self::EmptyClasses { classes, .. } => {
                format!("undefined for classes without training samples: {classes}")
            }
            Self::NotFinite { .. } => "has a coefficient that is not finite".to_owned(),
        }
    }
}

impl Hint for PlanError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::MissingSplit { split: Split::Val } => {
                "dump or import the cache again with a validation set, or leave out what chooses by it: `--select-by`, or `val` among the protocols"
            }
            Self::MissingSplit { .. } => "dump or import the cache again with a test set",
            Self::NoFewShot => "choose by another score, such as `--select-by top1`",
            Self::MissingHead { .. } => {
                "import the cache with `--head FILE`, or use `init = \"fresh\"` and methods that train"
            }
            Self::MissingAugmented { .. } => {
                "dump the cache again with `--augmented K`, or use `view = \"clean\"`"
            }
            Self::EmptyClasses { .. } => {
                "leave the classes out of the data set, or use methods without priors, such as `lort`"
            }
            Self::NotFinite { .. } => "use less extreme values",
        };
        Some(text.to_owned())
    }
}

/// `a` is, `a` and `b` are, each in quotes.
fn are(methods: &[&str]) -> String {
    let quoted: Vec<String> = methods.iter().map(|method| format!("`{method}`")).collect();
    match quoted.as_slice() {
        [only] => format!("{only} is"),
        several => format!("{} are", several.join(", ")),
    }
}
