//! Groups of classes that a report is asked for: by their training samples, or by name.

use crate::records::CacheSummary;
use cache::ClassCounts;
use files::Hint;
use program::names::nearest;
use std::{cmp::Reverse, ops::RangeInclusive, str::FromStr};
use thiserror::Error;

/// Classes whose mean accuracy has a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassGroup {
    /// Its heading.
    pub title: String,
    /// The classes.
    pub classes: Vec<usize>,
}

/// How classes are grouped by their training samples n_k.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// Numbers of samples t_1 > … > t_m: n > t_1, t_2 ≤ n ≤ t_1, then t_{i+1} ≤ n < t_i, at last n < t_m. `100,20` is many,
    /// medium and few.
    Thresholds(Vec<u64>),
    /// So many groups of as many classes each, from the largest classes to the smallest.
    Quantiles(usize),
}

/// Classes by name or number under a heading of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSet {
    /// The heading.
    pub title: String,
    /// Names, numbers from 0, or ranges of numbers, as they were typed.
    pub members: Vec<String>,
}

/// Groups that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GroupError {
    /// A rule that is none.
    #[error("`{0}` is no rule for groups: thresholds that fall, such as `100,20`, or `quantiles:4`")]
    Rule(String),
    /// A set without name or members.
    #[error("`{0}` is no set of classes: a name and classes, such as `trees=maple_tree,oak_tree,50-59`")]
    Set(String),
    /// The class counts are not kept beside the records.
    #[error("the class counts of cache {cache_key} are not known: its manifest is not beside the records")]
    NoClassCounts {
        /// The cache.
        cache_key: String,
    },
    /// A class that the data set does not have.
    #[error("`{name}` is neither the name nor the number of one of the {classes} classes")]
    UnknownClass {
        /// As typed.
        name: String,
        /// Number of classes.
        classes: usize,
        /// A class with a similar name.
        near: Option<String>,
    },
}

impl Hint for GroupError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Rule(_) | Self::Set(_) => None,
            Self::NoClassCounts { .. } => Some(
                "sweep the cache into the same folder again: it is kept even where nothing is to do"
                    .to_owned(),
            ),
            Self::UnknownClass { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::UnknownClass { classes, near: None, .. } => {
                Some(format!("classes are counted from 0 to {}", classes.saturating_sub(1)))
            }
        }
    }
}

impl FromStr for GroupRule {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, GroupError> {
        let wrong = || GroupError::Rule(text.to_owned());
        if let Some(count) = text.strip_prefix("quantiles:") {
            let count = count.trim().parse().ok().filter(|&count| count > 0);
            return count.map(Self::Quantiles).ok_or_else(wrong);
        }
        let thresholds: Result<Vec<u64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
        let thresholds = thresholds.map_err(|_| wrong())?;
        let falling = thresholds.is_sorted_by(|larger, smaller| larger > smaller);
        if falling { Ok(Self::Thresholds(thresholds)) } else { Err(wrong()) }
    }
}

impl FromStr for ClassSet {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, GroupError> {
        let parts = text.split_once('=').map(|(title, members)| {
            let members = members.split(',').map(|member| member.trim().to_owned());
            (title.trim(), members.filter(|member| !member.is_empty()).collect::<Vec<_>>())
        });
        let parts = parts.filter(|(title, members)| !title.is_empty() && !members.is_empty());
        let (title, members) = parts.ok_or_else(|| GroupError::Set(text.to_owned()))?;
        Ok(Self { title: title.to_owned(), members })
    }
}

impl GroupRule {
    /// The groups of such classes, largest classes first.
    pub fn groups(&self, counts: &ClassCounts) -> Vec<ClassGroup> {
        match self {
            Self::Thresholds(thresholds) => bounds(thresholds)
                .into_iter()
                .map(|(title, bounds)| {
                    let sized = counts.counts().iter().enumerate();
                    let classes = sized.filter(|(_, n)| bounds.contains(n)).map(|(class, _)| class).collect();
                    ClassGroup { title, classes }
                })
                .collect(),
            Self::Quantiles(parts) => quantiles(counts.counts(), *parts),
        }
    }
}

/// The bounds of n between thresholds that fall, with their words.
fn bounds(thresholds: &[u64]) -> Vec<(String, RangeInclusive<u64>)> {
    let (Some(&most), Some(&least)) = (thresholds.first(), thresholds.last()) else { return Vec::new() };
    let mut bounds = vec![(format!("> {most}"), most.saturating_add(1)..=u64::MAX)];
    let mut high = most;
    for &low in thresholds.iter().skip(1) {
        bounds.push((format!("{low} to {high}"), low..=high));
        high = low.saturating_sub(1);
    }
    // One threshold has no middle: its own classes are below.
    let last = if thresholds.len() == 1 { format!("≤ {most}") } else { format!("< {least}") };
    // Nothing is smaller than 0.
    if thresholds.len() == 1 || least > 0 {
        bounds.push((last, 0..=high));
    }
    bounds
}

