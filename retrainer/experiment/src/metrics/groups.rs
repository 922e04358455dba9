//! Means of a per-class quantity over all, many, medium and few classes.

use cache::{ClassCounts, Shot};

/// The group of every class, from the training counts.
#[derive(Clone, Debug)]
pub(super) struct Groups(Vec<Shot>);

impl Groups {
    pub(super) fn new(class_counts: &ClassCounts) -> Self {
        Self(class_counts.counts().iter().map(|&count| Shot::of(count)).collect())
    }

    /// The group of every class, `[C]`.
    pub(super) fn shots(&self) -> &[Shot] {
        &self.0
    }

    /// Means over [all, many, medium, few]; classes without a value are left out, a group without any has none.
    pub(super) fn means(&self, per_class: &[Option<f64>]) -> [Option<f64>; 4] {
        let member = |group: Option<Shot>| {
            let members = self
                .0
                .iter()
                .zip(per_class)
                .filter(move |&(&shot, _)| group.is_none_or(|group| shot == group));
            mean(members.filter_map(|(_, &value)| value))
        };
        [member(None), member(Some(Shot::Many)), member(Some(Shot::Medium)), member(Some(Shot::Few))]
    }
}

/// Mean of the values; `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u64), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_group_and_a_class_without_value_leave_no_trace() {
        let groups = Groups::new(&ClassCounts::new(vec![500, 101, 100, 50]).unwrap());
        let means = groups.means(&[Some(1.0), None, Some(0.5), Some(0.0)]);
        assert_eq!(means, [Some(0.5), Some(1.0), Some(0.25), None]);
    }
}
