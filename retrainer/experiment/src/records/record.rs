//! The record of one trained head: one JSON line.

use super::{curve::Curve, params::Params, sealed::SealedPerClass};
use crate::{
    metrics::MetricValues,
    protocol::{Key, PerProtocol, Protocol, State, Unseen, check_fraction},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the record format, in `versions.format`.
pub const FORMAT_VERSION: u32 = 1;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All epochs are done.
    Ok,
    /// The weights stopped being finite.
    Diverged,
}

/// Why a run is there that no grid names: what validation asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Added {
    /// It lies beyond an edge of the grid that validation chose.
    Widened,
    /// A further seed of one of the best settings by validation.
    Finalist,
}

/// What decided a result beside the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Version of this program.
    pub retrainer: String,
    /// Version of libtorch.
    pub torch: String,
    /// Commit of this program.
    pub commit: String,
    /// [`FORMAT_VERSION`] of the writer.
    pub format: u32,
}

/// One weight state of a head, as a record keeps it.
pub type StateMetrics = State<Unseen<MetricValues>>;

/// The weight states of one head that protocols may choose: the last one is absent when diverged.
pub type RunMetrics = PerProtocol<StateMetrics>;

/// One trained head: what it was, what it scored, what it took.
///
/// `P` is [`serde::de::IgnoredAny`] where the per-class numbers, most of a line, are skipped and not parsed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord<P = SealedPerClass> {
    /// [`super::run_id`] of this run.
    pub run_id: String,
    /// Key of the feature cache.
    pub cache_key: String,
    /// Where the cache was, a hint for people.
    pub cache: String,
    /// Name of the method.
    pub method: String,
    /// All hyper-parameters that decided the result, defaults too.
    pub params: Params,
    /// Seed of initialisation and sample order.
    pub seed: u64,
    /// Why it is there, where no grid names it; no part of its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<Added>,
    /// How the run ended.
    pub status: Status,
    /// First epoch whose weights were not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged_at: Option<u32>,
    /// Scores of the weight states.
    #[serde(default)]
    pub metrics: RunMetrics,
    /// Scores after each epoch, where protocols looked at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// Per-class numbers of the test split after the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_class: Option<P>,
    /// The same after each other epoch that a protocol chose, by epoch; protocols that chose the same epoch share it. Packed,
    /// so that a line is not twice as long; older programs recorded none.
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    pub per_class_at: BTreeMap<u32, P>,
    /// Share of this head in the time of its group, seconds.
    pub seconds: f64,
    /// Programs that made it.
    pub versions: Versions,
    /// `cpu`, `cuda:0`, …
    pub device: String,
    /// What the products of training read: `f32`, `tf32` or `bf16`.
    pub precision: String,
}

impl<P> RunRecord<P> {
    /// Whether the numbers are possible ones: what is not was written by no program.
    pub(super) fn check(&self) -> Result<(), String> {
        for (_, state) in self.metrics.iter() {
            state.test.check()?;
            state
                .val
                .iter()
                .try_for_each(|(score, &value)| check_fraction(score.metric(), score.key(), value))?;
        }
        if self.seconds.is_nan() || self.seconds < 0.0 {
            return Err(format!("`seconds` is {}, expected at least 0", self.seconds));
        }
        self.curve.as_ref().map_or(Ok(()), Curve::check)
    }
}

impl RunRecord {
    /// The per-class numbers at an epoch, if the record has them.
    pub(crate) fn per_class_of(&self, epoch: u32) -> Option<&SealedPerClass> {
        match self.metrics.get(Protocol::Last) {
            Some(last) if last.epoch == epoch => self.per_class.as_ref(),
            _ => self.per_class_at.get(&epoch),
        }
    }

    /// Takes the per-class numbers of epochs that are missing here from another record of the same run, whose sweep recorded
    /// other protocols.
    pub(super) fn complete(&mut self, other: Self) {
        let last = other.metrics.get(Protocol::Last).map(|last| last.epoch).zip(other.per_class);
        for (epoch, numbers) in other.per_class_at.into_iter().chain(last) {
            if self.per_class_of(epoch).is_none() {
                self.per_class_at.insert(epoch, numbers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::PerClass,
        records::testing::{diverged, validated},
    };

    #[test]
    fn a_record_is_one_flat_line_and_survives_exactly() {
        let mut record =
            validated("lort", r#"{"delta":0.98,"lr":0.0005,"init":"stage1"}"#, 2, 0.1 + 0.2, 1.0 / 3.0);
        record.per_class = Some(PerClass { accuracy: vec![Some(0.83), None], ..PerClass::default() }.into());
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RunRecord>(&line).unwrap(), record);
        insta::assert_snapshot!(line.replace(&record.run_id, "ID"), @r#"{"run_id":"ID","cache_key":"0123456789abcdef","cache":"caches/cifar100-lt","method":"lort","params":{"delta":0.98,"lr":0.0005,"init":"stage1"},"seed":2,"status":"ok","metrics":{"last":{"epoch":20,"val.top1.all":0.0,"top1.all":0.0,"top1.many":0.0,"top1.medium":0.0,"top1.few":0.0},"val_selected":{"epoch":5,"val.top1.all":0.30000000000000004,"top1.all":0.3333333333333333,"top1.many":0.3333333333333333,"top1.medium":0.3333333333333333,"top1.few":0.3333333333333333}},"per_class":{"accuracy":[0.83,null]},"seconds":0.5,"versions":{"retrainer":"0.1.0","torch":"2.11.0","commit":"unknown","format":1},"device":"cpu","precision":"f32"}"#);
    }

    #[test]
    fn a_diverged_record_says_when_and_has_no_metrics() {
        let line = serde_json::to_string(&diverged("ce", "{}", 0)).unwrap();
        assert!(line.contains(r#""status":"diverged","diverged_at":3,"metrics":{},"#), "{line}");
    }
}
