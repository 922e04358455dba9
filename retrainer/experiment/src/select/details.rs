//! What a record keeps of the weight state that a protocol selected: per-class numbers, and which test samples are right.

use super::SeedResult;
use crate::{
    metrics::{Confusions, ConfusionsError, Hits, HitsError, PerClass, TOP1},
    protocol::Protocol,
    records::{RunRecord, SealedError},
};
use std::borrow::Cow;
use thiserror::Error;

/// Accuracies of one state agree to rounding: those of classes are f32.
const SAME_STATE: f64 = 1e-6;

/// Per-class numbers of the test split of one weight state, with the accuracy of that state.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail<'a> {
    /// Mean of the per-class accuracies, a fraction.
    pub top1: f64,
    /// The numbers.
    pub per_class: Cow<'a, PerClass>,
}

/// Per-class numbers or hits that are not those of their state.
#[derive(Debug, Error)]
pub enum DetailError {
    /// The per-class numbers cannot be read.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The hits cannot be read.
    #[error(transparent)]
    Hits(#[from] HitsError),
    /// The confusions cannot be read.
    #[error(transparent)]
    Confusions(#[from] ConfusionsError),
    /// They have another accuracy than the state.
    #[error("{what} have accuracy {got}, their state has {expected}")]
    OtherState {
        /// Per-class accuracies, hits or confusions.
        what: &'static str,
        /// Accuracy of the state.
        expected: f64,
        /// Their accuracy.
        got: f64,
    },
}

/// The per-class numbers of the state that the protocol selected; `None` where the record keeps none, as older programs did
/// of all states but the last.
///
/// # Errors
/// [`DetailError`] when they are damaged or those of another state.
pub fn selected_detail<'a>(
    record: &'a RunRecord,
    seed: &SeedResult,
) -> Result<Option<Detail<'a>>, DetailError> {
    detail(record, seed.epoch, seed.values.get(TOP1.all))
}

/// The per-class numbers after the last epoch of a selected run: for figures of records that keep no others.
///
/// # Errors
/// As [`selected_detail`].
pub(crate) fn last_detail(record: &RunRecord) -> Result<Option<Detail<'_>>, DetailError> {
    let Some(last) = record.metrics.get(Protocol::Last) else { return Ok(None) };
    detail(record, last.epoch, last.test.unseal().get(TOP1.all))
}

impl Detail<'_> {
    /// Which test samples the state has right; `None` where the record does not say.
    ///
    /// # Errors
    /// [`DetailError`] when they are damaged or those of another state.
    pub fn hits(&self) -> Result<Option<Hits>, DetailError> {
        let Some(packed) = &self.per_class.hits else { return Ok(None) };
        let hits = packed.unpack()?;
        same_state("the hits", self.top1, hits.top1())?;
        Ok(Some(hits))
    }

    /// Which classes the test samples are taken for in the state; `None` where the record does not say.
    ///
    /// # Errors
    /// [`DetailError`] when they are damaged or those of another state.
    pub fn confusions(&self) -> Result<Option<Confusions>, DetailError> {
        let Some(packed) = &self.per_class.confusions else { return Ok(None) };
        let confusions = packed.unpack()?;
        same_state("the confusions", self.top1, confusions.top1())?;
        Ok(Some(confusions))
    }
}

fn detail(record: &RunRecord, epoch: u32, top1: Option<f64>) -> Result<Option<Detail<'_>>, DetailError> {
    let Some((sealed, top1)) = record.per_class_of(epoch).zip(top1) else { return Ok(None) };
    let per_class = sealed.unpacked()?.unseal();
    let known: Vec<f64> = per_class.accuracy.iter().flatten().map(|&accuracy| accuracy.into()).collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    same_state("the per-class accuracies", top1, (!known.is_empty()).then_some(mean))?;
    Ok(Some(Detail { top1, per_class }))
}

fn same_state(what: &'static str, expected: f64, got: Option<f64>) -> Result<(), DetailError> {
    match got {
        Some(got) if (got - expected).abs() > SAME_STATE || got.is_nan() => {
            Err(DetailError::OtherState { what, expected, got })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::Evaluation,
        records::testing::{stored, validated},
        select::select,
    };
    use cache::{ClassCounts, ClassId};

    /// Per-class numbers of three samples of two classes, of which `right` are right.
    fn numbers(right: [bool; 3]) -> PerClass {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![200, 5]).unwrap());
        let labels = [ClassId(0), ClassId(0), ClassId(1)];
        for (label, right) in labels.iter().zip(right) {
            let own = if right { 1.0 } else { -1.0 };
            let row = if label.0 == 0 { [own, 0.0] } else { [0.0, own] };
            evaluation.update(&row, std::slice::from_ref(label)).unwrap();
        }
        let hits = evaluation.hits(&labels).unwrap().pack().unwrap();
        let confusions = evaluation.confusions().unwrap().pack().unwrap();
        PerClass { hits: Some(hits), confusions: Some(confusions), ..evaluation.finish().per_class }
    }

    /// A run with accuracy 3/4 at the chosen epoch 5 and 0 after the last epoch, and what the protocol selects of it.
    fn run() -> (RunRecord, SeedResult) {
        let mut record = validated("ce", "{}", 0, 0.5, 0.75);
        record.per_class = Some(numbers([false; 3]).into());
        let runs = stored(&[record.clone()]);
        let selected = select(&[&runs[0]], Protocol::Val).unwrap().remove(0);
        (record, selected.seeds()[0].clone())
    }

    #[test]
    fn the_selected_state_has_its_own_numbers_and_an_older_record_none() {
        let (mut record, seed) = run();
        assert_eq!(selected_detail(&record, &seed).unwrap(), None);
        assert_eq!(last_detail(&record).unwrap().unwrap().top1, 0.0);
        let chosen = crate::records::SealedPerClass::from(numbers([true, false, true])).packed();
        record.per_class_at.insert(5, chosen);
        let detail = selected_detail(&record, &seed).unwrap().unwrap();
        assert_eq!((detail.top1, &detail.per_class.accuracy), (0.75, &vec![Some(0.5), Some(1.0)]));
        assert_eq!(detail.hits().unwrap().unwrap().right().collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn numbers_or_hits_of_another_state_are_an_error() {
        let (mut record, seed) = run();
        record.per_class_at.insert(5, numbers([true; 3]).into());
        let error = selected_detail(&record, &seed).unwrap_err().to_string();
        assert_eq!(error, "the per-class accuracies have accuracy 1, their state has 0.75");
        let mixed = PerClass { hits: numbers([true; 3]).hits, ..numbers([true, false, true]) };
        record.per_class_at.insert(5, mixed.into());
        let error = selected_detail(&record, &seed).unwrap().unwrap().hits().unwrap_err().to_string();
        assert_eq!(error, "the hits have accuracy 1, their state has 0.75");
        let mixed = PerClass { confusions: numbers([true; 3]).confusions, ..numbers([true, false, true]) };
        record.per_class_at.insert(5, mixed.into());
        let error = selected_detail(&record, &seed).unwrap().unwrap().confusions().unwrap_err().to_string();
        assert_eq!(error, "the confusions have accuracy 1, their state has 0.75");
    }
}
