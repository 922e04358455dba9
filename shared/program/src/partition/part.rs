//! A part of work that several processes share.

use std::{fmt, num::NonZeroUsize, str::FromStr};

/// Parts that work is dealt to, at most: schedulers' arrays are smaller.
pub const MOST_PARTS: usize = 100_000;

/// Part i of n of work that several processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Counted from 0.
    index: usize,
    of: NonZeroUsize,
}

impl Partition {
    /// All of the work.
    pub const WHOLE: Self = Self { index: 0, of: NonZeroUsize::MIN };

    /// The part of this number, counted from 0; `None` where there are not so many, and of more than [`MOST_PARTS`].
    pub fn new(index: usize, of: NonZeroUsize) -> Option<Self> {
        (index < of.get() && of.get() <= MOST_PARTS).then_some(Self { index, of })
    }

    /// Whether it is all of the work.
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    /// Its number, counted from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// How many parts there are.
    pub fn of(self) -> NonZeroUsize {
        self.of
    }

    /// Whether an item of this number is in this part, where items are dealt out in turn.
    pub fn has(self, item: usize) -> bool {
        item % self.of == self.index
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        parts
            .and_then(|(i, of): (NonZeroUsize, NonZeroUsize)| Self::new(i.get() - 1, of))
            .ok_or_else(|| "expected I/N with 1 ≤ I ≤ N ≤ 100000".to_owned())
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
    fn every_item_is_in_one_part() {
        for n in 1..5 {
            let parts: Vec<Partition> = (1..=n).map(|i| format!("{i}/{n}").parse().unwrap()).collect();
            for item in 0..20 {
                assert_eq!(parts.iter().filter(|part| part.has(item)).count(), 1);
            }
            assert!(parts.iter().enumerate().all(|(i, part)| part.to_string() == format!("{}/{n}", i + 1)));
        }
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        for text in ["0/2", "3/2", "1/100001", "1/99999999999", "1", "1/0", "a/b", "1/2/3", "-1/2", ""] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
