//! Heads without training: the stage-1 head, adjusted. In f64, since it happens once.

use super::head::{Head, narrow};
use experiment::spec::PostHoc;

/// The adjusted head `w'_k = scale_k · w_k / |w_k|^τ`, `b'_k = scale_k · b_k (or 0) + offset_k`.
pub(super) fn adjust(head: &Head, post_hoc: &PostHoc) -> Head {
    let norms = head.norms();
    let classes = post_hoc.scale.iter().zip(&post_hoc.offset).zip(&norms);
    let (mut weight, mut bias) = (Vec::with_capacity(head.weight.len()), Vec::with_capacity(head.bias.len()));
    for ((((&scale, &offset), &norm), row), &b) in
        classes.zip(head.weight.chunks_exact(head.dim.max(1))).zip(&head.bias)
    {
        // A weight vector of length zero has no direction to keep; it stays zero.
        let length = if norm > 0.0 { norm.powf(post_hoc.norm_power) } else { 1.0 };
        weight.extend(row.iter().map(|&w| narrow(scale * f64::from(w) / length)));
        let kept = if post_hoc.keep_bias { scale * f64::from(b) } else { 0.0 };
        bias.push(narrow(kept + offset));
    }
    Head { classes: head.classes, dim: head.dim, weight, bias, form: head.form.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::HeadForm;

    fn head() -> Head {
        Head {
            classes: 3,
            dim: 2,
            weight: vec![3.0, 4.0, 1.0, 0.0, 0.0, 2.0],
            bias: vec![0.5, -1.0, 2.0],
            form: HeadForm::Linear,
        }
    }

    #[test]
    fn tau_norm_divides_by_a_power_of_the_length() {
        // [[3, 4], [1, 0], [0, 2]] / norm ** 0.5, in float64.
        let adjusted =
            adjust(&head(), &PostHoc { norm_power: 0.5, keep_bias: false, ..PostHoc::identity(3) });
        let expected = [1.341_640_8, 1.788_854_4, 1.0, 0.0, 0.0, std::f32::consts::SQRT_2];
        for (got, expected) in adjusted.weight.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
        assert_eq!(adjusted.bias, [0.0; 3]);
    }

    #[test]
    fn neutral_values_change_nothing_and_zero_rows_stay() {
        assert_eq!(adjust(&head(), &PostHoc::identity(3)), head());
        let zero = Head { classes: 1, dim: 2, weight: vec![0.0; 2], bias: vec![1.0], form: HeadForm::Linear };
        assert_eq!(adjust(&zero, &PostHoc { norm_power: 1.0, ..PostHoc::identity(1) }), zero);
    }

    #[test]
    fn logit_adjustment_moves_the_bias() {
        let adjusted = adjust(&head(), &PostHoc { offset: vec![1.0, 2.0, 3.0], ..PostHoc::identity(3) });
        assert_eq!(adjusted.bias, [1.5, 1.0, 5.0]);
        assert_eq!(adjusted.weight, head().weight);
    }
}
