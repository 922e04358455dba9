//! The learning rate of each epoch.

use crate::ExtractError;
use serde::{Deserialize, Serialize};

/// How the learning rate falls, once per epoch; epochs count from zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Half a cosine towards zero, lr · (1 + cos(π · epoch / epochs)) / 2: the first epoch runs at `lr` and the last just
    /// above zero, as with PyTorch's `CosineAnnealingLR` stepped after each epoch.
    #[default]
    Cosine,
    /// lr · factor^(milestones passed): PyTorch's `MultiStepLR`.
    Step {
        /// Fractions of the epochs after which the rate drops.
        milestones: Vec<f64>,
        /// Multiplies the rate at each of them.
        factor: f64,
    },
    /// Always `lr`.
    Constant,
}

/// The names of the schedules.
pub const SCHEDULES: [&str; 3] = ["cosine", "step", "constant"];

impl Schedule {
    /// The schedule of this name; milestones and factor are those of `step`.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`].
    pub fn named(name: &str, milestones: Vec<f64>, factor: f64) -> Result<Self, ExtractError> {
        match name {
            "cosine" => Ok(Self::Cosine),
            "step" => Ok(Self::Step { milestones, factor }),
            "constant" => Ok(Self::Constant),
            _ => Err(ExtractError::UnknownName {
                kind: "schedule",
                name: name.to_owned(),
                known: SCHEDULES.map(str::to_owned).to_vec(),
            }),
        }
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Step { .. } => "step",
            Self::Constant => "constant",
        }
    }

    /// The rate of an epoch; the first `warm_up` epochs rise linearly, lr · (epoch + 1) / `warm_up`.
    ///
    /// The cosine spans the epochs after the warm-up, the milestones are fractions of all of them (LDAM-DRW's schedule).
    pub fn rate(&self, lr: f64, epoch: u32, epochs: u32, warm_up: u32) -> f64 {
        if epoch < warm_up {
            return lr * f64::from(epoch + 1) / f64::from(warm_up);
        }
        match self {
            Self::Cosine => {
                lr * longtail::cosine(f64::from(epoch - warm_up), f64::from(epochs.saturating_sub(warm_up)))
            }
            Self::Step { milestones, factor } => {
                // The slack keeps 0.8 · 200 at epoch 160, whatever its last bit.
                let passed = |fraction: &&f64| f64::from(epoch) >= *fraction * f64::from(epochs) - 1e-9;
                milestones.iter().filter(passed).fold(lr, |rate, _| rate * factor)
            }
            Self::Constant => lr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage1::recorded::reference;

    /// Every rate of 20 epochs, by PyTorch's schedulers and by LDAM-DRW's own `adjust_learning_rate`:
    /// `fixtures/stage1/record.py`. 1e-15: PyTorch's cosine is a recursion.
    #[test]
    fn rates_are_those_of_pytorch() {
        let step = Schedule::named("step", vec![0.8, 0.9], 0.01).unwrap();
        for (name, schedule, warm_up) in [
            ("cosine", Schedule::Cosine, 0),
            ("cosine after warm-up", Schedule::Cosine, 5),
            ("step", step.clone(), 0),
            ("ldam-drw", step, 5),
            ("constant", Schedule::Constant, 0),
        ] {
            let expected = &reference().schedules[name];
            assert_eq!(expected.len(), 20, "{name}");
            for (epoch, &expected) in (0..).zip(expected) {
                let rate = schedule.rate(0.1, epoch, 20, warm_up);
                assert!((rate - expected).abs() < 1e-15, "{name}, epoch {epoch}: {rate} and {expected}");
            }
        }
    }
}
