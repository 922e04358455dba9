//! Laws of losses: gradients are those of autograd, heads in a group are those alone, and neutral values change nothing.

use super::*;
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

/// `Σ w (1 − p_y)^γ Σ_k t_k (−log p_k) / divisor`, written as the formula reads, in float64 under autograd.
fn autograd_gradient(loss: &Loss, reduction: Reduction, logits: &[f32], labels: &[i64]) -> Vec<f64> {
    let c = loss.classes();
    let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
    let z = Tensor::from_slice(&wide).view([labels.len() as i64, c as i64]).set_requires_grad(true);
    let row = |values: &[f64]| Tensor::from_slice(values).view([1, c as i64]);
    let mut terms = Vec::new();
    let mut weights = 0.0;
    for (b, &label) in labels.iter().enumerate() {
        let y = label as usize;
        let noise: Vec<f64> = (0..c).map(|k| loss.noise[k] * f64::from(NOISE[b * c + k])).collect();
        let mut margin = vec![0.0; c];
        margin[y] = loss.margin[y];
        let adjusted = z.get(b as i64).view([1, c as i64]) * row(&loss.scale) + row(&loss.offset)
            - row(&margin)
            - row(&noise);
        let adjusted = match loss.family {
            Family::Seesaw => {
                let log_p = adjusted.detach().log_softmax(1, Kind::Double);
                let own = log_p.double_value(&[0, y as i64]).max(0.01_f64.ln());
                let sizes: Vec<f64> = loss.mitigation.iter().map(|m| m - loss.mitigation[y]).collect();
                adjusted + row(&sizes).clamp_max(0.0) + (log_p - own).clamp_min(0.0) * loss.compensation
            }
            Family::Softmax | Family::SigmoidBce | Family::SoftmaxBce | Family::InfluenceBalanced => adjusted,
        };
        let (log_p, log_miss) = match loss.family {
            Family::SigmoidBce => (adjusted.log_sigmoid(), (-&adjusted).log_sigmoid()),
            Family::Softmax | Family::SoftmaxBce | Family::Seesaw | Family::InfluenceBalanced => {
                let log_p = adjusted.log_softmax(1, Kind::Double);
                let log_miss = (1.0_f64 - log_p.exp()).log();
                (log_p, log_miss)
            }
        };
        let delta = loss.smoothing[y];
        let target: Vec<f64> =
            (0..c).map(|k| delta / c as f64 + if k == y { 1.0 - delta } else { 0.0 }).collect();
        let rest: Vec<f64> = target.iter().map(|t| 1.0 - t).collect();
        let value = match loss.family {
            Family::Softmax | Family::Seesaw => {
                let modulator = (1.0_f64 - log_p.exp().get(0).get(y as i64)).pow_tensor_scalar(loss.focal);
                let modulator = if loss.focal_gradient == 0.0 { modulator.detach() } else { modulator };
                -(log_p * row(&target)).sum(Kind::Double) * modulator
            }
            Family::InfluenceBalanced => {
                let Influence { alpha, epsilon, gradient } = loss.influence.unwrap();
                let miss = 1.0_f64 - log_p.get(0).get(y as i64).exp();
                let weight = alpha / (miss * 2.0 * f64::from(LENGTHS[b]) + epsilon);
                let weight = if gradient == 0.0 { weight.detach() } else { weight };
                -(log_p * row(&target)).sum(Kind::Double) * weight
            }
            Family::SigmoidBce => {
                let present = log_p.shallow_clone() * (log_miss.shallow_clone() * loss.focal).exp();
                let absent = log_miss * (log_p * loss.focal).exp();
                -(present * row(&target) + absent * row(&rest)).sum(Kind::Double)
            }
            Family::SoftmaxBce => -(log_p * row(&target) + log_miss * row(&rest)).sum(Kind::Double),
        };
        terms.push(value * loss.weight[y]);
        weights += loss.weight[y];
    }
    let divisor = match reduction {
        Reduction::WeightedMean => weights,
        Reduction::BatchMean => labels.len() as f64,
        Reduction::ElementMean => (labels.len() * c) as f64,
    };
    (Tensor::stack(&terms, 0).sum(Kind::Double) / divisor).backward();
    Vec::<f64>::try_from(z.grad().view(-1)).unwrap()
}

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![
        Just(Family::Softmax),
        Just(Family::SigmoidBce),
        Just(Family::SoftmaxBce),
        Just(Family::Seesaw),
        Just(Family::InfluenceBalanced)
    ]
}

