//! Heads outside a group: start values, and the columns that groups keep.

pub(crate) use cache::head::{Alignment, Head, HeadForm, narrow};
use cache::{HeadKind, Stage1Head};
use longtail::random::stream;
use rand_chacha::rand_core::Rng;

/// Where heads start, and how groups keep them.
pub(crate) trait Start: Sized {
    /// The stage-1 head in its own form.
    ///
    /// Of a cosine head the directions alone decide: its rows are brought to one length, the mean of theirs, which stands
    /// for its scale. So a file with rows as they were trained means the same as one with rows of length s.
    fn stage1(head: &Stage1Head) -> Self;

    /// A linear head with the predictions of this one, for features of `mean_length` on average.
    ///
    /// `W f/|f| + b` becomes `(W/m) f + b`: the logits of a sample of length m stay, and without bias no prediction changes,
    /// because |f|/m scales all logits of a sample alike.
    #[must_use]
    fn linearised(self, mean_length: f64) -> Self;

    /// Uniform in ±1/√D, weight first, as PyTorch initialises `nn.Linear`; drawn from the seed's own stream.
    fn fresh(classes: usize, dim: usize, seed: u64) -> Self;

    /// Every row scaled to length 1, no bias: where a cosine classifier starts.
    fn directions(self) -> Self;

    /// The weight as columns `[D, C]`, as groups keep it.
    fn columns(&self) -> Vec<f32>;
}

impl Start for Head {
    fn stage1(head: &Stage1Head) -> Self {
        let (weight, bias) = (head.weight.clone(), head.bias.clone());
        let own = Self { classes: head.classes, dim: head.dim, weight, bias, form: HeadForm::Linear };
        match head.kind {
            HeadKind::Linear => own,
            HeadKind::Cosine => {
                let norms = own.norms();
                let length = norms.iter().sum::<f64>() / norms.len().max(1) as f64;
                Self { form: HeadForm::UnitFeatures { centre: Vec::new() }, ..own.with_lengths(length) }
            }
        }
    }

    fn linearised(mut self, mean_length: f64) -> Self {
        if self.reads_unit_features() {
            for weight in &mut self.weight {
                *weight = narrow(f64::from(*weight) / mean_length.max(1e-12));
            }
            self.form = HeadForm::Linear;
        }
        self
    }

    fn fresh(classes: usize, dim: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "initial weights", 0);
        #[expect(clippy::cast_possible_truncation, reason = "a bound near 0.05 needs no more digits")]
        let bound = (1.0 / (dim.max(1) as f64).sqrt()) as f32;
        let mut draw = |count: usize| -> Vec<f32> {
            // 24 random bits are every f32 of an even grid over [0, 1).
            (0..count).map(|_| bound * ((rng.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0)).collect()
        };
        let weight = draw(classes * dim);
        let bias = draw(classes);
        Self { classes, dim, weight, bias, form: HeadForm::Linear }
    }

    fn directions(self) -> Self {
        let mut head = self.with_lengths(1.0);
        head.bias.fill(0.0);
        head
    }

    fn columns(&self) -> Vec<f32> {
        (0..self.dim).flat_map(|d| self.weight.iter().skip(d).step_by(self.dim.max(1)).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_stage_1_head_is_its_directions_at_one_length() {
        let stored = |weight: Vec<f32>| Stage1Head {
            classes: 2,
            dim: 2,
            weight,
            bias: vec![0.0; 2],
            kind: HeadKind::Cosine,
        };
        let head = Head::stage1(&stored(vec![3.0, 4.0, 0.0, 15.0]));
        assert_eq!(head.weight, [6.0, 8.0, 0.0, 10.0]);
        assert!(head.reads_unit_features());
        // Rows of one length are left as they are.
        assert_eq!(Head::stage1(&stored(head.weight.clone())), head);
    }

    #[test]
    fn a_linearised_cosine_head_predicts_alike_and_keeps_the_logits_of_a_sample_of_mean_length() {
        let cosine = Head {
            classes: 3,
            dim: 2,
            weight: vec![6.0, 8.0, 10.0, 0.0, -6.0, 8.0],
            bias: vec![0.0; 3],
            form: HeadForm::UnitFeatures { centre: Vec::new() },
        };
        let linear = cosine.clone().linearised(5.0);
        assert_eq!(linear.form, HeadForm::Linear);
        for (one, two) in linear.logits(&[3.0, -4.0]).iter().zip(cosine.logits(&[3.0, -4.0])) {
            assert!((one - two).abs() < 1e-6, "{one} {two}");
        }
        let best = |logits: Vec<f64>| (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        for features in [[0.1, 0.2], [-7.0, 1.0], [30.0, -2.0]] {
            assert_eq!(best(linear.logits(&features)), best(cosine.logits(&features)));
        }
        assert_eq!(linear.clone().linearised(5.0), linear);
    }

    #[test]
    fn directions_have_length_one_and_no_bias() {
        let head = Head::fresh(3, 4, 0).directions();
        assert!(head.norms().iter().all(|norm| (norm - 1.0).abs() < 1e-6));
        assert_eq!(head.bias, [0.0; 3]);
        let zero = Head { weight: vec![0.0; 12], ..head };
        assert_eq!(zero.clone().directions().weight, zero.weight);
    }
}
