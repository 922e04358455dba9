//! Test accuracy over all, many-, medium- and few-shot classes.

use super::head::Head;
use crate::{
    ExtractError,
    backbones::Backbone,
    batches::{Batch, Look, Source},
};
use cache::{BatchNormMode, ClassCounts, ClassId, Shot};
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Images of one forward pass.
const BATCH: usize = 250;

/// Means of per-class accuracies, as fractions; `None` for a group without classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Over all classes.
    pub all: Option<f64>,
    /// Over classes with more than 100 training samples.
    pub many: Option<f64>,
    /// Over classes with 20 to 100.
    pub medium: Option<f64>,
    /// Over classes with fewer than 20.
    pub few: Option<f64>,
}

impl Accuracy {
    /// From the samples of each class and how many of them were right; classes without samples do not count.
    pub fn from_hits(hits: &[i64], samples: &[i64], class_counts: &ClassCounts) -> Self {
        let mean = |group: Option<Shot>| {
            let accuracies: Vec<f64> = (0_u32..)
                .map(ClassId)
                .zip(hits.iter().zip(samples))
                .filter(|&(class, (_, &samples))| {
                    samples > 0 && group.is_none_or(|group| class_counts.shot(class) == group)
                })
                .map(|(_, (&hits, &samples))| hits as f64 / samples as f64)
                .collect();
            (!accuracies.is_empty()).then(|| accuracies.iter().sum::<f64>() / accuracies.len() as f64)
        };
        Self {
            all: mean(None),
            many: mean(Some(Shot::Many)),
            medium: mean(Some(Shot::Medium)),
            few: mean(Some(Shot::Few)),
        }
    }

    /// Accuracy on the clean images of a split, with the running batch-norm statistics.
    ///
    /// # Errors
    /// libtorch's, and those of images that cannot be read.
    pub fn measure(
        backbone: &Backbone,
        head: &Head,
        test: &Source,
        class_counts: &ClassCounts,
    ) -> Result<Self, ExtractError> {
        let _guard = tch::no_grad_guard();
        let classes = i64::try_from(class_counts.classes()).unwrap_or(i64::MAX);
        let mut right = Vec::new();
        let order: Vec<u32> = (0_u32..).take(test.len()).collect();
        let cuts = (0..test.len()).step_by(BATCH).map(|start| start..test.len().min(start + BATCH));
        let failed = || ExtractError::torch("measure the test accuracy");
        for batch in test.batches(Look::Clean, &order, cuts)? {
            let Batch { input, labels } = batch?;
            let answers = || -> Result<Tensor, TchError> {
                let logits = head.logits(&backbone.features(&input, BatchNormMode::Eval)?)?;
                logits.f_argmax(1, false)?.f_eq_tensor(&labels) // [B] bool
            };
            right.push(answers().map_err(failed())?);
        }
        if right.is_empty() {
            return Ok(Self::default());
        }
        let count = || -> Result<Self, TchError> {
            let right = Tensor::f_cat(&right, 0)?.f_to_dtype(Kind::Double, false, false)?;
            let hits = whole_numbers(&test.labels().f_bincount(Some(&right), classes)?)?;
            let samples = whole_numbers(&test.labels().f_bincount(None::<&Tensor>, classes)?)?;
            Ok(Self::from_hits(&hits, &samples, class_counts))
        };
        count().map_err(failed())
    }
}

fn whole_numbers(tensor: &Tensor) -> Result<Vec<i64>, TchError> {
    Vec::<i64>::try_from(tensor.f_to_dtype(Kind::Int64, false, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: class accuracies 1/2, 1/4, 1 (classes 0 and 1 many, class 3 few; class 2 has no test sample).
    #[test]
    fn groups_average_their_classes_and_empty_groups_have_no_number() {
        let counts = ClassCounts::new(vec![500, 101, 50, 5]).unwrap();
        let accuracy = Accuracy::from_hits(&[1, 1, 0, 3], &[2, 4, 0, 3], &counts);
        let expected = Accuracy { all: Some(1.75 / 3.0), many: Some(0.375), medium: None, few: Some(1.0) };
        assert_eq!(accuracy, expected);
    }
}