fn any_loss() -> impl Strategy<Value = Loss> {
    let vector = |range: std::ops::Range<f64>| proptest::collection::vec(range, 5);
    let seesaw = (vector(0.0..4.0), 0.0..3.0_f64);
    let share = || prop_oneof![Just(0.0), Just(1.0)];
    let influence = (1.0..100.0_f64, 0.01..1.0_f64, share())
        .prop_map(|(alpha, epsilon, gradient)| Influence { alpha, epsilon, gradient });
    let more = (share(), vector(0.0..2.0), influence);
    (
        vector(0.3..2.0),
        vector(-2.0..2.0),
        vector(0.0..1.0),
        vector(0.1..3.0),
        vector(0.0..1.0),
        // Small powers of 1 − p, whose slope has no bound at p = 1, are left to float64: f32 has few digits of 1 − p there.
        prop_oneof![Just(0.0), 0.5..3.0_f64],
        seesaw,
        more,
    )
        .prop_map(
            |(
                scale,
                offset,
                margin,
                weight,
                smoothing,
                focal,
                seesaw,
                (focal_gradient, noise, influence),
            )| Loss {
                mitigation: seesaw.0,
                compensation: seesaw.1,
                focal_gradient,
                noise,
                influence: Some(influence),
                scale,
                offset,
                margin,
                weight,
                smoothing,
                focal,
                ..Loss::cross_entropy(5)
            },
        )
}

