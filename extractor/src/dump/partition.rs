//! Several processes, or machines with one file system, that share a dump.

use std::{fmt, num::NonZeroUsize, str::FromStr};

/// Part i of n: the shards i − 1, i − 1 + n, i − 1 + 2n … of all shards of a dump, in the order of its views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Counted from 0.
    index: usize,
    of: NonZeroUsize,
}

impl Partition {
    /// All shards.
    pub const WHOLE: Self = Self { index: 0, of: NonZeroUsize::MIN };

    /// Whether every shard is in this part.
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    /// Whether the shard of this number is in this part.
    pub(super) fn has(self, shard: usize) -> bool {
        shard % self.of == self.index
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        parts
            .filter(|(i, n): &(NonZeroUsize, NonZeroUsize)| i <= n)
            .map(|(i, of)| Self { index: i.get() - 1, of })
            .ok_or_else(|| "expected I/N with 1 ≤ I ≤ N".to_owned())
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_in_one_partition() {
        for n in 1..5 {
            let parts: Vec<Partition> = (1..=n).map(|i| format!("{i}/{n}").parse().unwrap()).collect();
            for shard in 0..20 {
                assert_eq!(parts.iter().filter(|part| part.has(shard)).count(), 1);
            }
            assert!(parts.iter().enumerate().all(|(i, part)| part.to_string() == format!("{}/{n}", i + 1)));
        }
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        for text in ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", ""] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
