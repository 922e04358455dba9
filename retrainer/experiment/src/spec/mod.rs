//! What a method decides: the one formula of all heads, as plain vectors.
//!
//! A head's loss for a sample with label y is
//!
//! ```text
//! z = scale ⊙ g(f) + offset − margin_y · 1_y          g: see [`Classifier`]
//! L = weight_y · (1 − p_y)^focal · Σ_k t_k · (−log p_k)        p = softmax(z); other families: see [`Family`]
//! t = (1 − smoothing_y) · 1_y + smoothing_y / C
//! ```
//!
//! At test time the logits are `g(f)` alone.

pub mod loss;

pub use loss::{Family, Influence, Lader, Loss};

use std::sync::Arc;

/// What is trained, and how it makes logits `g(f)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Classifier {
    /// `w_k·f + b_k`.
    #[default]
    Linear,
    /// `s · cos(w_k, f)`, no bias.
    Cosine,
    /// `s_k · z_k` with the logits z of the fixed stage-1 head: LWS.
    Rescaled,
    /// `(1 + σ(c·f + c₀) a_k) z_k + σ(c·f + c₀) b_k` with the logits z of the fixed stage-1 head: DisAlign.
    Aligned,
    /// `a_k z_k + c_k |w_k|` with the logits z and the weight vectors w of the fixed stage-1 head: MARC.
    MarginCalibrated,
}

impl Classifier {
    /// Whether it changes the logits of the fixed stage-1 head.
    pub(crate) fn stands_on_stage1(self) -> bool {
        match self {
            Self::Linear | Self::Cosine => false,
            Self::Rescaled | Self::Aligned | Self::MarginCalibrated => true,
        }
    }

    /// Whether it reads nothing else of a sample, so that these logits are kept instead of the features.
    pub(crate) fn reads_base_logits_alone(self) -> bool {
        match self {
            Self::Linear | Self::Cosine | Self::Aligned => false,
            Self::Rescaled | Self::MarginCalibrated => true,
        }
    }
}

/// When the constraint of [`MaxNorm`] is put into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectEvery {
    /// After each step.
    Step,
    /// After each epoch.
    Epoch,
}

/// A bound δ on the length of each class's weight vector: `w_k ← min(1, δ/|w_k|) w_k`; the bias is free.
///
/// `δ = min_k |w_k| + threshold · (max_k |w_k| − min_k |w_k|)` over the stage-1 head.
///
/// # Source
/// Alshammari et al. 2022 (LTWB), their released rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxNorm {
    /// Where δ lies between shortest (0) and longest (1) weight vector of the stage-1 head; neutral ∞.
    pub threshold: f64,
    /// When weights are projected.
    pub every: ProjectEvery,
}

impl MaxNorm {
    /// The bound δ for the lengths of the stage-1 weight vectors.
    pub fn bound(&self, norms: &[f64]) -> f64 {
        let shortest = norms.iter().copied().fold(f64::INFINITY, f64::min);
        let longest = norms.iter().copied().fold(0.0, f64::max);
        if self.threshold.is_finite() {
            shortest + self.threshold * (longest - shortest)
        } else {
            f64::INFINITY
        }
    }
}

/// Everything that SGD needs to know of a head beside its learning rate and the like.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// What is trained.
    pub classifier: Classifier,
    /// Scale s of a cosine classifier.
    pub cosine_scale: f64,
    /// The loss.
    pub loss: Loss,
    /// Class weights apply from this fraction of the epochs on; neutral 0.
    pub weight_from: f64,
    /// Whether class weights are replaced by inverse effective areas of the training features, summed over mini-batches.
    pub area_weights: bool,
    /// Bound on the weight vectors, if any.
    pub max_norm: Option<MaxNorm>,
    /// Bias of a fresh head; `None` draws it.
    pub fresh_bias: Option<f64>,
}

