//! The list of metrics: what [`super::Evaluation`] feeds in its one pass, in the order of the reports.

use super::{
    accumulator::{Accumulator, NotFinite, Report, Sample},
    accuracy::{Accuracy, TOP1},
    calibration::Calibration,
    confused::Confused,
    groups::Groups,
    logit_histograms::LogitHistograms,
    logits_magnitude::LogitsMagnitude,
    metric::Metric,
    top5::Top5,
    weight_norm::WeightNorm,
};
use std::ops::Range;

/// Makes [`Accumulators`], a field each and every call known when compiled, and [`METRICS`] of what they declare.
macro_rules! accumulators {
    ($($field:ident: $kind:ident,)+) => {
        /// The accumulators of every metric.
        #[derive(Clone, Debug)]
        pub(super) struct Accumulators { $(pub(super) $field: $kind,)+ }

        /// Every metric of this crate, in the order of the reports.
        pub const METRICS: &[Metric; 0 $(+ $kind::METRICS.len())+] = &{
            let mut metrics = [TOP1.all; 0 $(+ $kind::METRICS.len())+];
            let mut place = 0;
            $(let mut own = 0;
            while own < $kind::METRICS.len() {
                metrics[place] = $kind::METRICS[own];
                (place, own) = (place + 1, own + 1);
            })+
            metrics
        };

        impl Accumulators {
            pub(super) fn new(groups: &Groups) -> Self {
                Self { $($field: $kind::new(groups),)+ }
            }

            /// One sample; a row that is not finite only goes where it counts as wrong.
            #[inline]
            pub(super) fn add(&mut self, sample: &Sample<'_>) {
                $(if sample.prediction.is_some() || $kind::NOT_FINITE == NotFinite::Wrong {
                    self.$field.add(sample);
                })+
            }

            /// The same samples, several rows together.
            #[inline]
            pub(super) fn add_rows(&mut self, rows: &[f32], columns: &Range<usize>, stride: usize) {
                $(self.$field.add_rows(rows, columns, stride);)+
            }

            /// `finite`: whether all logits were.
            pub(super) fn report(&self, groups: &Groups, finite: bool, report: &mut Report) {
                $(if finite || $kind::NOT_FINITE == NotFinite::Wrong {
                    self.$field.report(groups, report);
                })+
            }
        }
    };
}

accumulators! {
    accuracy: Accuracy,
    confused: Confused,
    top5: Top5,
    calibration: Calibration,
    magnitude: LogitsMagnitude,
    histograms: LogitHistograms,
    weight_norm: WeightNorm,
}

impl Metric {
    /// The entry of [`METRICS`] with that name.
    pub fn find(name: &str) -> Option<Self> {
        METRICS.iter().copied().find(|metric| metric.name == name)
    }
}
