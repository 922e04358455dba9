//! The weight states of a group that protocols choose, each measured on the test split once.

use super::{
    classifier::{Parameters, Place},
    data::{Data, EvaluationSplit},
    error::TrainError,
    evaluate::{self, Heads},
    head::Head,
    scores,
};
use experiment::metrics::Metrics;
use experiment::protocol::{
    Chooser, HeldOut, PerChooser, PerProtocol, PerScore, Protocol, Protocols, Score, State,
};

/// A head's weights at one epoch, measured on the test split.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Metrics on the test split.
    pub metrics: Metrics,
    /// The weights.
    pub head: Head,
}

/// The states of one head and its scores after each epoch.
pub(super) type States = (PerProtocol<State<Tested>>, PerChooser<Vec<f64>>);

/// What protocols need to know of the epochs of a group.
#[derive(Debug)]
pub(super) struct Tracker {
    best: PerProtocol<Best>,
    protocols: Protocols,
    /// Validation scores of the latest epoch, head by head.
    val: Vec<PerScore<f64>>,
    curves: Vec<PerChooser<Vec<f64>>>,
}

impl Tracker {
    pub(super) fn new(
        protocols: &Protocols,
        parameters: &Parameters,
        heads: usize,
        data: &Data<'_>,
    ) -> Result<Self, TrainError> {
        let best = protocols
            .choosing()
            .filter(|(_, chooser)| split(data, chooser.split).is_some())
            .map(|(protocol, chooser)| Ok((protocol, Best::new(chooser, parameters, heads)?)));
        Ok(Self {
            best: best.collect::<Result<_, TrainError>>()?,
            protocols: protocols.clone(),
            val: vec![PerScore::default(); heads],
            curves: vec![PerChooser::default(); heads],
        })
    }

    /// Looks at the weights after `done` of `epochs` epochs: on each split only where a protocol chooses by it.
    pub(super) fn end_epoch(
        &mut self,
        parameters: &Parameters,
        done: usize,
        epochs: usize,
        data: &Data<'_>,
    ) -> Result<(), TrainError> {
        let now = Heads { logits: parameters, count: self.curves.len() };
        for held_out in [HeldOut::Val, HeldOut::Test] {
            let choosing = self.protocols.scores(held_out);
            let wanted = match held_out {
                HeldOut::Val if done == epochs => self.protocols.val_scores(),
                HeldOut::Val | HeldOut::Test => choosing.clone(),
            };
            let Some(split) = split(data, held_out).filter(|_| !wanted.is_empty()) else { continue };
            let measured = scores::scores(&now, data, split, &wanted)?;
            for score in choosing {
                let chooser = Chooser { split: held_out, score };
                for (curve, measured) in self.curves.iter_mut().zip(&measured) {
                    let latest = measured.get(score).copied();
                    match curve.get_mut(chooser) {
                        Some(known) => known.extend(latest),
                        None => drop(curve.insert(chooser, Vec::from_iter(latest))),
                    }
                }
            }
            if held_out == HeldOut::Val {
                self.val = measured;
            }
        }
        self.best.iter_mut().try_for_each(|(_, best)| best.update(parameters, done, &self.curves, &self.val))
    }

    /// The chosen states; equal epochs of a head are one state, measured once.
    pub(super) fn finish(
        self,
        parameters: &Parameters,
        epochs: usize,
        data: &Data<'_>,
    ) -> Result<Vec<States>, TrainError> {
        let heads = self.curves.len();
        let all: Vec<usize> = (0..heads).collect();
        let last = measure_heads(parameters, &all, heads, &vec![epochs; heads], &self.val, data)?;
        let mut states: Vec<PerProtocol<State<Tested>>> =
            last.into_iter().map(|last| [(Protocol::Last, last)].into()).collect();
        for (protocol, best) in self.best {
            let measured = best.measure(&states, heads, data)?;
            for (states, chosen) in states.iter_mut().zip(measured) {
                states.insert(protocol, chosen);
            }
        }
        Ok(states.into_iter().zip(self.curves).collect())
    }
}

