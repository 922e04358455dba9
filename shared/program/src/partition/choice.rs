//! How people ask for a part of work.

use super::{
    part::{MOST_PARTS, Partition},
    scheduler::{Task, UnknownTask},
};
use std::{num::NonZeroUsize, str::FromStr};

/// What `--partition` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionChoice {
    /// `I/N`: this part.
    Part(Partition),
    /// `auto` and `auto/N`: the part that is the task's in its scheduler's array, of N where the scheduler does not say of how
    /// many.
    Auto(Option<NonZeroUsize>),
}

impl FromStr for PartitionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let few = |of: &NonZeroUsize| of.get() <= MOST_PARTS;
        let auto = match text.strip_prefix("auto") {
            Some("") => Some(None),
            Some(rest) => rest.strip_prefix('/').and_then(|of| of.parse().ok()).filter(few).map(Some),
            None => return text.parse().map(Self::Part),
        };
        auto.map(Self::Auto).ok_or_else(|| "expected I/N with 1 ≤ I ≤ N ≤ 100000, auto or auto/N".to_owned())
    }
}

impl PartitionChoice {
    /// Whether all of the work is asked for, by one process.
    pub fn is_whole(self) -> bool {
        self == Self::Part(Partition::WHOLE)
    }

    /// The part, where nothing remembers how the work was dealt: of what an array leaves, one that is submitted again has all.
    ///
    /// # Errors
    /// [`UnknownTask`] where `auto` finds no number.
    pub fn resolve(self) -> Result<Partition, UnknownTask> {
        match self {
            Self::Part(partition) => Ok(partition),
            Self::Auto(of) => {
                let task = Task::of_environment()?;
                task.part(task.numbering(of)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_or_the_task_s_own_is_asked_for() {
        for text in ["0/2", "auto/0", "auto/100001", "auto/", "automatic", "auto/x", "Auto", ""] {
            assert!(text.parse::<PartitionChoice>().is_err(), "{text}");
        }
        assert_eq!("auto".parse(), Ok(PartitionChoice::Auto(None)));
        assert_eq!("auto/8".parse(), Ok(PartitionChoice::Auto(NonZeroUsize::new(8))));
        assert_eq!("1/1".parse(), Ok(PartitionChoice::Part(Partition::WHOLE)));
    }
}
