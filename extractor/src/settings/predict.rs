//! Settings of `predict`.

use super::{Machine, network::NetworkFile as Typed};
use crate::{
    backbones::torchscript::ModuleFeatures, cli::PredictArgs, images::MaxPixels, predict::NetworkFile,
};
use std::{num::NonZeroUsize, path::PathBuf};

/// A head, the file of its network, and the images that it is to classify.
#[derive(Clone, Debug)]
pub struct Predict {
    /// Images, and folders of them.
    pub images: Vec<PathBuf>,
    /// A head that says what it is for.
    pub head: PathBuf,
    /// The network; the command line asks for one.
    pub network: Option<NetworkFile>,
    /// Classes of each image.
    pub top: usize,
    /// Pixels that an image may have.
    pub max_pixels: MaxPixels,
    /// Where and how fast.
    pub machine: Machine,
    /// Images of a forward pass; `None` asks device and pixels.
    pub batch_size: Option<NonZeroUsize>,
    /// The table.
    pub out: PathBuf,
}

impl From<PredictArgs> for Predict {
    fn from(args: PredictArgs) -> Self {
        let typed =
            Typed::typed(args.checkpoint.as_deref(), args.weights.as_deref(), args.torchscript.as_deref());
        let features = if args.keep_last_linear {
            ModuleFeatures::OfLastLinear
        } else {
            ModuleFeatures::BeforeLastLinear
        };
        let network = typed.map(|typed| match typed {
            Typed::Checkpoint(path) => NetworkFile::Checkpoint(path),
            Typed::Weights(path) => NetworkFile::Weights(path, args.backbone, args.width),
            Typed::TorchScript(path) => NetworkFile::TorchScript(path, features),
        });
        Self {
            network,
            machine: Machine::from(&args.machine),
            images: args.images,
            head: args.head,
            top: args.top.get(),
            max_pixels: args.max_pixels,
            batch_size: args.batch_size,
            out: args.out,
        }
    }
}