impl Recipe {
    /// A linear classifier trained with a loss, and nothing else.
    pub fn linear(loss: Loss) -> Self {
        Self {
            classifier: Classifier::Linear,
            cosine_scale: 1.0,
            loss,
            weight_from: 0.0,
            area_weights: false,
            max_norm: None,
            fresh_bias: None,
        }
    }

    /// Whether the recipe cannot do without the stage-1 head, wherever weights start.
    pub(crate) fn needs_stage1(&self) -> bool {
        self.classifier.stands_on_stage1()
            || self.max_norm.is_some_and(|max_norm| max_norm.threshold.is_finite())
    }

    /// Whether prior or weights already correct for class sizes, so that a class-balancing sampler would correct twice.
    pub(crate) fn corrects_class_sizes(&self) -> bool {
        self.area_weights || self.loss.corrects_class_sizes()
    }

    /// Whether training it can mean anything: no number in it is NaN, and none is infinite but a bound that does not bind.
    pub fn is_finite(&self) -> bool {
        let numbers = [self.cosine_scale, self.weight_from].into_iter().chain(self.fresh_bias);
        self.loss.not_finite().is_none()
            && numbers.into_iter().all(f64::is_finite)
            && self.max_norm.is_none_or(|max_norm| !max_norm.threshold.is_nan())
    }
}

/// The first epoch (from 0) at which class weights apply that apply from a fraction of the epochs on: ⌊fraction · epochs⌋ of
/// the decimal number that was given.
///
/// In floating point 0.29 · 100 is 28.999…; a fraction and the product are off by half a unit in the last place each.
pub fn first_weighted_epoch(fraction: f64, epochs: f64) -> f64 {
    (fraction * epochs * (1.0 + 2.0 * f64::EPSILON)).floor()
}

/// A change of the stage-1 linear head before it is used; the result is a linear head again.
///
/// ```text
/// w'_k = scale_k · w_k / |w_k|^norm_power        b'_k = scale_k · b_k (or 0) + offset_k
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PostHoc {
    /// Exponent τ of the weight norm; neutral 0.
    pub norm_power: f64,
    /// Whether the bias stays.
    pub keep_bias: bool,
    /// Factor of each logit; neutral 1.
    pub scale: Vec<f64>,
    /// Summand of each logit; neutral 0.
    pub offset: Vec<f64>,
}

impl PostHoc {
    /// No change.
    pub fn identity(classes: usize) -> Self {
        Self { norm_power: 0.0, keep_bias: true, scale: vec![1.0; classes], offset: vec![0.0; classes] }
    }

    /// Whether no number in it is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.norm_power.is_finite() && self.scale.iter().chain(&self.offset).all(|value| value.is_finite())
    }
}

/// How features are compared with class means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Euclidean distance of raw features.
    L2,
    /// Angle between the feature and the mean of unit features.
    Cosine,
    /// Euclidean distance of features that are centred by the mean of all training samples and scaled to length 1.
    CentredUnit,
}

/// Heads that follow from the training features in closed form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClosedForm {
    /// Nearest class mean.
    ClassMeans(Distance),
    /// Ridge regression on one-hot targets with penalty λ.
    Ridge {
        /// Penalty λ, per sample.
        lambda: f64,
        /// Exponent ρ of the samples' weights `n_y^{−ρ}`.
        rho: f64,
    },
    /// Gaussians of one covariance.
    Gda {
        /// Shrinkage γ in mean eigenvalues.
        shrinkage: f64,
        /// Strength τ of the prior.
        tau: f64,
    },
}

/// A head that needs no training.
#[derive(Clone, Debug, PartialEq)]
pub enum Untrained {
    /// The stage-1 head, adjusted.
    Adjusted(PostHoc),
    /// From sums over the training features.
    ClosedForm(ClosedForm),
}

/// A head as its method specifies it for given class counts and hyper-parameters: how its weights come about.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadSpec {
    /// Without training.
    Untrained(Untrained),
    /// By SGD; shared, because heads of a grid often differ in nothing but learning rate and seed.
    Sgd(Arc<Recipe>),
}

