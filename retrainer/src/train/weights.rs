//! Heads outside a group: start values, and what is exported.

use rand_chacha::rand_core::Rng;
use shared::{HeadKind, Stage1Head, random::stream};

/// A trained classifier: `weight` `[C, D]` row-major and `bias` `[C]`, as PyTorch's `nn.Linear`, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHead {
    /// Classes C.
    pub classes: usize,
    /// Features D.
    pub dim: usize,
    /// `[C, D]`, row-major.
    pub weight: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
    /// How they make logits.
    pub form: HeadForm,
}

/// How weight and bias make logits.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadForm {
    /// `z = W f + b`.
    Linear,
    /// `z = W u + b` with `u = (f − centre) / |f − centre|`; an empty centre is zero.
    ///
    /// A cosine classifier is this with rows of the length of its scale and without bias.
    UnitFeatures {
        /// `[D]`, or empty.
        centre: Vec<f32>,
    },
    /// `(1 + σ(c·f + c₀) a) ⊙ (W f + b) + σ(c·f + c₀) d`: DisAlign.
    Aligned(Alignment),
}

/// The calibration that DisAlign trains on top of a fixed head.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// c, `[D]`.
    pub confidence: Vec<f32>,
    /// c₀.
    pub confidence_bias: f32,
    /// a, `[C]`.
    pub scale: Vec<f32>,
    /// d, `[C]`.
    pub offset: Vec<f32>,
}

impl LinearHead {
    /// The stage-1 head.
    pub(super) fn stage1(head: &Stage1Head) -> Self {
        let form = match head.kind {
            HeadKind::Linear => HeadForm::Linear,
            HeadKind::Cosine => HeadForm::UnitFeatures { centre: Vec::new() },
        };
        let (weight, bias) = (head.weight.clone(), head.bias.clone());
        Self { classes: head.classes, dim: head.dim, weight, bias, form }
    }

    /// Uniform in ±1/√D, weight first, as PyTorch initialises `nn.Linear`; drawn from the seed's own stream.
    pub(super) fn fresh(classes: usize, dim: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "initial weights", 0);
        #[expect(clippy::cast_possible_truncation, reason = "a bound near 0.05 needs no more digits")]
        let bound = (1.0 / (dim.max(1) as f64).sqrt()) as f32;
        let mut draw = |count: usize| -> Vec<f32> {
            // 24 random bits are every f32 of an even grid over [0, 1).
            (0..count).map(|_| bound * ((rng.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0)).collect()
        };
        let weight = draw(classes * dim);
        let bias = draw(classes);
        Self { classes, dim, weight, bias, form: HeadForm::Linear }
    }

    /// Every row scaled to length 1, no bias: where a cosine classifier starts.
    #[must_use]
    pub(super) fn directions(mut self) -> Self {
        let norms = self.norms();
        for (row, norm) in self.weight.chunks_exact_mut(self.dim.max(1)).zip(norms) {
            for weight in row {
                *weight = narrow(f64::from(*weight) / norm.max(1e-12));
            }
        }
        self.bias.fill(0.0);
        self
    }

    /// The weight as columns `[D, C]`, as groups keep it.
    pub(super) fn columns(&self) -> Vec<f32> {
        (0..self.dim).flat_map(|d| self.weight.iter().skip(d).step_by(self.dim.max(1)).copied()).collect()
    }

    /// Length of each class's weight vector.
    pub fn norms(&self) -> Vec<f64> {
        let norm = |row: &[f32]| row.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>().sqrt();
        self.weight.chunks_exact(self.dim.max(1)).map(norm).collect()
    }
}

/// Rounds to f32.
#[expect(clippy::cast_possible_truncation, reason = "heads are f32; this is the one rounding")]
pub(super) fn narrow(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_have_length_one_and_no_bias() {
        let head = LinearHead::fresh(3, 4, 0).directions();
        assert!(head.norms().iter().all(|norm| (norm - 1.0).abs() < 1e-6));
        assert_eq!(head.bias, [0.0; 3]);
        let zero = LinearHead { weight: vec![0.0; 12], ..head };
        assert_eq!(zero.clone().directions().weight, zero.weight);
    }
}
