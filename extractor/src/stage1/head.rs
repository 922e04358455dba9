//! The classifier that is trained together with the backbone.

use crate::weights::{Init, ParameterBuilder, Parameters, Role};
use cache::HeadKind;
use tch::{Kind, TchError, Tensor};

/// A stage-1 classifier; its parameters are `fc.weight` `[C, D]` and, if linear, `fc.bias` `[C]`.
#[derive(Debug)]
pub struct Head {
    /// How features become logits.
    pub kind: HeadKind,
    /// `[C, D]` f32.
    pub weight: Tensor,
    /// `[C]` f32; zeros in a cosine head, which has none.
    pub bias: Tensor,
    parameters: Parameters,
}

impl Head {
    /// A head with its initial weights.
    ///
    /// # Errors
    /// libtorch's.
    pub fn new(
        kind: HeadKind,
        builder: ParameterBuilder,
        classes: usize,
        dim: usize,
    ) -> Result<Self, TchError> {
        match kind {
            HeadKind::Linear => Self::linear(builder, classes, dim),
            HeadKind::Cosine => Self::cosine(builder, classes, dim),
        }
    }

    /// A head of cosines without bias; its rows start with uniform entries, scaled to length 1.
    ///
    /// # Source
    /// `NormedLinear` of LDAM-DRW.
    ///
    /// # Errors
    /// libtorch's.
    pub fn cosine(mut builder: ParameterBuilder, classes: usize, dim: usize) -> Result<Self, TchError> {
        let (classes, dim) = (size(classes)?, size(dim)?);
        let weight = builder.add("fc.weight", &[classes, dim], Init::UniformFanIn(1), Role::Weight)?;
        let _guard = tch::no_grad_guard();
        let rows = directions(&weight)?;
        weight.shallow_clone().f_copy_(&rows)?;
        let bias = Tensor::f_zeros([classes], (Kind::Float, weight.device()))?;
        Ok(Self { kind: HeadKind::Cosine, weight, bias, parameters: builder.finish() })
    }

    /// A linear head with PyTorch's default initialisation, U(−1/√D, 1/√D) for weight and bias.
    ///
    /// # Errors
    /// libtorch's.
    pub fn linear(mut builder: ParameterBuilder, classes: usize, dim: usize) -> Result<Self, TchError> {
        let (classes, dim) = (size(classes)?, size(dim)?);
        let init = Init::UniformFanIn(dim);
        let weight = builder.add("fc.weight", &[classes, dim], init, Role::Weight)?;
        let bias = builder.add("fc.bias", &[classes], init, Role::Weight)?;
        Ok(Self { kind: HeadKind::Linear, weight, bias, parameters: builder.finish() })
    }

    /// `features` `[B, D]` to logits `[B, C]` in f32; those of a cosine head are the cosines themselves.
    ///
    /// # Errors
    /// libtorch's.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor, TchError> {
        match self.kind {
            HeadKind::Linear => features.f_linear(&self.weight, Some(&self.bias)),
            HeadKind::Cosine => directions(features)?.f_linear(&directions(&self.weight)?, None::<&Tensor>),
        }
    }

    /// What is learned, under its names.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

fn size(n: usize) -> Result<i64, TchError> {
    i64::try_from(n).map_err(|_| TchError::Shape(format!("a size of {n}")))
}

/// Every row scaled to length 1, as `torch.nn.functional.normalize`; a row of zeros stays.
fn directions(rows: &Tensor) -> Result<Tensor, TchError> {
    rows.f_div(&rows.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?.f_clamp_min(1e-12)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{stage1::recorded::reference, weights::Layout};
    use tch::Device;

    fn builder() -> ParameterBuilder {
        ParameterBuilder::new(3, Device::Cpu, Layout::ChannelsFirst)
    }

    /// `F.linear(F.normalize(features), F.normalize(weight))` in float64: `fixtures/stage1/record.py`. f32: 1e-6.
    #[test]
    fn cosine_logits_are_those_of_pytorch() {
        let reference = reference();
        let head = Head::cosine(builder(), 4, 5).unwrap();
        let single = |rows: &[Vec<f64>]| Tensor::from_slice2(rows).to_kind(Kind::Float);
        tch::no_grad(|| head.weight.shallow_clone().copy_(&single(&reference.weight)));
        let logits = head.logits(&single(&reference.features)).unwrap();
        assert!((logits - single(&reference.cosines)).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn a_cosine_head_starts_on_the_unit_sphere_has_no_bias_and_takes_zero_features() {
        let head = Head::cosine(builder(), 7, 16).unwrap();
        let lengths = head.weight.norm_scalaropt_dim(2.0, [1_i64].as_slice(), false);
        assert!((lengths - 1.0).abs().max().double_value(&[]) < 1e-6);
        assert_eq!(head.parameters().named().map(|(name, _)| name).collect::<Vec<_>>(), ["fc.weight"]);
        let features = Tensor::zeros([2, 16], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let logits = head.logits(&features).unwrap();
        logits.sum(Kind::Float).backward();
        assert_eq!(logits.abs().max().double_value(&[]), 0.0);
        assert!(bool::try_from(features.grad().isfinite().all()).unwrap());
    }
}
