//! Settings that go with the scale of the features.

use super::{Grid, Point};
use crate::{
    methods::{ParamError, Params, Value},
    spec::{Classifier, ClosedForm, HeadSpec, Untrained},
};
use cache::ClassCounts;

/// Digits that a setting keeps: enough for a learning rate, and few enough that rounding in a sum changes none.
pub const SCALED_DIGITS: usize = 2;

impl Grid {
    /// The grid with its settings for features of mean squared length 1 turned into those for features of `mean_square`: factors of
    /// features c leave all logits where weights have 1/c, and so learning rates 1/c², weight decays and the λ of ridge c².
    ///
    /// Only heads that read features as they are have such settings: a cosine classifier, or one of stage-1 logits, sees no scale.
    ///
    /// # Errors
    /// [`ParamError`] where a setting leaves its range.
    pub fn scaled(self, mean_square: f64, class_counts: &ClassCounts) -> Result<Self, ParamError> {
        self.with_points(|point| scaled(&point, mean_square, class_counts))
    }
}

fn scaled(point: &Point, mean_square: f64, class_counts: &ClassCounts) -> Result<Point, ParamError> {
    let settings: &[(&str, f64)] = match point.params.build(class_counts) {
        HeadSpec::Sgd(recipe) if recipe.classifier == Classifier::Linear => {
            &[("lr", 1.0 / mean_square), ("weight_decay", mean_square)]
        }
        HeadSpec::Untrained(Untrained::ClosedForm(ClosedForm::Ridge { .. })) => &[("lambda", mean_square)],
        HeadSpec::Sgd(_) | HeadSpec::Untrained(_) => &[],
    };
    let mut given = point.params.values();
    for (name, value) in &mut given {
        if let (Some((_, factor)), Value::Number(number)) =
            (settings.iter().find(|(own, _)| own == name), &value)
        {
            *value = Value::Number(rounded(number * factor, SCALED_DIGITS));
        }
    }
    Ok(Point { params: Params::resolve(point.method, &given)?, ..point.clone() })
}

/// A number of so many decimal digits.
pub fn rounded(number: f64, digits: usize) -> f64 {
    format!("{number:.*e}", digits.saturating_sub(1)).parse().unwrap_or(number)
}
