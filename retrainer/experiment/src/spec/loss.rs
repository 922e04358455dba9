//! The unified training loss as plain numbers, and the table of its terms.

use std::borrow::Cow;

/// How the losses of the classes become one loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `Σ_k t_k (−log p_k)` with p = softmax(z).
    #[default]
    Softmax,
    /// A binary cross-entropy for each class on p = σ(z), each with a focal factor of its own.
    SigmoidBce,
    /// A binary cross-entropy for each class on p = softmax(z); takes no focal factor.
    SoftmaxBce,
    /// Softmax cross-entropy of logits that depend on the true class by mitigation and compensation.
    Seesaw,
    /// Softmax cross-entropy divided by the influence of the sample on the weights: takes no focal factor.
    InfluenceBalanced,
}

/// The training loss of a head; every vector has length C, and neutral values give cross-entropy.
///
/// Every number in it is in a term of `TERMS`, by which it is checked, compared and stacked.
///
/// # Source
/// LORT, Eq. 1 (after Wu et al. 2021, RoBal), extended by smoothing and focal factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// How the losses of the classes become one.
    pub family: Family,
    /// Factor of each logit.
    pub scale: Vec<f64>,
    /// Summand of each logit.
    pub offset: Vec<f64>,
    /// Subtracted from the logit of the true class.
    pub margin: Vec<f64>,
    /// Weight of samples of a class.
    pub weight: Vec<f64>,
    /// Share δ of the target that is spread over all classes, by true class.
    pub smoothing: Vec<f64>,
    /// Exponent γ of the focal factor.
    pub focal: f64,
    /// `p log n_k`: a rarer rival's logit is lowered by its difference from the true class's.
    pub mitigation: Vec<f64>,
    /// Exponent q of the ratio of a rival's probability to the true class's.
    pub compensation: f64,
    /// Share of the gradient of the focal factor that is followed: 1, or 0 where the factor is held fixed.
    pub focal_gradient: f64,
    /// Of each logit the factor of `min(|N(0, 1/3)|, 1)`, drawn for each sample and step and taken off.
    pub noise: Vec<f64>,
    /// What [`Family::InfluenceBalanced`] alone reads.
    pub influence: Option<Influence>,
    /// LADE's regulariser.
    pub lader: Option<Lader>,
}

/// `α / (2 (1 − p_y) |f|₁ + ε)`: the weight of a sample by its influence on the weights of a linear head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Influence {
    /// α.
    pub alpha: f64,
    /// ε.
    pub epsilon: f64,
    /// Share of the gradient of the weight that is followed: 1, or 0 where it is held fixed.
    pub gradient: f64,
}

/// The regulariser of LADE: makes the logits of each class an estimate of its log-likelihood ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct Lader {
    /// Factor α of the regulariser.
    pub alpha: f64,
    /// Factor λ of the square that keeps its normaliser at zero.
    pub lambda: f64,
    /// Class priors π, length C.
    pub prior: Vec<f64>,
}

/// Over what the numbers of a term run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// One number for each class, which meets the logit of that class.
    Class,
    /// One number for each class, which meets the samples of that class.
    Label,
    /// One number for a head.
    Head,
}

/// A term of the unified loss: what has to be known of its numbers wherever losses are checked, grouped or stacked.
#[derive(Debug)]
pub struct Term {
    /// Name in messages.
    pub name: &'static str,
    /// The value at which the loss is one without the term.
    pub neutral: f64,
    /// Over what its numbers run.
    pub axis: Axis,
    /// Whether it corrects for class sizes where its numbers differ.
    pub corrects_class_sizes: bool,
    /// Its numbers in a loss; none where the loss has no such part, which is as good as neutral.
    values: fn(&Loss) -> Cow<'_, [f64]>,
}

impl Term {
    const fn new(name: &'static str, neutral: f64, axis: Axis, values: fn(&Loss) -> Cow<'_, [f64]>) -> Self {
        Self { name, neutral, axis, corrects_class_sizes: false, values }
    }

    const fn correcting_class_sizes(self) -> Self {
        Self { corrects_class_sizes: true, ..self }
    }

    /// Its numbers in a loss over C classes: C of them, or one for [`Axis::Head`].
    pub fn values<'loss>(&self, loss: &'loss Loss) -> Cow<'loss, [f64]> {
        let values = (self.values)(loss);
        let length = if self.axis == Axis::Head { 1 } else { loss.classes() };
        if values.is_empty() { Cow::Owned(vec![self.neutral; length]) } else { values }
    }

    /// Whether it does anything in a loss.
    pub fn acts(&self, loss: &Loss) -> bool {
        (self.values)(loss).iter().any(|&value| value != self.neutral)
    }
}