/// Groups of as many classes each, as near as may be; classes of one size in the order of their numbers.
fn quantiles(counts: &[u64], parts: usize) -> Vec<ClassGroup> {
    let mut order: Vec<(usize, u64)> = counts.iter().copied().enumerate().collect();
    order.sort_by_key(|&(class, n)| (Reverse(n), class));
    let parts = parts.min(order.len()).max(1);
    let part = |part: usize| {
        let range = part * order.len() / parts..(part + 1) * order.len() / parts;
        let members = order.get(range).unwrap_or_default();
        let (most, least) =
            (members.first().map_or(0, |first| first.1), members.last().map_or(0, |last| last.1));
        let title = format!("{}/{parts} ({most} to {least})", part + 1);
        ClassGroup { title, classes: members.iter().map(|&(class, _)| class).collect() }
    };
    (0..parts).map(part).collect()
}

impl ClassSet {
    /// The set of a data set with such classes; a name comes before a number.
    ///
    /// # Errors
    /// [`GroupError::UnknownClass`].
    pub(super) fn group(&self, names: &[String]) -> Result<ClassGroup, GroupError> {
        let mut classes = Vec::new();
        for member in &self.members {
            let named = names.iter().position(|name| name == member).map(|class| class..=class);
            let range = named.or_else(|| range(member)).filter(|range| *range.end() < names.len());
            classes.extend(range.ok_or_else(|| GroupError::UnknownClass {
                name: member.clone(),
                classes: names.len(),
                near: nearest(member, names.iter().map(String::as_str)).map(str::to_owned),
            })?);
        }
        classes.sort_unstable();
        classes.dedup();
        Ok(ClassGroup { title: self.title.clone(), classes })
    }
}

/// `5` and `5-9`
fn range(text: &str) -> Option<RangeInclusive<usize>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to).then_some(from..=to)
}

/// The names of all classes.
pub(super) fn names(summary: &CacheSummary) -> &[String] {
    &summary.manifest().class_names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(rule: &str, counts: &[u64]) -> Vec<(String, Vec<usize>)> {
        let rule: GroupRule = rule.parse().unwrap();
        let groups = rule.groups(&ClassCounts::new(counts.to_vec()).unwrap());
        groups.into_iter().map(|group| (group.title, group.classes)).collect()
    }

    #[test]
    fn thresholds_of_the_field_are_its_groups_and_none_loses_a_class() {
        let counts = [101, 100, 20, 19, 500, 0];
        let named = |groups: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
            groups.iter().map(|&(title, classes)| (title.to_owned(), classes.to_vec())).collect()
        };
        let field = named(&[("> 100", &[0, 4]), ("20 to 100", &[1, 2]), ("< 20", &[3, 5])]);
        assert_eq!(groups("100, 20", &counts), field);
        assert_eq!(groups("100", &counts), named(&[("> 100", &[0, 4]), ("≤ 100", &[1, 2, 3, 5])]));
        let four = named(&[("> 400", &[4]), ("100 to 400", &[0, 1]), ("20 to 99", &[2]), ("< 20", &[3, 5])]);
        assert_eq!(groups("400,100,20", &counts), four);
        assert_eq!(groups("0", &counts), named(&[("> 0", &[0, 1, 2, 3, 4]), ("≤ 0", &[5])]));
        for rule in ["20,100", "20,20", "", "a", "quantiles:0", "quantiles:", "-1"] {
            assert_eq!(rule.parse::<GroupRule>(), Err(GroupError::Rule(rule.to_owned())));
        }
    }

    #[test]
    fn quantiles_have_as_many_classes_each_from_head_to_tail() {
        let titled = groups("quantiles:2", &[5, 9, 7, 1, 3]);
        assert_eq!(
            titled,
            [("1/2 (9 to 7)".to_owned(), vec![1, 2]), ("2/2 (5 to 1)".to_owned(), vec![0, 4, 3])]
        );
        // Never more groups than classes.
        assert_eq!(groups("quantiles:9", &[5, 9]).len(), 2);
    }

    #[test]
    fn a_set_has_names_numbers_and_ranges_and_what_is_no_class_is_an_error() {
        let names = ["maple_tree", "7", "oak_tree", "pine"].map(str::to_owned);
        let group = |text: &str| text.parse::<ClassSet>()?.group(&names);
        let trees = ClassGroup { title: "trees".to_owned(), classes: vec![0, 2, 3] };
        assert_eq!(group("trees = oak_tree, 0,2-3"), Ok(trees));
        assert_eq!(group("a=7").unwrap().classes, [1], "a name comes before a number");
        assert_eq!(group("a=oaktree").unwrap_err().hint().unwrap(), "did you mean `oak_tree`?");
        assert_eq!(group("a=4").unwrap_err().hint().unwrap(), "classes are counted from 0 to 3");
        for text in ["trees", "=1", "a=", "a=,"] {
            assert_eq!(group(text), Err(GroupError::Set(text.to_owned())));
        }
        assert!(group("a=3-2").is_err());
    }
}
