//! What epochs are chosen by, of many heads at once: counted on the device, one sync a score.

use super::{
    data::{Data, EvaluationSplit},
    error::TrainError,
    evaluate::{Heads, evaluation_pieces},
};
use cache::ClassCounts;
use experiment::{
    metrics::{ClassSizes, ClassTallies},
    protocol::{PerScore, Score},
};
use tch::{Kind, Tensor};
use torch::numbers::{from_i64, size, to_counts, to_f64};

/// Scores of each head on a split.
pub(super) fn scores(
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
    wanted: &[Score],
) -> Result<Vec<PerScore<f64>>, TrainError> {
    let mut scores = vec![PerScore::default(); heads.count];
    for &score in wanted {
        let measured = match score {
            Score::Top1 => balanced_accuracy(heads, data, split)?,
            Score::Nll => negative_log_likelihood(heads, data, split)?,
            Score::MacroF1 => class_score(heads, data, split, |_, tallies| tallies.macro_f1())?,
            Score::Few => class_score(heads, data, split, |counts, tallies| tallies.accuracy_of_few(counts))?,
        };
        for (scores, value) in scores.iter_mut().zip(measured) {
            scores.insert(score, value);
        }
    }
    Ok(scores)
}

/// Samples of each class of a split, `[C]`.
fn samples_of_classes(split: &EvaluationSplit<'_>, classes: usize) -> Vec<u64> {
    let mut samples = vec![0; classes];
    for label in split.labels {
        if let Some(count) = samples.get_mut(label.index()) {
            *count += 1;
        }
    }
    samples
}

/// Mean of per-class accuracies of each head, an exact fraction: what epochs are chosen by, the earliest of equals. Counted
/// on the device; one sync at the end.
fn balanced_accuracy(
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
) -> Result<Vec<f64>, TrainError> {
    let (device, classes) = (data.device, data.class_counts.classes());
    let sizes = ClassSizes::new(&samples_of_classes(split, classes));
    // Hits of all classes of one size; whole numbers, so that no order of the sums matters.
    let mut correct = Tensor::f_zeros([size(sizes.groups()), size(heads.count)], (Kind::Double, device))?;
    for range in evaluation_pieces(split.labels.len(), heads.count * classes) {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let numbers: Vec<i64> = labels.iter().map(|label| i64::from(label.0)).collect();
        let groups: Vec<i64> =
            labels.iter().filter_map(|label| sizes.group(label.index())).map(size).collect();
        let index = |numbers: &[i64]| from_i64(numbers, &[size(numbers.len())], device);
        let logits = heads.logits(data, split, range)?.f_view([-1, size(heads.count), size(classes)])?;
        let hits = logits.f_argmax(2, false)?.f_eq_tensor(&index(&numbers)?.f_unsqueeze(1)?)?;
        let _ = correct.f_index_add_(0, &index(&groups)?, &hits.f_to_kind(Kind::Double)?)?;
    }
    let correct = to_counts(&correct)?; // [groups, H]
    let of_head = |head: usize| correct.iter().skip(head).step_by(heads.count).copied().collect::<Vec<_>>();
    Ok((0..heads.count).map(|head| sizes.mean(&of_head(head)).unwrap_or(0.0)).collect())
}