/// Declares the terms and collects them.
macro_rules! terms {
    ($($(#[$doc:meta])* $name:ident = $term:expr;)*) => {
        $($(#[$doc])* pub static $name: Term = $term;)*
        /// Every term.
        pub(crate) static TERMS: &[&Term] = &[$(&$name),*];
    };
}

terms! {
    /// Factor of each logit.
    SCALE = Term::new("scale", 1.0, Axis::Class, |loss| Cow::Borrowed(&loss.scale));
    /// Summand of each logit.
    OFFSET = Term::new("offset", 0.0, Axis::Class, |loss| Cow::Borrowed(&loss.offset)).correcting_class_sizes();
    /// Taken off the logit of the true class.
    MARGIN = Term::new("margin", 0.0, Axis::Label, |loss| Cow::Borrowed(&loss.margin));
    /// Weight of a sample.
    WEIGHT = Term::new("weight", 1.0, Axis::Label, |loss| Cow::Borrowed(&loss.weight)).correcting_class_sizes();
    /// δ / C, the target of every class.
    SMOOTHING = Term::new("smoothing", 0.0, Axis::Label, |loss| {
        let classes = loss.classes() as f64;
        Cow::Owned(loss.smoothing.iter().map(|delta| delta / classes).collect())
    });
    /// 1 − δ, what the target of the true class is more.
    TARGET = Term::new("target", 1.0, Axis::Label, |loss| {
        Cow::Owned(loss.smoothing.iter().map(|delta| 1.0 - delta).collect())
    });
    /// γ.
    FOCAL = Term::new("focal", 0.0, Axis::Head, |loss| Cow::Borrowed(std::slice::from_ref(&loss.focal)));
    /// Share of the gradient of the focal factor.
    FOCAL_GRADIENT = Term::new("focal gradient", 1.0, Axis::Head, |loss| Cow::Borrowed(std::slice::from_ref(&loss.focal_gradient)));
    /// Factor of the noise of each logit.
    NOISE = Term::new("noise", 0.0, Axis::Class, |loss| Cow::Borrowed(&loss.noise)).correcting_class_sizes();
    /// α of [`Influence`].
    INFLUENCE = Term::new("influence", 1.0, Axis::Head, |loss| influence(loss, |influence| influence.alpha));
    /// ε of [`Influence`].
    INFLUENCE_FLOOR = Term::new("influence floor", 1.0, Axis::Head, |loss| influence(loss, |influence| influence.epsilon));
    /// Share of the gradient of the influence.
    INFLUENCE_GRADIENT = Term::new("influence gradient", 0.0, Axis::Head, |loss| {
        influence(loss, |influence| influence.gradient)
    });
    /// p log n_k.
    MITIGATION = Term::new("mitigation", 0.0, Axis::Class, |loss| Cow::Borrowed(&loss.mitigation)).correcting_class_sizes();
    /// q.
    COMPENSATION = Term::new("compensation", 0.0, Axis::Head, |loss| Cow::Borrowed(std::slice::from_ref(&loss.compensation)));
    /// α π of [`Lader`].
    LADER_WEIGHT = Term::new("lader weight", 0.0, Axis::Class, |loss| {
        lader(loss, |lader| lader.prior.iter().map(|prior| lader.alpha * prior).collect())
    });
    /// λ of [`Lader`].
    LADER_LAMBDA = Term::new("lader lambda", 0.0, Axis::Head, |loss| lader(loss, |lader| vec![lader.lambda]));
    /// −log π − log C of [`Lader`].
    LADER_OFFSET = Term::new("lader offset", 0.0, Axis::Class, |loss| {
        let classes = loss.classes() as f64;
        lader(loss, |lader| lader.prior.iter().map(|prior| -prior.ln() - classes.ln()).collect())
    });
}

/// A number of the influence, where there is one.
fn influence(loss: &Loss, value: impl FnOnce(&Influence) -> f64) -> Cow<'_, [f64]> {
    Cow::Owned(loss.influence.as_ref().map(value).into_iter().collect())
}

/// Numbers of the regulariser, where there is one.
fn lader(loss: &Loss, values: impl FnOnce(&Lader) -> Vec<f64>) -> Cow<'_, [f64]> {
    Cow::Owned(loss.lader.as_ref().map(values).unwrap_or_default())
}

impl Loss {
    /// Cross-entropy over `classes` classes: every term neutral.
    pub fn cross_entropy(classes: usize) -> Self {
        Self {
            family: Family::Softmax,
            scale: vec![SCALE.neutral; classes],
            offset: vec![OFFSET.neutral; classes],
            margin: vec![MARGIN.neutral; classes],
            weight: vec![WEIGHT.neutral; classes],
            smoothing: vec![0.0; classes],
            focal: FOCAL.neutral,
            focal_gradient: FOCAL_GRADIENT.neutral,
            noise: vec![NOISE.neutral; classes],
            influence: None,
            mitigation: vec![MITIGATION.neutral; classes],
            compensation: COMPENSATION.neutral,
            lader: None,
        }
    }

    /// Number of classes C.
    pub fn classes(&self) -> usize {
        self.scale.len()
    }

    /// The first term with a number that is none: NaN or infinite.
    pub(crate) fn not_finite(&self) -> Option<&'static Term> {
        let finite = |term: &Term| (term.values)(self).iter().all(|value| value.is_finite());
        TERMS.iter().copied().find(|term| !finite(term))
    }

    /// Whether it corrects for class sizes, so that a class-balancing sampler would correct twice.
    pub(super) fn corrects_class_sizes(&self) -> bool {
        let uneven = |values: &[f64]| values.iter().zip(values.iter().skip(1)).any(|(one, two)| one != two);
        TERMS.iter().any(|term| term.corrects_class_sizes && uneven(&(term.values)(self)))
    }

    /// Whether it has terms over the whole batch, which then cannot be worked on in pieces.
    pub(crate) fn needs_whole_batches(&self) -> bool {
        // Noise is drawn for the rows of a batch, however many heads share it.
        LADER_WEIGHT.acts(self) || NOISE.acts(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_all_terms() -> Loss {
        let lader = Lader { alpha: 0.1, lambda: 0.01, prior: vec![0.75, 0.25] };
        let influence = Influence { alpha: 10.0, epsilon: 0.1, gradient: 1.0 };
        Loss { lader: Some(lader), influence: Some(influence), ..Loss::cross_entropy(2) }
    }

    #[test]
    fn cross_entropy_has_no_term_that_acts() {
        for term in TERMS {
            assert!(!term.acts(&Loss::cross_entropy(2)), "{}", term.name);
            let values = term.values(&Loss::cross_entropy(2)).into_owned();
            assert_eq!(values, vec![term.neutral; if term.axis == Axis::Head { 1 } else { 2 }]);
        }
    }

    /// A number of a loss.
    type Part = fn(&mut Loss) -> Option<&mut f64>;

    /// A NaN once went through where it was in no vector of classes: α and λ of LADE.
    #[test]
    fn a_number_that_is_none_is_found_in_every_part_of_a_loss() {
        // By name, so that a new part does not compile until it stands here.
        let Loss {
            family: _,
            scale: _,
            offset: _,
            margin: _,
            weight: _,
            smoothing: _,
            focal: _,
            mitigation: _,
            compensation: _,
            focal_gradient: _,
            noise: _,
            influence,
            lader,
        } = with_all_terms();
        let Influence { alpha: _, epsilon: _, gradient: _ } = influence.unwrap();
        let Lader { alpha: _, lambda: _, prior: _ } = lader.unwrap();
        let parts: [(&str, Part); 16] = [
            ("scale", |loss| loss.scale.last_mut()),
            ("offset", |loss| loss.offset.last_mut()),
            ("margin", |loss| loss.margin.last_mut()),
            ("weight", |loss| loss.weight.last_mut()),
            ("smoothing", |loss| loss.smoothing.last_mut()),
            ("focal", |loss| Some(&mut loss.focal)),
            ("mitigation", |loss| loss.mitigation.last_mut()),
            ("compensation", |loss| Some(&mut loss.compensation)),
            ("focal gradient", |loss| Some(&mut loss.focal_gradient)),
            ("noise", |loss| loss.noise.last_mut()),
            ("influence", |loss| loss.influence.as_mut().map(|influence| &mut influence.alpha)),
            ("influence floor", |loss| loss.influence.as_mut().map(|influence| &mut influence.epsilon)),
            ("influence gradient", |loss| loss.influence.as_mut().map(|influence| &mut influence.gradient)),
            ("lader weight", |loss| loss.lader.as_mut().map(|lader| &mut lader.alpha)),
            ("lader lambda", |loss| loss.lader.as_mut().map(|lader| &mut lader.lambda)),
            ("lader weight", |loss| loss.lader.as_mut().and_then(|lader| lader.prior.last_mut())),
        ];
        assert!(with_all_terms().not_finite().is_none());
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (term, part) in parts {
                let mut loss = with_all_terms();
                *part(&mut loss).unwrap() = number;
                assert_eq!(loss.not_finite().map(|term| term.name), Some(term), "{number}");
            }
        }
        // A class without samples has no log-likelihood ratio.
        let mut loss = with_all_terms();
        loss.lader.as_mut().unwrap().prior[1] = 0.0;
        assert_eq!(loss.not_finite().map(|term| term.name), Some("lader offset"));
    }
}
