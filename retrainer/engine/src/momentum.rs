//! Momentum without a pass of its own.
//!
//! SGD's `M ← μ M + g` reads and writes all of M once more than the gradient product does. Instead M is kept as
//! `N = M / s` with a scalar s that carries the powers of μ: `N ← N + g / s`, where the factor 1/s is folded into the small
//! batch of features before the product. When s gets small, one pass multiplies it back in.

/// The scalar between the stored and the true momentum.
#[derive(Clone, Copy, Debug)]
pub(super) struct MomentumScale {
    momentum: f64,
    scale: f64,
}

/// What a step has to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StepScale {
    /// Factor by which the stored momentum must be multiplied before the step; 1 nearly always.
    pub(super) rescale: f64,
    /// s: what a gradient is divided by, and the stored momentum multiplied by, in this step.
    pub(super) scale: f64,
}

/// Smallest scale: f32 keeps its relative precision, so this only bounds the exponent.
const SMALLEST: f64 = 1e-4;

impl MomentumScale {
    pub(super) fn new(momentum: f64) -> Self {
        Self { momentum, scale: 1.0 }
    }

    /// Advances by one step.
    pub(super) fn step(&mut self) -> StepScale {
        self.scale *= self.momentum;
        if self.scale >= SMALLEST {
            return StepScale { rescale: 1.0, scale: self.scale };
        }
        let rescale = self.scale;
        self.scale = 1.0;
        StepScale { rescale, scale: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn scaled_momentum_is_momentum(momentum in 0.0_f64..0.999, gradients in proptest::collection::vec(-1.0_f64..1.0, 1..300)) {
            let (mut scale, mut stored, mut plain) = (MomentumScale::new(momentum), 0.0, 0.0);
            for gradient in gradients {
                plain = momentum * plain + gradient;
                let step = scale.step();
                stored = stored * step.rescale + gradient / step.scale;
                prop_assert!((stored * step.scale - plain).abs() < 1e-9 * (1.0 + plain.abs()));
            }
        }
    }
}
