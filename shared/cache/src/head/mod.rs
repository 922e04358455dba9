//! A classifier as it is used: weight, bias, and how they make logits; in plain numbers, for every program that scores.

mod file;
mod normalisation;

pub use file::{bytes, read, write};
pub use normalisation::Normalisation;

/// A trained classifier: `weight` `[C, D]` row-major and `bias` `[C]`, as PyTorch's `nn.Linear`, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
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
    /// `z = W f + b − |f|²/2`: with `b_k = −|w_k|²/2` minus half the squared distance to each row.
    ///
    /// What all classes share changes no prediction and no probability; it does change how logits compare between samples.
    Distance,
    /// `z = W u + b` with `u = (f − centre) / |f − centre|`; an empty centre is zero.
    ///
    /// A cosine classifier is this with rows of the length of its scale and without bias.
    UnitFeatures {
        /// `[D]`, or empty.
        centre: Vec<f32>,
    },
    /// `(1 + σ(c·f + c₀) a) ⊙ z + σ(c·f + c₀) d` with the logits z of the fixed head: DisAlign.
    Aligned(Alignment),
    /// Another form, of features that are normalised first.
    Normalised {
        /// How.
        by: Normalisation,
        /// What reads them then.
        form: Box<HeadForm>,
    },
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
    /// Whether the fixed head reads features of length 1, `z = W f/|f| + b`, as a cosine classifier does; else `W f + b`.
    pub unit_features: bool,
}

impl Head {
    /// A head with these weights, `[C, D]` row-major, and biases `[C]`.
    pub fn of_rows(weight: Vec<f32>, bias: Vec<f32>, form: HeadForm) -> Self {
        let classes = bias.len();
        Self { classes, dim: weight.len() / classes.max(1), weight, bias, form }
    }

    /// Whether it reads features of length 1.
    pub fn reads_unit_features(&self) -> bool {
        matches!(self.form, HeadForm::UnitFeatures { .. })
    }

    /// Length of each class's weight vector.
    pub fn norms(&self) -> Vec<f64> {
        let norm = |row: &[f32]| row.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>().sqrt();
        self.weight.chunks_exact(self.dim.max(1)).map(norm).collect()
    }

    /// Every row scaled to a length; a row of zeros stays.
    #[must_use]
    pub fn with_lengths(mut self, length: f64) -> Self {
        let norms = self.norms();
        for (row, norm) in self.weight.chunks_exact_mut(self.dim.max(1)).zip(norms) {
            for weight in row {
                *weight = narrow(f64::from(*weight) * (length / norm.max(1e-12)));
            }
        }
        self
    }

    /// Logits of one sample in f64: what the engine's f32 is checked against.
    pub fn logits(&self, features: &[f32]) -> Vec<f64> {
        self.logits_by(&self.form, wide(features))
    }

    fn logits_by(&self, form: &HeadForm, mut features: Vec<f64>) -> Vec<f64> {
        match form {
            HeadForm::Linear => self.products(&features),
            HeadForm::Distance => {
                let shared = dot(&features, &features) / 2.0;
                self.products(&features).into_iter().map(|logit| logit - shared).collect()
            }
            HeadForm::UnitFeatures { centre } => {
                for (number, &middle) in features.iter_mut().zip(centre) {
                    *number -= f64::from(middle);
                }
                self.products(&unit(features))
            }
            HeadForm::Aligned(alignment) => alignment.logits(self, features),
            HeadForm::Normalised { by, form } => self.logits_by(form, by.of(features)),
        }
    }

    /// `W f + b`.
    fn products(&self, features: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.dim.max(1)).zip(&self.bias);
        rows.map(|(row, &bias)| dot(&wide(row), features) + f64::from(bias)).collect()
    }
}

impl Alignment {
    fn logits(&self, head: &Head, features: Vec<f64>) -> Vec<f64> {
        let score = dot(&wide(&self.confidence), &features) + f64::from(self.confidence_bias);
        let confidence = 1.0 / (1.0 + (-score).exp());
        let fixed = head.products(&if self.unit_features { unit(features) } else { features });
        let classes = self.scale.iter().zip(&self.offset);
        fixed
            .iter()
            .zip(classes)
            .map(|(z, (&a, &d))| (1.0 + confidence * f64::from(a)) * z + confidence * f64::from(d))
            .collect()
    }
}

/// Rounds to f32.
#[expect(clippy::cast_possible_truncation, reason = "heads are f32; this is the one rounding")]
pub fn narrow(number: f64) -> f32 {
    number as f32
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

fn dot(one: &[f64], two: &[f64]) -> f64 {
    one.iter().zip(two).map(|(a, b)| a * b).sum()
}

/// Scaled to length 1; a sample of zeros has no direction, and stays.
fn unit(mut features: Vec<f64>) -> Vec<f64> {
    let length = dot(&features, &features).sqrt().max(1e-12);
    for number in &mut features {
        *number /= length;
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(form: HeadForm) -> Head {
        Head { classes: 2, dim: 2, weight: vec![3.0, 0.0, 0.0, 2.0], bias: vec![0.5, -1.0], form }
    }

    fn alignment() -> Alignment {
        Alignment {
            confidence: vec![0.0, 0.0],
            confidence_bias: 0.0,
            scale: vec![1.0, 0.0],
            offset: vec![0.0, 4.0],
            unit_features: false,
        }
    }

    #[test]
    fn logits_follow_the_form() {
        let features = [3.0, 4.0];
        assert_eq!(head(HeadForm::Linear).logits(&features), [9.5, 7.0]);
        // |f|² = 25.
        assert_eq!(head(HeadForm::Distance).logits(&features), [-3.0, -5.5]);
        // Length 5: the unit features are (0.6, 0.8).
        let unit = head(HeadForm::UnitFeatures { centre: Vec::new() }).logits(&features);
        assert!((unit[0] - 2.3).abs() < 1e-12 && (unit[1] - 0.6).abs() < 1e-12);
        let centred = head(HeadForm::UnitFeatures { centre: vec![3.0, 0.0] }).logits(&features);
        assert_eq!(centred, [0.5, 1.0]);
        // Confidence ½: (1 + ½·1) 9.5 + 0 and 7 + ½·4.
        assert_eq!(head(HeadForm::Aligned(alignment())).logits(&features), [14.25, 9.0]);
        // Raw features give the confidence ¾, features of length 1 the logits 2.3 and 0.6: (1 + ¾·1) 2.3 and 0.6 + ¾·4.
        let cosine = Alignment { confidence: vec![3f32.ln() / 3.0, 0.0], unit_features: true, ..alignment() };
        let calibrated = head(HeadForm::Aligned(cosine)).logits(&features);
        assert!((calibrated[0] - 4.025).abs() < 1e-6 && (calibrated[1] - 3.6).abs() < 1e-6);
        // ((3 − 1)·2, (4 − 2)·0.5) = (4, 1)
        let by = Normalisation::Standard { mean: vec![1.0, 2.0], scale: vec![2.0, 0.5] };
        let form = HeadForm::Normalised { by, form: Box::new(HeadForm::Linear) };
        assert_eq!(head(form).logits(&features), [12.5, 1.0]);
    }
}
