//! Adds up which class each sample is taken for.

use super::{
    accumulator::{Accumulator, Report, Sample},
    confusions::Confusions,
    groups::Groups,
    metric::Metric,
};

/// Samples of each class, and those that are wrong by (class, predicted class).
#[derive(Clone, Debug)]
pub(super) struct Confused {
    samples: Vec<u32>,
    wrong: Vec<(u32, u32)>,
}

impl Accumulator for Confused {
    const METRICS: &'static [Metric] = &[];

    fn new(groups: &Groups) -> Self {
        Self { samples: vec![0; groups.shots().len()], wrong: Vec::new() }
    }

    #[inline]
    fn add(&mut self, sample: &Sample<'_>) {
        let predicted = sample.prediction.and_then(|prediction| u32::try_from(prediction.class).ok());
        let place = self.samples.get_mut(sample.label);
        let (Some(samples), Ok(label), Some(predicted)) = (place, u32::try_from(sample.label), predicted)
        else {
            return;
        };
        *samples += 1;
        if label != predicted {
            self.wrong.push((label, predicted));
        }
    }

    /// No value: what is seen is [`Confused::confusions`].
    fn report(&self, _: &Groups, _: &mut Report) {}
}

impl Confused {
    pub(super) fn confusions(&self) -> Confusions {
        Confusions::of(self.samples.clone(), &self.wrong)
    }
}
