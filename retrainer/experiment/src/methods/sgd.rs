//! The parameters that every method trained by SGD takes, and their resolved form.

use super::{
    Param, Value,
    declare::{HyperParams, params},
    range::{Field, above, choice, choices, flag, integer, within},
};
use clap::ValueEnum;
use std::sync::LazyLock;

/// Where a head starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Init {
    /// At the stage-1 head.
    Stage1,
    /// At random: uniform in ±1/√D for weight and bias, as PyTorch's `nn.Linear`.
    Fresh,
    /// At the class means of the training features: the nearest class mean, with the mean squared distance of a sample to its own
    /// as temperature.
    ClassMean,
}

/// The learning rate over epochs; it changes after an epoch, never inside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Schedule {
    /// `lr · (1 + cos(π e / E)) / 2` in epoch e of E.
    Cosine,
    /// The same in every epoch.
    Constant,
}

impl Schedule {
    /// The factor of the learning rate in epoch `epoch` (from 0) of `epochs`.
    pub fn factor(self, epoch: usize, epochs: usize) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => longtail::cosine(epoch as f64, epochs as f64),
        }
    }
}

/// Which view of the training split an epoch reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrainView {
    /// The clean view.
    Clean,
    /// Augmented view e mod K in epoch e.
    Augmented,
}

/// Which samples an epoch sees, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sampler {
    /// Every sample once, shuffled.
    InstanceBalanced,
    /// N draws with replacement: a class with probability ∝ n^q, then one of its samples.
    Power(Exact),
    /// Classes in shuffled cycles, four samples of each in turn, each class's samples in shuffled cycles of their own.
    ClassAware,
}

impl Sampler {
    /// Whether small classes are seen more often than their samples are.
    pub(crate) fn balances_classes(self) -> bool {
        match self {
            Self::InstanceBalanced => false,
            Self::Power(exponent) => exponent.get() < 1.0,
            Self::ClassAware => true,
        }
    }
}

/// The word of a [`Sampler`] in grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerKind {
    /// [`Sampler::InstanceBalanced`].
    InstanceBalanced,
    /// [`Sampler::Power`].
    Power,
    /// [`Sampler::ClassAware`].
    ClassAware,
}

/// A number that is compared by its bits, so that it can be part of a key; never NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exact(u64);

impl Exact {
    /// Keeps a number.
    pub fn new(number: f64) -> Self {
        Self(number.to_bits())
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What a batch's loss is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The sum of the samples' weights, as PyTorch's weighted `mean`.
    WeightedMean,
    /// The number of samples.
    BatchMean,
    /// The number of samples times the number of classes.
    ElementMean,
}

choices!(Schedule { Cosine = "cosine", Constant = "constant" });
choices!(Init { Stage1 = "stage1", Fresh = "fresh", ClassMean = "class-mean" });
choices!(TrainView { Clean = "clean", Augmented = "augmented" });
choices!(SamplerKind { InstanceBalanced = "instance-balanced", Power = "power", ClassAware = "class-aware" });
choices!(Reduction { WeightedMean = "weighted-mean", BatchMean = "batch-mean", ElementMean = "element-mean" });

params! {
    /// How SGD trains a head, with the defaults of the paper's published stage 2.
    ///
    /// # Source
    /// The authors' code: SGD, momentum 0.9, lr 5e-4, no weight decay, batch 64, 20 epochs, cosine, from the stage-1 head.
    pub struct SgdSettings {
        /// learning rate of the first epoch
        lr: f64 = 5e-4, above(0.0);
        /// coupled L2 weight decay
        weight_decay: f64 = 0.0, within(0.0, f64::INFINITY);
        /// whether the bias decays too
        decay_bias: bool = true, flag();
        /// momentum without dampening
        momentum: f64 = 0.9, within(0.0, 0.9999);
        /// passes over the training split
        epochs: usize = 20, integer(1);
        /// samples in a step; N or more means full batches in row order
        batch_size: usize = 64, integer(1);
        /// learning rate over epochs, changed after an epoch
        schedule: Schedule = Schedule::Cosine, choice();
        /// where the head starts: at the stage-1 head (of a cosine head at its directions, as long as makes a feature of mean length keep its logits), fresh, or at the class means
        init: Init = Init::Stage1, choice();
        /// training features: the clean view, or augmented view e mod K in epoch e
        view: TrainView = TrainView::Clean, choice();
        /// which samples an epoch sees: each once, N draws with P(class) ∝ n^q, or four of each class in turn
        sampler: SamplerKind = SamplerKind::InstanceBalanced, choice();
        /// exponent of the sampler `power`: 1 as the data are, 0.5 square root, 0 all classes alike
        q: f64 = 0.0, within(0.0, 1.0);
        /// what a batch's loss is divided by: sum of weights, samples, samples times classes
        reduction: Reduction = Reduction::WeightedMean, choice();
    }
}

/// The parameters that every method trained by SGD takes, with their common defaults.
pub static SGD_PARAMS: LazyLock<Vec<Param>> = LazyLock::new(|| SgdSettings::DEFAULT.params());

impl From<Init> for Value {
    fn from(init: Init) -> Self {
        init.value()
    }
}

impl SgdSettings {
    /// Which samples an epoch sees.
    pub fn sampler(&self) -> Sampler {
        match self.sampler {
            SamplerKind::InstanceBalanced => Sampler::InstanceBalanced,
            SamplerKind::Power => Sampler::Power(Exact::new(self.q)),
            SamplerKind::ClassAware => Sampler::ClassAware,
        }
    }
}

/// A parameter of SGD that a method publishes with another value than the common default.
#[derive(Debug)]
pub struct Published {
    /// The parameter.
    pub name: &'static str,
    /// Puts the published value in place.
    pub(super) set: fn(&mut SgdSettings),
}

/// Published values of parameters of SGD: `published!(lr = 0.2)`.
macro_rules! published {
    ($($name:ident = $value:expr),* $(,)?) => {
        &[$($crate::methods::Published { name: stringify!($name), set: |sgd| sgd.$name = $value }),*]
    };
}
pub(super) use published;