impl HeadSpec {
    /// A linear head trained by SGD.
    pub fn sgd(loss: Loss) -> Self {
        Self::recipe(Recipe::linear(loss))
    }

    /// A head trained by SGD.
    pub fn recipe(recipe: Recipe) -> Self {
        Self::Sgd(Arc::new(recipe))
    }

    /// An adjusted stage-1 head.
    pub fn post_hoc(post_hoc: PostHoc) -> Self {
        Self::Untrained(Untrained::Adjusted(post_hoc))
    }

    /// A head in closed form.
    pub fn closed_form(closed_form: ClosedForm) -> Self {
        Self::Untrained(Untrained::ClosedForm(closed_form))
    }

    /// What SGD needs to know, where the head is trained.
    pub fn trained(&self) -> Option<&Recipe> {
        match self {
            Self::Sgd(recipe) => Some(recipe),
            Self::Untrained(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_released_rule_puts_the_bound_between_shortest_and_longest_weight_vector() {
        // LTWB's rule on [[3, 4], [1, 0], [0, 2]]: 1 + 0.1 · (5 − 1).
        let bound = |threshold| MaxNorm { threshold, every: ProjectEvery::Epoch }.bound(&[5.0, 1.0, 2.0]);
        assert!((bound(0.1) - 1.4).abs() < 1e-15);
        assert_eq!(bound(f64::INFINITY), f64::INFINITY);
        assert_eq!(
            MaxNorm { threshold: f64::INFINITY, every: ProjectEvery::Step }.bound(&[2.0, 2.0]),
            f64::INFINITY
        );
    }

    /// Against integers: every fraction of hundredths of every number of epochs up to 300.
    #[test]
    fn class_weights_start_at_the_epoch_of_the_decimal_fraction() {
        for epochs in 1..=300_u32 {
            for hundredths in 0..=100_u32 {
                let fraction: f64 = format!("{}.{:02}", hundredths / 100, hundredths % 100).parse().unwrap();
                let expected = f64::from(hundredths * epochs / 100);
                let got = first_weighted_epoch(fraction, f64::from(epochs));
                assert_eq!(got, expected, "{fraction} of {epochs}");
            }
        }
        assert_eq!(first_weighted_epoch(0.29, 100.0), 29.0);
    }

    #[test]
    fn a_recipe_is_finite_where_each_of_its_numbers_is() {
        let neutral = || Recipe::linear(Loss::cross_entropy(2));
        let bound = |threshold| Some(MaxNorm { threshold, every: ProjectEvery::Step });
        assert!(neutral().is_finite());
        assert!(Recipe { max_norm: bound(f64::INFINITY), fresh_bias: Some(-1.0), ..neutral() }.is_finite());
        assert!(!Recipe { max_norm: bound(f64::NAN), ..neutral() }.is_finite());
        assert!(!Recipe { cosine_scale: f64::NAN, ..neutral() }.is_finite());
        assert!(!Recipe { weight_from: f64::INFINITY, ..neutral() }.is_finite());
        assert!(!Recipe { fresh_bias: Some(f64::NAN), ..neutral() }.is_finite());
        assert!(!Recipe::linear(Loss { focal: f64::NAN, ..Loss::cross_entropy(2) }).is_finite());
        assert!(!PostHoc { norm_power: f64::NAN, ..PostHoc::identity(2) }.is_finite());
        assert!(!PostHoc { offset: vec![0.0, f64::NEG_INFINITY], ..PostHoc::identity(2) }.is_finite());
    }

    #[test]
    fn uneven_priors_and_weights_count_as_corrections() {
        let recipe = |loss| Recipe::linear(loss).corrects_class_sizes();
        let neutral = || Loss::cross_entropy(2);
        assert!(!recipe(neutral()));
        assert!(recipe(Loss { offset: vec![0.0, -1.0], ..neutral() }));
        assert!(recipe(Loss { weight: vec![0.5, 1.5], ..neutral() }));
        assert!(!recipe(Loss { offset: vec![-1.0, -1.0], ..neutral() }));
    }
}
