//! Any network, as a TorchScript module: `[B, 3, H, W]` to features `[B, D]`, or to logits `[B, C]`.
//!
//! A module that ends in a linear layer maps features to logits, and the features are what that layer reads. The layer is
//! found among the parameters and replaced by the identity, so that one forward pass gives its input; that logits are
//! those features times the layer's weight is then checked on numbers, and where it does not hold nothing is replaced.

use super::{Backbone, Compute, Network, Readout};
use crate::ExtractError;
use shared::{BatchNormMode, HeadKind, Stage1Head};
use std::{fmt, path::Path};
use tch::{CModule, Device, Kind, TchError, Tensor};

/// How to export a module, for hints.
const EXPORT: &str =
    "export it: `torch.jit.trace(model.eval(), torch.zeros(1, 3, HEIGHT, WIDTH)).save(FILE)`";

/// A loaded module, ready to dump.
#[derive(Debug)]
pub struct Module {
    /// The layers up to the features.
    pub backbone: Backbone,
    /// BLAKE3 of the file.
    pub digest: String,
    /// The last linear layer, where it was found.
    pub head: Option<Stage1Head>,
}

/// Loads a module, in evaluation mode, and finds out on images of `size` (height, width) what it computes.
///
/// With `keep_last_linear` its output are the features, whatever layer they come from.
///
/// # Errors
/// [`ExtractError::Io`]; [`ExtractError::Malformed`] for a file that is no module, and for a module that does not map such
/// images to `[B, D]` floating-point numbers.
pub fn load(
    path: &Path,
    compute: Compute,
    size: (usize, usize),
    keep_last_linear: bool,
) -> Result<Module, ExtractError> {
    let bytes = shared::regular::read(path).map_err(ExtractError::io("read", path))?;
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let malformed = |expected: &str, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: hint.to_owned(),
    };
    let mut module = CModule::load_data_on_device(&mut bytes.as_slice(), compute.device)
        .map_err(|error| malformed("a TorchScript module", reason(&error), EXPORT))?;
    module.f_set_eval().map_err(ExtractError::torch("set evaluation mode"))?;
    let guard = tch::no_grad_guard();
    if compute.precision.kind() != Kind::Float || parameters_are_double(&module)? {
        module.to(compute.device, compute.precision.kind(), false);
    }
    let images = probe(size, compute).map_err(ExtractError::torch("make images to try the module on"))?;
    let output = module.forward_ts(std::slice::from_ref(&images)).map_err(|error| {
        let what = format!("a module that maps one f32 tensor {:?} to features [B, D]", images.size());
        malformed(&what, reason(&error), EXPORT)
    })?;
    let dim = match (output.size().as_slice(), output.f_kind()) {
        (&[rows, dim], Ok(Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double))
            if rows == PROBES && dim > 0 =>
        {
            dim
        }
        (shape, kind) => {
            let expected = format!("features [{PROBES}, D] of floating-point numbers for {PROBES} images");
            let got = format!(
                "{shape:?} of {}",
                kind.map_or_else(|_| "no type".to_owned(), |kind| format!("{kind:?}"))
            );
            let hint = "pool and flatten before the end, as in `model.forward_features` of timm";
            return Err(malformed(&expected, got, hint));
        }
    };
    let found = if keep_last_linear { None } else { LastLinear::find(&module, &images, &output)? };
    let dim = found.as_ref().map_or(dim, |linear| linear.dim);
    let head = found.map(|linear| linear.head()).transpose()?;
    drop(guard);
    let network = Scripted { module, feature_dim: usize::try_from(dim).unwrap_or(0) };
    let backbone = Backbone::of_network("torchscript", compute, Box::new(network));
    Ok(Module { backbone, digest, head })
}

/// Images that a module is tried on: two, so that a module that mixes up rows is found.
const PROBES: i64 = 2;

/// `[2, 3, H, W]` of fixed numbers in about −1.5 … 1.5.
fn probe((height, width): (usize, usize), compute: Compute) -> Result<Tensor, TchError> {
    let side = |size: usize| i64::try_from(size).unwrap_or(0);
    let shape = [PROBES, 3, side(height), side(width)];
    let numbers = Tensor::f_arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu))?;
    let images = numbers.f_square()?.f_mul_scalar(0.1)?.f_sin()?.f_mul_scalar(1.5)?.f_reshape(shape)?;
    images.f_to_device(compute.device)?.f_to_kind(compute.precision.kind())
}

fn parameters_are_double(module: &CModule) -> Result<bool, ExtractError> {
    let parameters =
        module.named_parameters().map_err(ExtractError::torch("list the module's parameters"))?;
    Ok(parameters.iter().any(|(_, tensor)| tensor.f_kind().is_ok_and(|kind| kind == Kind::Double)))
}

/// libtorch's message for a person: its last line that says something, without C++ frames.
fn reason(error: &TchError) -> String {
    let text = error.to_string();
    let text = text.split("\nException raised from").next().unwrap_or(&text);
    let mut told = text.lines().map(str::trim).filter(|line| !line.is_empty());
    told.clone()
        .find(|line| line.starts_with("RuntimeError"))
        .or_else(|| told.next_back())
        .unwrap_or("nothing")
        .to_owned()
}

/// The linear layer at a module's end, replaced by the identity.
struct LastLinear {
    weight: Tensor,       // [C, D]
    bias: Option<Tensor>, // [C]
    dim: i64,
}

impl LastLinear {
    /// How far logits may be from features · weightᵀ + bias, in units of the largest logit.
    fn tolerance(kind: Kind) -> f64 {
        if kind == Kind::Float { 1e-4 } else { 5e-2 }
    }

    /// The last parameter `NAME.weight` `[C, D]` that makes the output `[B, C]` out of what it reads, for a linear layer.
    fn find(module: &CModule, images: &Tensor, output: &Tensor) -> Result<Option<Self>, ExtractError> {
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
        let (original_weight, original_bias) = original;
        if holds {
            return Ok(Some(Self { weight: original_weight, bias: original_bias, dim }));
        }
        weight.shallow_clone().f_set_data(&original_weight)?;
        if let (Some(bias), Some(original)) = (bias, &original_bias) {
            bias.shallow_clone().f_set_data(original)?;
        }
        Ok(None)
    }

    fn head(&self) -> Result<Stage1Head, ExtractError> {
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

/// A module as a network.
struct Scripted {
    module: CModule,
    feature_dim: usize,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TorchScript module with {} features", self.feature_dim)
    }
}

impl Network for Scripted {
    fn forward(&self, images: &Tensor, batch_norm: BatchNormMode, _: Readout) -> Result<Tensor, TchError> {
        if batch_norm == BatchNormMode::Train {
            return Err(TchError::Torch("a TorchScript module runs in evaluation mode only".to_owned()));
        }
        self.module.forward_ts(std::slice::from_ref(images))
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }

    fn stages(&self) -> &[usize] {
        &[]
    }
}
