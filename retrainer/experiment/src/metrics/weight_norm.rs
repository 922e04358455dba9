//! Norms of the classifier rows.

use super::{
    accumulator::{Accumulator, NotFinite, Report, Sample},
    groups::Groups,
    metric::{ByGroup, Metric, by_group},
    per_class::PerClass,
};

/// Mean Euclidean norm of the classifier rows.
pub(crate) const WEIGHT_NORM: ByGroup = by_group!("weight_norm", Plain, Neither);

/// The norm of every row, which the logits do not tell.
#[derive(Clone, Debug)]
pub(super) struct WeightNorm(Vec<Option<f64>>);

impl WeightNorm {
    /// `norms` `[C]`; those that are not finite are none.
    pub(super) fn set(&mut self, norms: &[f64]) {
        self.0 = norms.iter().map(|&norm| Some(norm).filter(|norm| norm.is_finite())).collect();
    }
}

impl Accumulator for WeightNorm {
    const METRICS: &'static [Metric] = &WEIGHT_NORM.each();
    const NOT_FINITE: NotFinite = NotFinite::Wrong;

    fn new(_: &Groups) -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, _: &Sample<'_>) {}

    fn report(&self, groups: &Groups, report: &mut Report) {
        report.values.set_each(WEIGHT_NORM, groups.means(&self.0));
        report.per_class.weight_norm = PerClass::column(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Evaluation;
    use cache::ClassCounts;

    #[test]
    fn norms_are_summarised_by_group() {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![200, 300, 5]).unwrap());
        evaluation.set_weight_norms(&[1.0, 3.0, 0.5]).unwrap();
        let metrics = evaluation.finish();
        assert_eq!(metrics.values.get(WEIGHT_NORM.many), Some(2.0));
        assert_eq!(metrics.values.get(WEIGHT_NORM.few), Some(0.5));
    }
}
