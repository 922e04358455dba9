//! Which features a folder of shards holds: a split under a transform.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The long-tailed training samples.
    Train,
    /// Held-out samples for choosing hyper-parameters and epochs.
    Val,
    /// The samples that are reported, and seen once.
    Test,
}

impl Split {
    /// All splits, in reading order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// `training`, `validation` or `test`: what its samples are called in a sentence.
    pub fn adjective(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Val => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A transform of the images of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// The evaluation transform.
    Clean,
    /// The evaluation transform of the mirrored image (test-time augmentation).
    Flipped,
    /// The k-th random draw of the training transform.
    Augmented(u32),
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Flipped => f.write_str("flipped"),
            Self::Augmented(k) => write!(f, "augmented-{k:02}"),
        }
    }
}

impl FromStr for View {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let view = match text {
            "clean" => Some(Self::Clean),
            "flipped" => Some(Self::Flipped),
            _ => text.strip_prefix("augmented-").and_then(|k| k.parse().ok()).map(Self::Augmented),
        };
        // Only the canonical spelling names a view: `augmented-1` and `augmented-01` must not be two folders.
        view.filter(|view| view.to_string() == text)
            .ok_or_else(|| format!("`{text}` is no view (clean, flipped, augmented-00, augmented-01 …)"))
    }
}

/// A split under a transform; its name is the folder's: `train.clean`, `test.flipped`, `train.augmented-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ViewId {
    /// The part of the data set.
    pub split: Split,
    /// The transform.
    pub view: View,
}

impl ViewId {
    /// Names a view of a split.
    pub fn new(split: Split, view: View) -> Self {
        Self { split, view }
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.split, self.view)
    }
}

impl FromStr for ViewId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (split, view) = text.split_once('.').ok_or_else(|| format!("`{text}` is not SPLIT.VIEW"))?;
        let split = Split::ALL
            .into_iter()
            .find(|candidate| candidate.name() == split)
            .ok_or_else(|| format!("`{split}` is no split (train, val, test)"))?;
        Ok(Self { split, view: view.parse()? })
    }
}

impl TryFrom<String> for ViewId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ViewId> for String {
    fn from(id: ViewId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_same_view() {
        for split in Split::ALL {
            for view in
                [View::Clean, View::Flipped, View::Augmented(0), View::Augmented(19), View::Augmented(100)]
            {
                let id = ViewId::new(split, view);
                assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }

    #[test]
    fn rejects_other_spellings() {
        for text in
            ["train", "train.", "train.augmented-1", "train.augmented-+1", "dev.clean", "train.clean/.."]
        {
            assert!(text.parse::<ViewId>().is_err(), "{text}");
        }
    }
}