fn any_reduction() -> impl Strategy<Value = Reduction> {
    prop_oneof![Just(Reduction::WeightedMean), Just(Reduction::BatchMean), Just(Reduction::ElementMean)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// f32 against float64 autograd: 2e-5 of the largest entry.
    #[test]
    fn closed_form_gradients_equal_autograd(
        loss in any_loss(),
        family in any_family(),
        reduction in any_reduction(),
        logits in proptest::collection::vec(-4.0_f32..4.0, 15),
        labels in proptest::collection::vec(0_i64..5, 3),
    ) {
        let loss = Loss { family, ..loss };
        let (_, got) = value_and_gradient(&loss, reduction, &logits, &labels);
        let expected = autograd_gradient(&loss, reduction, &logits, &labels);
        let largest = expected.iter().fold(1e-3_f64, |largest, g| largest.max(g.abs()));
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert!((f64::from(*got) - expected).abs() < 2e-5 * largest, "{got} {expected}");
        }
    }

    /// Each head of a mixed group has the gradient that it has alone.
    #[test]
    fn a_head_in_a_group_has_the_gradient_of_the_head_alone(
        losses in proptest::collection::vec((any_loss(), any_reduction(), proptest::option::of(0.0_f64..1.0)), 1..4),
        family in any_family(),
        logits in proptest::collection::vec(-4.0_f32..4.0, 15),
    ) {
        let losses: Vec<(Loss, Reduction)> = losses
            .into_iter()
            .map(|(loss, reduction, alpha)| {
                let lader = alpha.map(|alpha| Lader { alpha, lambda: 0.3, prior: class_counts().priors() });
                (Loss { family, lader, ..loss }, reduction)
            })
            .collect();
        let heads: Vec<_> = losses.iter().map(|(loss, reduction)| (loss, *reduction)).collect();
        let rows = LossRows::new(&heads, Device::Cpu).unwrap();
        let samples = samples(&LABELS);
        let one = from_f32(&logits, &[3, 5], Device::Cpu).unwrap();
        let side_by_side = one.repeat([1, heads.len() as i64]);
        let divisor = rows.divisor(&samples.labels).unwrap();
        let shared = divisor.shared() as f32;
        let gradient = to_f32(&rows.gradient(&side_by_side, &samples, &divisor).unwrap()).unwrap();
        for (head, (loss, reduction)) in heads.iter().enumerate() {
            let (_, alone) = value_and_gradient(loss, *reduction, &logits, &LABELS);
            for (index, expected) in alone.iter().enumerate() {
                let got = gradient[(index / 5) * 5 * heads.len() + head * 5 + index % 5] / shared;
                prop_assert!((got - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{got} {expected}");
            }
        }
    }

    /// Proposition 1: the Hessian of cross-entropy by the bias, diag(p) − p pᵀ, is positive semi-definite, by finite
    /// differences of the closed-form gradient along a random direction v: vᵀ H v ≥ 0 for any smoothing.
    #[test]
    fn the_bias_hessian_of_smoothed_cross_entropy_is_positive_semi_definite(
        delta in 0.0_f64..1.0,
        logits in proptest::collection::vec(-3.0_f32..3.0, 5),
        direction in proptest::collection::vec(-1.0_f32..1.0, 5),
        label in 0_i64..5,
    ) {
        let loss = loss_of("lort", &[("delta", Value::Number(delta))]);
        let step = 1e-2_f32;
        let at = |sign: f32| {
            let moved: Vec<f32> = logits.iter().zip(&direction).map(|(z, v)| z + sign * step * v).collect();
            value_and_gradient(&loss, Reduction::BatchMean, &moved, &[label]).1
        };
        let (forward, backward) = (at(1.0), at(-1.0));
        let curvature: f32 =
            forward.iter().zip(&backward).zip(&direction).map(|((f, b), v)| (f - b) * v).sum::<f32>() / (2.0 * step);
        prop_assert!(curvature > -1e-4, "{curvature}");
    }
}

/// At its neutral values a method has the loss of the one that it reduces to: most have cross-entropy's.
#[test]
fn neutral_parameters_make_every_trained_method_the_one_that_it_reduces_to() {
    let at_neutral = |method| {
        let loss = loss_with(&Params::neutral(method).unwrap());
        value_and_gradient(&loss, Reduction::WeightedMean, &LOGITS, &LABELS)
    };
    for method in METHODS.iter().filter(|method| method.training == Training::Sgd) {
        let Some(neutral) = method.neutral else { continue };
        let (got, expected) = (at_neutral(method), at_neutral(neutral));
        assert!((got.0 - expected.0).abs() < 1e-6, "{}", method.name);
        assert!(got.1.iter().zip(&expected.1).all(|(g, e)| (g - e).abs() < 1e-6), "{}", method.name);
    }
}

#[test]
fn equal_counts_make_priors_and_class_weights_cross_entropy() {
    let counts = ClassCounts::new(vec![40; 5]).unwrap();
    let expected = value_and_gradient(&loss_of("ce", &[]), Reduction::WeightedMean, &LOGITS, &LABELS);
    for name in ["balanced-softmax", "logit-adjusted-loss", "vs", "cdt", "cb-ce", "grw", "ldam-drw"] {
        let method = Method::find(name).unwrap();
        let spec = Params::resolve(method, &[]).unwrap().build(&counts);
        let mut loss = spec.trained().unwrap().loss.clone();
        // Equal margins remain margins.
        loss.margin.fill(0.0);
        let got = value_and_gradient(&loss, Reduction::WeightedMean, &LOGITS, &LABELS);
        assert!((got.0 - expected.0).abs() < 1e-6, "{name}");
        assert!(got.1.iter().zip(&expected.1).all(|(g, e)| (g - e).abs() < 1e-6), "{name}");
    }
}
