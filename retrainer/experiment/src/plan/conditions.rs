//! What decides the results of all heads of a sweep alike, beside their own settings.

use super::{Normalise, Point, Precision};
use crate::{
    methods::{Init, Value},
    records,
    spec::{HeadSpec, Untrained},
};

/// What decides the results of all heads of a sweep alike, beside their own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Whether the logits of clean and flipped views are averaged.
    pub test_time_augmentation: bool,
    /// What the products of training read.
    pub precision: Precision,
    /// What features go through before every head reads them.
    pub normalise: Normalise,
    /// Digest of the stage-1 head, where it is not the cache's own.
    pub stage1_head: Option<String>,
}

impl Conditions {
    /// A point's parameters as records keep them, with everything that decides its result; `spec` is the head that it makes.
    ///
    /// What has its usual value is left out, so that a run keeps its name when a new condition comes up.
    pub fn params(&self, point: &Point, spec: &HeadSpec) -> records::Params {
        let mut params = record_params(point, self.test_time_augmentation, self.precision);
        if self.normalise != Normalise::None {
            params = params.with(records::NORMALISE, self.normalise.name().into());
        }
        match &self.stage1_head {
            Some(digest) if needs_stage1(point, spec) => {
                let short = digest.get(..records::STAGE1_DIGITS).unwrap_or(digest);
                params.with(records::STAGE1_HEAD, short.into())
            }
            Some(_) | None => params,
        }
    }
}

impl Conditions {
    /// The parameters of a mean of the heads of some runs.
    pub fn of_soup(&self, members: &[&str]) -> records::Params {
        let digest = blake3::hash(members.join(" ").as_bytes()).to_hex();
        let short = digest.get(..records::STAGE1_DIGITS).unwrap_or(&digest).to_owned();
        let params: records::Params = [
            ("members".to_owned(), serde_json::Value::from(short)),
            (records::TEST_TIME_AUGMENTATION.to_owned(), self.test_time_augmentation.into()),
        ]
        .into_iter()
        .collect();
        match self.normalise {
            Normalise::None => params,
            Normalise::L2 | Normalise::Standardise => {
                params.with(records::NORMALISE, self.normalise.name().into())
            }
        }
    }
}

/// Whether the head cannot do without the stage-1 head: it adjusts it, starts there, or is trained on its logits.
pub fn needs_stage1(point: &Point, spec: &HeadSpec) -> bool {
    match spec {
        HeadSpec::Untrained(Untrained::Adjusted(_)) => true,
        HeadSpec::Untrained(Untrained::ClosedForm(_)) => false,
        HeadSpec::Sgd(recipe) => {
            recipe.needs_stage1() || point.params.sgd().is_some_and(|settings| settings.init == Init::Stage1)
        }
    }
}

/// A point's parameters as records keep them. Precision stands there where it is not the usual one, and the revision where it
/// is not the first, so that results of several never count as seeds of one.
pub fn record_params(point: &Point, test_time_augmentation: bool, precision: Precision) -> records::Params {
    let json = |(name, value): (&str, Value)| (name.to_owned(), serde_json::Value::from(value));
    let own = point.params.recorded(point.method.name).into_iter().map(json);
    let precision =
        (precision != Precision::F32).then(|| (records::PRECISION.to_owned(), precision.name().into()));
    let params = own
        .chain([(records::TEST_TIME_AUGMENTATION.to_owned(), test_time_augmentation.into())])
        .chain(precision)
        .collect();
    records::revised(point.method.name, params)
}
