//! Any network, as a TorchScript module: `[B, 3, H, W]` to features `[B, D]`, or to logits `[B, C]`.
//!
//! A module that ends in a linear layer maps features to logits, and the features are what that layer reads. The layer is
//! found among the parameters and replaced by the identity, so that one forward pass gives its input; that logits are
//! those features times the layer's weight is then checked on numbers, and where it does not hold nothing is replaced.
//!
//! A module is a program: what it does when it runs, writing files included, is its author's choice. What can be checked is that
//! the file is whole (`archive`) and that features depend on their image alone (`steady`).

mod archive;
mod last_linear;
mod pickle;
mod steady;

use super::{Backbone, Compute, Network, Pooling, Readout};
use crate::ExtractError;
use cache::{BatchNormMode, Stage1Head};
use files::{content::Content, text};
use last_linear::LastLinear;
use std::{fmt, path::Path};
use tch::{CModule, Device, Kind, TchError, Tensor};
use torch::Refusal;

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

/// What of a module is taken as features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleFeatures {
    /// What its last linear layer reads; its output, where it ends in another layer.
    BeforeLastLinear,
    /// Its output, which must be that of a linear layer: else nothing was asked for.
    OfLastLinear,
    /// Its output, whatever layer that comes from.
    Output,
}

/// Loads a module, in evaluation mode, and finds out on images of `size` (height, width) what it computes.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] for [`ModuleFeatures::OfLastLinear`] of a module that ends in another layer;
/// [`ExtractError::File`]; [`ExtractError::Malformed`] for a file that is no module or a damaged one, and for a module that does
/// not map such images to `[B, D]` floating-point numbers, or in training mode.
pub fn load(
    path: &Path,
    compute: Compute,
    size: (usize, usize),
    features: ModuleFeatures,
) -> Result<Module, ExtractError> {
    let bytes = files::regular::read(path).map_err(ExtractError::io("read", path))?;
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let malformed = |expected: &str, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: hint.to_owned(),
    };
    check_file(path, &bytes)?;
    let mut module = CModule::load_data_on_device(&mut bytes.as_slice(), compute.device)
        .map_err(|error| malformed("a TorchScript module", reason(error), EXPORT))?;
    module.f_set_eval().map_err(ExtractError::torch("set evaluation mode"))?;
    let guard = tch::no_grad_guard();
    if compute.precision.kind() != Kind::Float || parameters_are_double(&module)? {
        module.to(compute.device, compute.precision.kind(), false);
    }
    let images = probe(size, compute).map_err(ExtractError::torch("make images to try the module on"))?;
    let output = module.forward_ts(std::slice::from_ref(&images)).map_err(|error| {
        let what = format!("a module that maps one f32 tensor {:?} to features [B, D]", images.size());
        malformed(&what, reason(error), EXPORT)
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
    let unsteady = steady::unsteadiness(&module, &images).map_err(|error| {
        let what = format!("a module that maps one image {:?} or several to features", &images.size()[1..]);
        malformed(&what, reason(error), EXPORT)
    })?;
    if let Some(got) = unsteady {
        return Err(malformed(
            "features that depend on their image alone, as in evaluation mode",
            got,
            EXPORT,
        ));
    }
    let found = last_linear(path, features, &module, (&images, &output))?;
    let dim = found.as_ref().map_or(dim, |linear| linear.dim);
    let head = found.map(|linear| linear.head()).transpose()?;
    drop(guard);
    let network = Scripted { module, feature_dim: usize::try_from(dim).unwrap_or(0) };
    let backbone = Backbone::of_network("torchscript", compute, Box::new(network));
    Ok(Module { backbone, digest, head })
}

/// The last linear layer where the features are what it reads; the module then ends before it.
fn last_linear(
    path: &Path,
    features: ModuleFeatures,
    module: &CModule,
    (images, output): (&Tensor, &Tensor),
) -> Result<Option<LastLinear>, ExtractError> {
    match features {
        ModuleFeatures::Output => Ok(None),
        ModuleFeatures::BeforeLastLinear => LastLinear::find(module, images, output),
        ModuleFeatures::OfLastLinear => {
            let linear = LastLinear::find(module, images, output)?.ok_or_else(|| no_last_linear(path))?;
            linear.put_back().map_err(ExtractError::torch("put the last linear layer back"))?;
            Ok(None)
        }
    }
}

fn no_last_linear(path: &Path) -> ExtractError {
    ExtractError::InvalidSetting {
        name: "--keep-last-linear",
        expected: "a module that ends in a linear layer".to_owned(),
        got: format!("`{}`, whose output comes out of another one", text::path(path)),
        hint: "leave it out: it would change nothing".to_owned(),
    }
}

/// Refuses what libtorch should not see: other files, and archives that are damaged.
fn check_file(path: &Path, bytes: &[u8]) -> Result<(), ExtractError> {
    let malformed = |got: String, hint: String| {
        let expected = "a TorchScript module".to_owned();
        Err(ExtractError::Malformed { path: path.to_owned(), expected, got, hint })
    };
    match Content::of(bytes) {
        Some(Content::TorchScript) => match archive::check(bytes) {
            Ok(()) => Ok(()),
            Err(reason) => {
                malformed(format!("a damaged one: {reason}"), "export it or download it again".to_owned())
            }
        },
        Some(content @ (Content::TorchSave | Content::Pickle)) => malformed(
            content.name().to_owned(),
            format!("its weights go to `--weights`, converted; or {EXPORT}"),
        ),
        Some(content @ (Content::Empty | Content::WebPage | Content::LfsPointer)) => {
            malformed(content.name().to_owned(), content.hint(path))
        }
        Some(content) => malformed(content.name().to_owned(), EXPORT.to_owned()),
        None => malformed("another format".to_owned(), EXPORT.to_owned()),
    }
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

/// libtorch's message for a person: the error in the module's own code, else the last line that says something.
fn reason(error: TchError) -> String {
    let text = Refusal::from(error).to_string();
    let mut told = text.lines().map(str::trim).filter(|line| !line.is_empty());
    told.clone()
        .find(|line| line.starts_with("RuntimeError"))
        .or_else(|| told.next_back())
        .unwrap_or("nothing")
        .to_owned()
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

    fn feature_dim(&self, _: Pooling) -> usize {
        self.feature_dim
    }

    fn stages(&self) -> &[usize] {
        &[]
    }

    /// It pools by itself.
    fn poolings(&self) -> &[Pooling] {
        &[Pooling::Mean]
    }
}
