//! Linear heads outside a group: start values, and what is exported.

use rand_chacha::rand_core::Rng;
use shared::{Stage1Head, random::stream};

/// A linear classifier: `weight` `[C, D]` row-major and `bias` `[C]`, as PyTorch's `nn.Linear`.
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
}

impl LinearHead {
    /// The stage-1 head.
    pub(super) fn stage1(head: &Stage1Head) -> Self {
        Self { classes: head.classes, dim: head.dim, weight: head.weight.clone(), bias: head.bias.clone() }
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
        Self { classes, dim, weight, bias }
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
