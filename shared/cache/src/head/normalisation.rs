//! Features that are normalised before a head reads them, and heads that have it in their weights instead.

use super::{Head, HeadForm, narrow, unit};

/// How features are normalised.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalisation {
    /// To length 1.
    Unit,
    /// `(f − mean) ⊙ scale`.
    Standard {
        /// `[D]`.
        mean: Vec<f32>,
        /// `[D]`, one over the standard deviation; 0 for a feature that is the same in every training sample.
        scale: Vec<f32>,
    },
}

impl Normalisation {
    /// Normalised features.
    pub(super) fn of(&self, features: Vec<f64>) -> Vec<f64> {
        match self {
            Self::Unit => unit(features),
            Self::Standard { mean, scale } => {
                let moments = mean.iter().zip(scale);
                let features = features.iter().zip(moments);
                features.map(|(f, (&mean, &scale))| (f - f64::from(mean)) * f64::from(scale)).collect()
            }
        }
    }
}

impl Head {
    /// The head for raw features that gives the probabilities of this one for normalised ones.
    ///
    /// Standardised features go into weight and bias of a linear head, `W ⊙ scale` and `b − W (scale ⊙ mean)`, and a linear head
    /// of features of length 1 is one that reads [`HeadForm::UnitFeatures`]; what all classes share is dropped. Other heads keep
    /// the normalisation beside their weights: [`HeadForm::Normalised`].
    #[must_use]
    pub fn for_raw_features(self, by: Normalisation) -> Self {
        match (&self.form, by) {
            (HeadForm::Linear | HeadForm::Distance, Normalisation::Standard { mean, scale }) => {
                self.folded(&mean, &scale)
            }
            (HeadForm::Linear | HeadForm::Distance, Normalisation::Unit) => {
                Self { form: HeadForm::UnitFeatures { centre: Vec::new() }, ..self }
            }
            (HeadForm::UnitFeatures { centre }, Normalisation::Unit) if centre.is_empty() => self,
            (HeadForm::UnitFeatures { .. } | HeadForm::Aligned(_) | HeadForm::Normalised { .. }, by) => {
                let form = Box::new(self.form.clone());
                Self { form: HeadForm::Normalised { by, form }, ..self }
            }
        }
    }

    fn folded(mut self, mean: &[f32], scale: &[f32]) -> Self {
        for (row, bias) in self.weight.chunks_exact_mut(self.dim.max(1)).zip(&mut self.bias) {
            let mut moved = f64::from(*bias);
            for ((weight, &mean), &scale) in row.iter_mut().zip(mean).zip(scale) {
                let scaled = f64::from(*weight) * f64::from(scale);
                moved -= scaled * f64::from(mean);
                *weight = narrow(scaled);
            }
            *bias = narrow(moved);
        }
        Self { form: HeadForm::Linear, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Alignment;

    fn probabilities(logits: &[f64]) -> Vec<f64> {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let odds: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
        let sum: f64 = odds.iter().sum();
        odds.iter().map(|odds| odds / sum).collect()
    }

    /// Every form under every normalisation: the head for raw features has the probabilities of the head for normalised ones.
    #[test]
    fn a_head_for_raw_features_gives_the_probabilities_of_the_one_for_normalised_ones() {
        let aligned = |unit_features| {
            HeadForm::Aligned(Alignment {
                confidence: vec![0.2, -0.1, 0.3],
                confidence_bias: 0.1,
                scale: vec![1.0, 0.5],
                offset: vec![0.0, 0.4],
                unit_features,
            })
        };
        let unit = |centre| HeadForm::UnitFeatures { centre };
        let forms = [
            HeadForm::Linear,
            HeadForm::Distance,
            unit(vec![]),
            unit(vec![0.1, 0.2, -0.3]),
            aligned(false),
            aligned(true),
        ];
        let standard = Normalisation::Standard { mean: vec![1.0, -2.0, 0.5], scale: vec![2.0, 0.5, 0.0] };
        for form in forms {
            for by in [Normalisation::Unit, standard.clone()] {
                let weight = vec![0.5, -0.2, 0.3, 0.1, 0.6, -0.4];
                let head = Head { classes: 2, dim: 3, weight, bias: vec![0.1, -0.2], form: form.clone() };
                let raw = [3.0_f32, 1.0, -2.0];
                let wide = raw.iter().map(|&f| f64::from(f)).collect();
                let expected = probabilities(&head.logits_by(&head.form, by.of(wide)));
                let got = probabilities(&head.for_raw_features(by).logits(&raw));
                for (got, expected) in got.iter().zip(expected) {
                    assert!((got - expected).abs() < 1e-6, "{form:?}: {got} {expected}");
                }
            }
        }
    }
}
