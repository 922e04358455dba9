//! Nearest class mean.

use super::{
    Build, Method, Training, params,
    range::{choice, choices},
};
use crate::spec::{ClosedForm, Distance, HeadSpec};
use cache::ClassCounts;

choices!(Distance { CentredUnit = "cl2n", L2 = "l2", Cosine = "cosine" });

params! {
    /// Hyper-parameters of `ncm`.
    struct Ncm {
        /// how features and means are compared
        distance: Distance = Distance::CentredUnit, choice();
    }
}

pub(super) static METHOD: Method = Method {
    name: "ncm",
    aliases: &["nearest-class-mean"],
    title: "NCM",
    idea: "Represents a class by the mean of its training features and takes the nearest; class sizes play no part. Nothing is trained.",
    formula: "−|f − μ_k|²/2 (l2), cos(f, μ_k) (cosine), or l2 after centring by the mean of all samples and scaling to length 1 (cl2n)",
    source: "Kang et al. 2020 (ICLR), §4; `cl2n` is the default of their code, after Wang et al. 2019",
    reduces_to: "itself",
    neutral: None,
    training: Training::PostHoc,
    own: &Ncm::DEFAULT,
    published: &[],
    grid: r#"distance = ["l2", "cosine", "cl2n"]"#,
};

impl Build for Ncm {
    fn build(&self, _: &ClassCounts) -> HeadSpec {
        HeadSpec::closed_form(ClosedForm::ClassMeans(self.distance))
    }
}