/// A held-out split, where the cache has it.
fn split<'a, 'data>(data: &'a Data<'data>, split: HeldOut) -> Option<&'a EvaluationSplit<'data>> {
    match split {
        HeldOut::Val => data.val.as_ref(),
        HeldOut::Test => Some(&data.test),
    }
}

/// A number of epochs in records.
pub(super) fn count(epochs: usize) -> u32 {
    u32::try_from(epochs).unwrap_or(u32::MAX)
}

/// The best epoch of each head so far and the weights it had then.
#[derive(Debug)]
struct Best {
    chooser: Chooser,
    parameters: Box<Parameters>,
    epochs: Vec<usize>,
    scores: Vec<f64>,
    /// Validation scores at that epoch.
    val: Vec<PerScore<f64>>,
}

impl Best {
    fn new(chooser: Chooser, parameters: &Parameters, heads: usize) -> Result<Self, TrainError> {
        Ok(Self {
            chooser,
            parameters: parameters.snapshot()?,
            epochs: vec![0; heads],
            scores: vec![0.0; heads],
            val: vec![PerScore::default(); heads],
        })
    }

    /// Looks at the latest score of each head's curve: the first one counts, and then each that is better.
    fn update(
        &mut self,
        parameters: &Parameters,
        epoch: usize,
        curves: &[PerChooser<Vec<f64>>],
        val: &[PerScore<f64>],
    ) -> Result<(), TrainError> {
        let heads = curves.len();
        let state = self.scores.iter_mut().zip(&mut self.epochs).zip(&mut self.val);
        for (head, (((best, best_epoch), best_val), (curve, val))) in
            state.zip(curves.iter().zip(val)).enumerate()
        {
            let Some(&score) = curve.get(self.chooser).and_then(|scores| scores.last()) else { continue };
            if *best_epoch == 0 || self.chooser.score.gain(score, *best) > 0.0 {
                (*best, *best_epoch, *best_val) = (score, epoch, val.clone());
                self.parameters.copy_head(parameters, Place { head, heads })?;
            }
        }
        Ok(())
    }

    /// The state of each head, measured only where none of its `known` ones is of the same epoch.
    fn measure(
        &self,
        known: &[PerProtocol<State<Tested>>],
        heads: usize,
        data: &Data<'_>,
    ) -> Result<Vec<State<Tested>>, TrainError> {
        let known = known.iter().zip(&self.epochs).map(|(states, &epoch)| {
            states.iter().map(|(_, state)| state).find(|state| state.epoch == count(epoch)).cloned()
        });
        let mut states: Vec<Option<State<Tested>>> = known.collect();
        let missing: Vec<usize> =
            (0..heads).filter(|&i| states.get(i).is_some_and(Option::is_none)).collect();
        let measured = measure_heads(&*self.parameters, &missing, heads, &self.epochs, &self.val, data)?;
        for (index, state) in missing.into_iter().zip(measured) {
            if let Some(slot) = states.get_mut(index) {
                *slot = Some(state);
            }
        }
        let chosen = states.into_iter().flatten().zip(&self.val);
        Ok(chosen.map(|(state, val)| State { val: val.clone(), ..state }).collect())
    }
}

/// Measures some of a group's `heads` on the test split; `epochs` and `val` are those of all.
fn measure_heads(
    parameters: &Parameters,
    some: &[usize],
    heads: usize,
    epochs: &[usize],
    val: &[PerScore<f64>],
    data: &Data<'_>,
) -> Result<Vec<State<Tested>>, TrainError> {
    if some.is_empty() {
        return Ok(Vec::new());
    }
    let base = data.stage1.as_ref();
    let linear = some.iter().map(|&head| parameters.head(Place { head, heads }, base));
    let linear = linear.collect::<Result<Vec<_>, _>>()?;
    let picked = (some.len() < heads).then(|| parameters.select(some, heads)).transpose()?;
    let logits = picked.as_deref().unwrap_or(parameters);
    let pick = |&index: &usize| Some((*epochs.get(index)?, val.get(index)?.clone()));
    let (epochs, val): (Vec<usize>, Vec<PerScore<f64>>) = some.iter().filter_map(pick).unzip();
    measure(&Heads { logits, count: some.len() }, linear, data, &epochs, &val)
}

