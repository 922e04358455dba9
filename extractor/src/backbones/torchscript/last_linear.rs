//! The linear layer that a module ends in, found among its parameters.

use super::PROBES;
use crate::ExtractError;
use cache::{HeadKind, Stage1Head};
use tch::{CModule, Device, Kind, TchError, Tensor};

/// The linear layer at a module's end, replaced by the identity.
pub(super) struct LastLinear {
    weight: Tensor,       // [C, D]
    bias: Option<Tensor>, // [C]
    /// Features D that the layer reads.
    pub(super) dim: i64,
    /// The module's own tensors, which hold the identity.
    slots: (Tensor, Option<Tensor>),
}

impl LastLinear {
    /// How far logits may be from features · weightᵀ + bias, in units of the largest logit.
    fn tolerance(kind: Kind) -> f64 {
        if kind == Kind::Float { 1e-4 } else { 5e-2 }
    }

    /// The last parameter `NAME.weight` `[C, D]` that makes the output `[B, C]` out of what it reads, for a linear layer.
    pub(super) fn find(
        module: &CModule,
        images: &Tensor,
        output: &Tensor,
    ) -> Result<Option<Self>, ExtractError> {
        let torch = || ExtractError::torch("look for the module's last linear layer");
        let named = module.named_parameters().map_err(torch())?;
        let classes = output.size().last().copied().unwrap_or(0);
        for (name, weight) in named.iter().rev() {
            let (Some(stem), &[rows, dim]) = (name.strip_suffix("weight"), weight.size().as_slice()) else {
                continue;
            };
            if rows != classes {
                continue;
            }
            let bias_name = format!("{stem}bias");
            let bias = named.iter().find(|(name, _)| *name == bias_name).map(|(_, bias)| bias);
            if let Some(found) = Self::replace(module, images, output, weight, bias, dim).map_err(torch())? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Sets the layer to the identity and keeps it so if the module then gives what the layer read.
    ///
    /// The module and these tensors share their storage slots, so `set_data` changes what the module computes with.
    fn replace(
        module: &CModule,
        images: &Tensor,
        output: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        dim: i64,
    ) -> Result<Option<Self>, TchError> {
        let options = (weight.f_kind()?, weight.device());
        // Detached tensors keep their memory when the parameters get other data.
        let original = (weight.f_detach()?, bias.map(Tensor::f_detach).transpose()?);
        weight.shallow_clone().f_set_data(&Tensor::f_eye(dim, options)?)?;
        if let Some(bias) = bias {
            bias.shallow_clone().f_set_data(&Tensor::f_zeros([dim], options)?)?;
        }
        let holds = match module.forward_ts(std::slice::from_ref(images)) {
            Ok(features) if features.size() == [PROBES, dim] => {
                let single = |tensor: &Tensor| tensor.f_to_kind(Kind::Float);
                let bias = original.1.as_ref().map(single).transpose()?;
                let logits = single(&features)?.f_linear(&single(&original.0)?, bias)?;
                let largest = single(output)?.f_abs()?.f_max()?.f_double_value(&[])?;
                let difference = (logits.f_sub(&single(output)?)?).f_abs()?.f_max()?.f_double_value(&[])?;
                difference <= Self::tolerance(options.0) * largest
            }
            // Another layer with the output's width, or one whose output goes on: not the last.
            _ => false,
        };
        let slots = (weight.shallow_clone(), bias.map(Tensor::shallow_clone));
        let layer = Self { weight: original.0, bias: original.1, dim, slots };
        if holds {
            return Ok(Some(layer));
        }
        layer.put_back()?;
        Ok(None)
    }

    /// Makes the module what it was.
    pub(super) fn put_back(self) -> Result<(), TchError> {
        let (mut weight, bias) = self.slots;
        weight.f_set_data(&self.weight)?;
        if let (Some(mut bias), Some(original)) = (bias, self.bias) {
            bias.f_set_data(&original)?;
        }
        Ok(())
    }

    pub(super) fn head(&self) -> Result<Stage1Head, ExtractError> {
        let numbers = |tensor: &Tensor| {
            let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_reshape([-1])?;
            Vec::<f32>::try_from(tensor)
        };
        let torch = || ExtractError::torch("read the module's last layer");
        let weight = numbers(&self.weight).map_err(torch())?;
        let classes = usize::try_from(self.weight.size().first().copied().unwrap_or(0)).unwrap_or(0);
        let bias = match &self.bias {
            Some(bias) => numbers(bias).map_err(torch())?,
            None => vec![0.0; classes],
        };
        let dim = usize::try_from(self.dim).unwrap_or(0);
        Ok(Stage1Head { classes, dim, weight, bias, kind: HeadKind::Linear })
    }
}
