//! Arguments of `dump`.

use super::{
    RecipeArgs,
    train::{DataArgs, MachineArgs},
};
use crate::backbones::{Layer, Pooling};
use cache::{BatchNormMode, Dtype};
use clap::Args;
use program::partition::PartitionChoice;
use std::{num::NonZeroUsize, path::PathBuf};

/// `extractor dump`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Without --checkpoint, --weights and --torchscript a backbone is trained first, with the settings under Training; its checkpoint
goes to CACHE.checkpoint. A dump that was stopped or killed goes on at its first missing shard when the same
command is given again.

With --partition several processes share a dump, on one machine or on several with one file system: each writes
every N-th shard, and the last one to finish makes the folder a cache (or `extractor merge`). It holds the same
bytes as a dump in one go; a partition that was stopped, or given twice, does no harm.

Examples:
  extractor dump --checkpoint checkpoints/c100 --dataset cifar100 --data ~/cifar-100-binary \\
      --imbalance-ratio 100 --out caches/c100
  extractor dump --backbone vit-b14-dinov2 --weights model.safetensors --dataset folder --data photos \\
      --test-fraction 0.2 --val-fraction 0.1 --out caches/photos
  extractor dump --torchscript model.pt --dataset cifar100 --data ~/cifar-100-binary --out caches/mine
  extractor dump --dataset cifar100 --data ~/cifar-100-binary --imbalance-ratio 100 --n-max 480 \\
      --val-per-class 20 --backbone resnet18 --width 0.25 --epochs 100 --augmented 20 --out caches/c100-val")]
pub struct DumpArgs {
    /// Which samples.
    #[command(flatten)]
    pub data: DataArgs,
    /// Checkpoint of `extractor train`
    #[arg(long, value_name = "CKPT", conflicts_with_all = ["weights", "torchscript"], help_heading = "Backbone")]
    pub checkpoint: Option<PathBuf>,
    /// Use the checkpoint on other images than it was trained on
    #[arg(long, requires = "checkpoint", help_heading = "Backbone")]
    pub allow_other_data: bool,
    /// Safetensors file with the weights of --backbone, as its owners, timm, torchvision, transformers or this program name them
    #[arg(long, value_name = "FILE", conflicts_with = "torchscript", help_heading = "Backbone")]
    pub weights: Option<PathBuf>,
    /// TorchScript module that maps images [B, 3, H, W] to features [B, D]; a last linear layer is taken as stage-1 head. A
    /// module is code that runs with your rights: take it from sources you trust
    #[arg(long, value_name = "FILE", help_heading = "Backbone")]
    pub torchscript: Option<PathBuf>,
    /// Take the module's output as features, also where it comes out of a linear layer
    #[arg(long, requires = "torchscript", help_heading = "Backbone")]
    pub keep_last_linear: bool,
    /// Stage-1 head in a file of its own: `weight` [C, D], classes in the order of the labels. Rows of length 1 without bias, such as
    /// text embeddings, make a cosine head; CLIP's and SigLIP's features are compared with text by --pool projected
    #[arg(long, value_name = "FILE", help_heading = "Backbone")]
    pub head: Option<PathBuf>,
    /// How to train, where neither checkpoint nor weights are given.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Images of a training step, and of a batch that --batch-norm train normalises [default: 64]
    #[arg(long, value_name = "B", help_heading = "Training")]
    pub train_batch_size: Option<NonZeroUsize>,
    /// Where and how fast.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Images of a forward pass [default: 256; 16 for photographs on a CPU]
    #[arg(long, value_name = "B", help_heading = "Machine")]
    pub batch_size: Option<NonZeroUsize>,
    /// Random crop-and-flip views of the training images
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000), help_heading = "Features")]
    pub augmented: u32,
    /// Layer that is read: `penultimate`, or `stage1`, `stage2` … of a network of stages, without stage-1 head then
    #[arg(long, value_name = "LAYER", default_value_t = Layer::Penultimate, help_heading = "Features")]
    pub layer: Layer,
    /// How the map of that layer, or the tokens of a transformer, become features; with another than the backbone's own there is no
    /// stage-1 head [default: as its owners read it, `extractor backbones`]
    #[arg(long, visible_alias = "pool", value_enum, value_name = "POOLING", help_heading = "Features")]
    pub pooling: Option<Pooling>,
    /// Number format of the features: `f32`, `f16` or `bf16`
    #[arg(long, default_value_t = Dtype::F16, help_heading = "Features")]
    pub dtype: Dtype,
    /// Statistics of batch normalisation
    #[arg(long, value_enum, default_value_t = BatchNormArg::Eval, help_heading = "Features")]
    pub batch_norm: BatchNormArg,
    /// Rows of a shard, which is what a stop loses at most [default: 256 to 8192, by the size of network and images; at most 256 MB]
    #[arg(long, value_name = "N", help_heading = "Features")]
    pub shard_rows: Option<NonZeroUsize>,
    /// Write only part I of N, counted from 1; `auto` takes both numbers from the scheduler's environment, `auto/N` its own
    #[arg(
        long,
        value_name = "I/N|auto",
        default_value = "1/1",
        hide_default_value = true,
        help_heading = "Features"
    )]
    pub partition: PartitionChoice,
    /// Folder of the feature cache
    #[arg(long, value_name = "CACHE")]
    pub out: PathBuf,
}

/// Statistics of batch normalisation during a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BatchNormArg {
    /// The running statistics of stage 1
    Eval,
    /// Those of each shuffled batch for training views, and the running ones that these batches moved for the others: as
    /// published stage-2 code, which leaves the frozen network in training mode
    Train,
}

impl BatchNormArg {
    /// As the manifest has it.
    pub fn mode(self) -> BatchNormMode {
        match self {
            Self::Eval => BatchNormMode::Eval,
            Self::Train => BatchNormMode::Train,
        }
    }
}
