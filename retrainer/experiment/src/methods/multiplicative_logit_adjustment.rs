//! Multiplicative logit adjustment: stage-1 logits times a power of the inverse prior.

use super::{Build, Method, Training, params, range::within, stage1};
use crate::spec::{HeadSpec, PostHoc};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `multiplicative-logit-adjustment`.
    struct MultiplicativeLogitAdjustment {
        /// exponent τ of the inverse prior
        tau: f64 = 0.65, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "multiplicative-logit-adjustment",
    aliases: &["mla"],
    title: "Multiplicative Logit Adjustment",
    idea: "Multiplies each stage-1 logit by a power of the inverse prior, which suits features near an equiangular frame. Negative logits grow more negative.",
    formula: "z_k · π_k^{−τ}",
    source: "Hasegawa and Sato 2023 (EWB-FDR); their code uses τ 0.65 for CIFAR100-LT",
    reduces_to: "`stage1` at τ = 0; the same ranking at equal class counts",
    neutral: Some(&stage1::METHOD),
    training: Training::PostHoc,
    own: &MultiplicativeLogitAdjustment::DEFAULT,
    published: &[],
    grid: "tau = [0.2, 0.35, 0.5, 0.65, 0.8]",
};

impl Build for MultiplicativeLogitAdjustment {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let tau = self.tau;
        let scale = class_counts.priors().iter().map(|prior| prior.powf(-tau)).collect();
        HeadSpec::post_hoc(PostHoc { scale, ..PostHoc::identity(class_counts.classes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        methods::{Params, Value},
        spec::Untrained,
    };
    use cache::ClassCounts;

    #[test]
    fn scales_are_powers_of_the_inverse_prior() {
        let counts = ClassCounts::new(vec![75, 25]).unwrap();
        let params = Params::resolve(&METHOD, &[("tau", Value::Number(0.5))]).unwrap();
        let HeadSpec::Untrained(Untrained::Adjusted(change)) = params.build(&counts) else { panic!() };
        // (3/4) ** -0.5 and (1/4) ** -0.5.
        assert!((change.scale[0] - 1.154_700_538_379_251_7).abs() < 1e-15);
        assert!((change.scale[1] - 2.0).abs() < 1e-15);
        assert_eq!(change.offset, [0.0; 2]);
    }
}
