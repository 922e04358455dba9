//! The parameters that every method trained by SGD takes, and their resolved form.

use super::params::{Kind, Param, Params, Value};

/// Where a head starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// At the stage-1 head.
    Stage1,
    /// At random: uniform in ±1/√D for weight and bias, as PyTorch's `nn.Linear`.
    Fresh,
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
            Self::Cosine => {
                f64::midpoint(1.0, (std::f64::consts::PI * epoch as f64 / epochs.max(1) as f64).cos())
            }
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
    pub fn balances_classes(self) -> bool {
        match self {
            Self::InstanceBalanced => false,
            Self::Power(exponent) => exponent.get() < 1.0,
            Self::ClassAware => true,
        }
    }
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

/// Resolved SGD parameters of one head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings {
    /// Learning rate of the first epoch.
    pub lr: f64,
    /// Coupled L2 weight decay: `weight_decay · w` is added to the gradient.
    pub weight_decay: f64,
    /// Whether the bias decays too.
    pub decay_bias: bool,
    /// Momentum μ, PyTorch's convention without dampening.
    pub momentum: f64,
    /// Passes over the training split.
    pub epochs: usize,
    /// Samples in a step; N or more means full batches in row order.
    pub batch_size: usize,
    /// Learning rate over epochs.
    pub schedule: Schedule,
    /// Where the head starts.
    pub init: Init,
    /// Which features it sees.
    pub view: TrainView,
    /// In which order.
    pub sampler: Sampler,
    /// What a batch's loss is divided by.
    pub reduction: Reduction,
}

/// The parameters of SGD with the defaults of the paper's published stage 2.
///
/// # Source
/// The authors' code: SGD, momentum 0.9, lr 5e-4, no weight decay, batch 64, 20 epochs, cosine, from the stage-1 head.
pub static SGD_PARAMS: &[Param] = &[
    Param {
        name: "lr",
        kind: Kind::Above { min: 0.0 },
        default: Value::Number(5e-4),
        help: "learning rate of the first epoch",
    },
    Param {
        name: "weight_decay",
        kind: Kind::Number { min: 0.0, max: f64::INFINITY },
        default: Value::Number(0.0),
        help: "coupled L2 weight decay",
    },
    Param {
        name: "decay_bias",
        kind: Kind::Flag,
        default: Value::Flag(true),
        help: "whether the bias decays too",
    },
    Param {
        name: "momentum",
        kind: Kind::Number { min: 0.0, max: 0.9999 },
        default: Value::Number(0.9),
        help: "momentum without dampening",
    },
    Param {
        name: "epochs",
        kind: Kind::Integer { min: 1 },
        default: Value::Number(20.0),
        help: "passes over the training split",
    },
    Param {
        name: "batch_size",
        kind: Kind::Integer { min: 1 },
        default: Value::Number(64.0),
        help: "samples in a step; N or more means full batches in row order",
    },
    Param {
        name: "schedule",
        kind: Kind::Choice(&["cosine", "constant"]),
        default: Value::Choice("cosine"),
        help: "learning rate over epochs, changed after an epoch",
    },
    Param {
        name: "init",
        kind: Kind::Choice(&["stage1", "fresh"]),
        default: Value::Choice("stage1"),
        help: "where the head starts: at the stage-1 head (of a cosine head at its directions, as long as makes a feature of mean length keep its logits), or fresh",
    },
    Param {
        name: "view",
        kind: Kind::Choice(&["clean", "augmented"]),
        default: Value::Choice("clean"),
        help: "training features: the clean view, or augmented view e mod K in epoch e",
    },
    Param {
        name: "sampler",
        kind: Kind::Choice(&["instance-balanced", "power", "class-aware"]),
        default: Value::Choice("instance-balanced"),
        help: "which samples an epoch sees: each once, N draws with P(class) ∝ n^q, or four of each class in turn",
    },
    Param {
        name: "q",
        kind: Kind::Number { min: 0.0, max: 1.0 },
        default: Value::Number(0.0),
        help: "exponent of the sampler `power`: 1 as the data are, 0.5 square root, 0 all classes alike",
    },
    Param {
        name: "reduction",
        kind: Kind::Choice(&["weighted-mean", "batch-mean", "element-mean"]),
        default: Value::Choice("weighted-mean"),
        help: "what a batch's loss is divided by: sum of weights, samples, samples times classes",
    },
];

impl SgdSettings {
    /// The typed form of checked parameters.
    pub fn from_params(params: &Params) -> Self {
        Self {
            lr: params.number("lr"),
            weight_decay: params.number("weight_decay"),
            decay_bias: params.flag("decay_bias"),
            momentum: params.number("momentum"),
            epochs: params.integer("epochs"),
            batch_size: params.integer("batch_size"),
            schedule: if params.choice("schedule") == "constant" {
                Schedule::Constant
            } else {
                Schedule::Cosine
            },
            init: if params.choice("init") == "fresh" { Init::Fresh } else { Init::Stage1 },
            view: if params.choice("view") == "augmented" { TrainView::Augmented } else { TrainView::Clean },
            sampler: match params.choice("sampler") {
                "power" => Sampler::Power(Exact::new(params.number("q"))),
                "class-aware" => Sampler::ClassAware,
                _ => Sampler::InstanceBalanced,
            },
            reduction: match params.choice("reduction") {
                "batch-mean" => Reduction::BatchMean,
                "element-mean" => Reduction::ElementMean,
                _ => Reduction::WeightedMean,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_starts_at_one_and_would_reach_zero_after_the_last_epoch() {
        // torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=20), stepped after the epoch: get_last_lr() / lr.
        let factors: Vec<f64> = [0, 1, 10, 19].map(|epoch| Schedule::Cosine.factor(epoch, 20)).to_vec();
        for (got, expected) in
            factors.iter().zip([1.0, 0.993_844_170_297_569, 0.5, 0.006_155_829_702_431_115])
        {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
    }
}
