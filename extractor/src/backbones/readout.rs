//! Where in a network the features are read, and how a map becomes one vector.

use std::{fmt, str::FromStr};
use tch::{TchError, Tensor};

/// Where features come from: by default the pooled map of the last stage, which the stage-1 head was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readout {
    /// The layer that is read.
    pub layer: Layer,
    /// How its map, or its tokens, become one vector; `None` as the network's owners have it.
    pub pooling: Option<Pooling>,
}

/// A layer with a map to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// The last one before the head.
    #[default]
    Penultimate,
    /// The output of a stage of blocks, counted from 1 as in `layer3` of torchvision; what follows is not computed.
    Stage(usize),
}

/// How a map `[B, C, H, W]`, or the tokens `[B, N, D]` of a transformer after its last norm, become features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pooling {
    /// The mean over the map, or over the tokens of patches
    #[value(alias = "average")]
    Mean,
    /// The maximum over the map
    Max,
    /// The class token
    Cls,
    /// The class token, and the mean over the tokens of patches after it: `[B, 2 D]`
    #[value(name = "cls+mean")]
    ClsMean,
    /// What is compared with text: CLIP's projection of the class token, SigLIP's attention pooling
    Projected,
}

impl Readout {
    /// As the manifest has it: layer and pooling where they are not the network's own.
    pub fn recorded(self) -> (Option<String>, Option<String>) {
        let default = Self::default();
        (
            (self.layer != default.layer).then(|| self.layer.to_string()),
            self.pooling.map(|pooling| pooling.to_string()),
        )
    }

    /// What a manifest has recorded; `None` for a text of another program version.
    pub fn from_recorded(layer: Option<&str>, pooling: Option<&str>) -> Option<Self> {
        Some(Self {
            layer: layer.map_or(Some(Layer::default()), |layer| layer.parse().ok())?,
            pooling: pooling.map(|name| clap::ValueEnum::from_str(name, false)).transpose().ok()?,
        })
    }
}

impl Pooling {
    /// What a map can become.
    pub(super) const OF_MAPS: [Self; 2] = [Self::Mean, Self::Max];

    /// `[B, C, H, W]` to `[B, C]`.
    ///
    /// # Errors
    /// [`TchError::Shape`] for a pooling of tokens.
    pub(super) fn pool(self, map: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Mean => map.f_mean_dim([2_i64, 3].as_slice(), false, None),
            Self::Max => map.f_amax([2_i64, 3].as_slice(), false),
            Self::Cls | Self::ClsMean | Self::Projected => Err(self.is_not_there()),
        }
    }

    /// For a network whose own list does not have it.
    pub(super) fn is_not_there(self) -> TchError {
        TchError::Shape(format!("pooling `{self}` of a network without it"))
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Cls => "cls",
            Self::ClsMean => "cls+mean",
            Self::Projected => "projected",
        })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Penultimate => f.write_str("penultimate"),
            Self::Stage(stage) => write!(f, "stage{stage}"),
        }
    }
}

impl FromStr for Layer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stage = || text.strip_prefix("stage")?.parse().ok().filter(|stage| (1..=9).contains(stage));
        match text {
            "penultimate" => Ok(Self::Penultimate),
            _ => stage()
                .map(Self::Stage)
                .ok_or_else(|| "expected `penultimate` or `stage1`, `stage2` …".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::{Backbone, tests::PLAIN};
    use cache::BatchNormMode;
    use clap::ValueEnum;
    use tch::{Device, Kind};

    #[test]
    fn what_is_recorded_reads_back_and_the_default_records_nothing() {
        assert_eq!(Readout::default().recorded(), (None, None));
        for layer in ["penultimate", "stage1", "stage4"] {
            let every = Pooling::value_variants().iter().copied().map(Some);
            for pooling in every.chain([None]) {
                let readout = Readout { layer: layer.parse().unwrap(), pooling };
                let (layer, pooling) = readout.recorded();
                assert_eq!(Readout::from_recorded(layer.as_deref(), pooling.as_deref()), Some(readout));
            }
        }
        for text in ["stage0", "stage", "stage12", "layer1", "Penultimate", ""] {
            assert!(text.parse::<Layer>().is_err(), "{text}");
        }
        assert_eq!(Readout::from_recorded(None, Some("median")), None);
        let earlier = Readout { pooling: Some(Pooling::Mean), ..Readout::default() };
        assert_eq!(Readout::from_recorded(None, Some("average")), Some(earlier));
    }

    /// Closed form: maxima are at least means, and the last stage is the penultimate layer; the channels are the stages'.
    #[test]
    fn stages_have_their_channels_and_the_last_one_is_the_penultimate_layer() {
        let _guard = tch::no_grad_guard();
        let images =
            Tensor::arange(2 * 3 * 32 * 32, (Kind::Float, Device::Cpu)).sin().reshape([2, 3, 32, 32]);
        let features = |layer: &str, pooling: Pooling| {
            let mut backbone = Backbone::build("resnet18", 0.25, 3, PLAIN).unwrap();
            backbone.read_at(Readout { layer: layer.parse().unwrap(), pooling: Some(pooling) }).unwrap();
            let features = backbone.features(&images, BatchNormMode::Eval).unwrap();
            assert_eq!(features.size2().unwrap().1, i64::try_from(backbone.feature_dim()).unwrap());
            (features, backbone.readout())
        };
        for (layer, channels) in [("stage1", 16), ("stage2", 32), ("stage3", 64), ("stage4", 128)] {
            let ((mean, _), (largest, _)) = (features(layer, Pooling::Mean), features(layer, Pooling::Max));
            assert_eq!(mean.size(), [2, channels]);
            assert!(bool::try_from(mean.le_tensor(&largest).all()).unwrap(), "{layer}");
            assert!(!mean.allclose(&largest, 1e-3, 1e-6, false), "{layer}");
        }
        let (last, readout) = features("stage4", Pooling::Mean);
        assert_eq!(readout, Readout::default());
        assert_eq!(last, features("penultimate", Pooling::Mean).0);
    }

    #[test]
    fn a_stage_that_a_network_lacks_is_refused() {
        let mut backbone = Backbone::build("resnet32", 1.0, 0, PLAIN).unwrap();
        let refused = backbone.read_at(Readout { layer: Layer::Stage(4), pooling: Some(Pooling::Mean) });
        insta::assert_snapshot!(refused.unwrap_err().to_string(), @"`--layer`: expected penultimate or stage1 to stage3 for resnet32, got stage4");
    }
}