/// A score of hits and predictions of each head's classes; 0 where no class has one, which is then so for all heads.
fn class_score(
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
    score: impl Fn(&ClassCounts, &ClassTallies<'_>) -> Option<f64>,
) -> Result<Vec<f64>, TrainError> {
    let (device, classes) = (data.device, data.class_counts.classes());
    let bins = size(heads.count * classes);
    let samples = samples_of_classes(split, classes);
    let zeros = || Tensor::f_zeros([bins], (Kind::Double, device));
    let (mut hits, mut predictions) = (zeros()?, zeros()?);
    // The first class of each head in a row of all heads' classes.
    let first = Tensor::f_arange(size(heads.count), (Kind::Int64, device))?.f_mul_scalar(size(classes))?;
    for range in evaluation_pieces(split.labels.len(), heads.count * classes) {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let own: Vec<i64> = labels.iter().map(|label| i64::from(label.0)).collect();
        let own = from_i64(&own, &[size(own.len()), 1], device)?;
        let logits = heads.logits(data, split, range)?.f_view([-1, size(heads.count), size(classes)])?;
        let predicted = logits.f_argmax(2, false)?;
        let right = predicted.f_eq_tensor(&own)?.f_to_kind(Kind::Double)?.f_view([-1])?;
        let place = predicted.f_add(&first)?.f_view([-1])?;
        // A prediction that is right is one of its label.
        let _ = hits.f_index_add_(0, &place, &right)?;
        let _ = predictions.f_index_add_(0, &place, &right.f_ones_like()?)?;
    }
    let (hits, predictions) = (to_counts(&hits)?, to_counts(&predictions)?);
    let of_head = hits.chunks(classes).zip(predictions.chunks(classes));
    let tallies = |(hits, predictions)| ClassTallies { samples: &samples, hits, predictions };
    Ok(of_head.map(|counts| score(data.class_counts, &tallies(counts)).unwrap_or(0.0)).collect())
}

/// Mean of −log p_y over samples of each head, nats; log p in f32, sums in f64. One sync at the end.
///
/// A mean that is not finite is the largest number: worse than every other, and one that records can hold.
fn negative_log_likelihood(
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
) -> Result<Vec<f64>, TrainError> {
    let (device, count) = (data.device, size(heads.count));
    let classes = size(data.class_counts.classes());
    let mut sums = Tensor::f_zeros([count], (Kind::Double, device))?;
    for range in evaluation_pieces(split.labels.len(), heads.count * data.class_counts.classes()) {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let own: Vec<i64> = labels.iter().map(|label| i64::from(label.0)).collect();
        let own = from_i64(&own, &[size(own.len()), 1, 1], device)?.f_expand([-1, count, -1], false)?;
        let logits = heads.logits(data, split, range)?.f_view([-1, count, classes])?;
        let log_p = logits.f_log_softmax(2, Kind::Float)?.f_gather(2, &own, false)?;
        let _ = sums.f_sub_(&log_p.f_sum_dim_intlist([0_i64, 2].as_slice(), false, Kind::Double)?)?;
    }
    let mean = |sum: f64| Some(sum / split.labels.len() as f64).filter(|mean| mean.is_finite());
    Ok(to_f64(&sums)?.into_iter().map(|sum| mean(sum).unwrap_or(f64::MAX)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        classifier::Linear,
        head::{Head, Start},
    };
    use cache::{FeatureCache, synthetic::SyntheticCache};
    use experiment::metrics::{Evaluation, MACRO_F1, NLL, TOP1};
    use tch::Device;

    /// What chooses is what reports tell of the same logits.
    #[test]
    fn each_score_is_the_metric_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache::default().write(&path).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let data = Data::new(&cache, Device::Cpu, true, false).unwrap();
        let classes = data.class_counts.classes();
        let linear: Vec<_> = (0..3).map(|seed| Head::fresh(classes, data.dim, seed)).collect();
        let logits = Linear::new(&linear, Device::Cpu).unwrap();
        let heads = Heads { logits: &logits, count: 3 };
        let split = data.val.as_ref().unwrap();
        let wanted = [Score::Top1, Score::Nll, Score::MacroF1, Score::Few];
        let scores = scores(&heads, &data, split, &wanted).unwrap();
        let mut different = std::collections::BTreeSet::new();
        for (head, scores) in scores.iter().enumerate() {
            let mut evaluation = Evaluation::new(data.class_counts);
            let all = heads.logits(&data, split, 0..split.labels.len()).unwrap();
            let all = torch::numbers::to_f32(&all).unwrap();
            evaluation.update_strided(&all, split.labels, head * classes, 3 * classes).unwrap();
            let values = evaluation.finish().values;
            for (score, metric) in wanted.into_iter().zip([TOP1.all, NLL, MACRO_F1, TOP1.few]) {
                let (got, expected) = (*scores.get(score).unwrap(), values.get(metric).unwrap());
                // Logarithms in f32 for the one and f64 for the other; counts are exact.
                assert!((got - expected).abs() < 1e-6, "{}: {got} is not {expected}", score.name());
                different.insert(format!("{head} {got:.6}"));
            }
        }
        assert!(different.len() > 6, "{different:?}");
    }
}