/// Validation scores of each head; none without a validation split.
pub(super) fn validate(
    heads: &Heads<'_>,
    data: &Data<'_>,
    wanted: &[Score],
) -> Result<Vec<PerScore<f64>>, TrainError> {
    match &data.val {
        None => Ok(vec![PerScore::default(); heads.count]),
        Some(split) => scores::scores(heads, data, split, wanted),
    }
}

/// Measures heads, whose weights are `linear`, on the test split.
pub(super) fn measure(
    heads: &Heads<'_>,
    linear: Vec<Head>,
    data: &Data<'_>,
    epochs: &[usize],
    val: &[PerScore<f64>],
) -> Result<Vec<State<Tested>>, TrainError> {
    let metrics = evaluate::metrics(heads, &linear, data, &data.test, data.class_counts)?;
    let measured = metrics.into_iter().zip(linear).zip(epochs.iter().zip(val));
    let state = |((metrics, head), (&epoch, val)): (_, (&usize, &PerScore<f64>))| State {
        epoch: count(epoch),
        val: val.clone(),
        test: Tested { metrics, head },
    };
    Ok(measured.map(state).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::{FeatureCache, synthetic::SyntheticCache};
    use tch::Device;

    /// Weights of 0 have NLL ln C, and accuracy 1/C as they name one class for all; large random ones are more often right and
    /// far surer where they are wrong.
    #[test]
    fn accuracy_and_nll_choose_different_epochs_and_the_earliest_of_equals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache::default().write(&path).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let data = Data::new(&cache, Device::Cpu, true, false).unwrap();
        let scaled = |factor: f32| {
            let mut head = crate::closed_form::linear_start(&data).unwrap();
            head.weight.iter_mut().chain(&mut head.bias).for_each(|weight| *weight *= factor);
            crate::classifier::Linear::new(&[head], Device::Cpu).unwrap()
        };
        let (nothing, large) = (scaled(0.0), scaled(1e4));
        let protocols = Protocols::of(&[Protocol::Val, Protocol::ValNll]);
        let mut tracker = Tracker::new(&protocols, &nothing, 1, &data).unwrap();
        let epochs: [&Parameters; 4] = [&nothing, &large, &nothing, &large];
        for (done, parameters) in epochs.into_iter().enumerate() {
            tracker.end_epoch(parameters, done + 1, 4, &data).unwrap();
        }
        let (states, curve) = tracker.finish(&large, 4, &data).unwrap().remove(0);
        let epoch = |protocol| states.get(protocol).map(|state| state.epoch);
        assert_eq!((epoch(Protocol::Val), epoch(Protocol::ValNll)), (Some(2), Some(1)));
        assert_eq!((epoch(Protocol::Last), epoch(Protocol::BestOnTest)), (Some(4), None));
        // f32 logarithms: a few units in the last place of ln 5.
        let nll = *states.get(Protocol::ValNll).unwrap().val.get(Score::Nll).unwrap();
        assert!((nll - 5_f64.ln()).abs() < 1e-6, "{nll}");
        let on_val = |score| curve.get(Chooser { split: HeldOut::Val, score }).unwrap();
        assert!(on_val(Score::Nll)[1] > 10.0 && on_val(Score::Top1)[1] > 0.2, "{curve:?}");
        assert_eq!(on_val(Score::Top1)[0], 0.2);
    }
}
