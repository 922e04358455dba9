//! Networks that turn images into features.
//!
//! To add one: a variant in the file of its family. To add a family: a file here with its `Family`, and its lines in the lists of
//! modules and `FAMILIES`. Parameter names are torchvision's. A network that is not listed comes as a TorchScript module
//! ([`torchscript`]).

mod convnext;
mod kind;
mod layers;
mod network;
pub mod pretrained;
mod readout;
#[cfg(test)]
pub(crate) mod recorded;
#[cfg(test)]
mod recorded_pretrained;
mod resnet;
pub mod torchscript;
mod vit;

pub use kind::{BackboneKind, ImageSize, Outline};
pub use readout::{Layer, Pooling, Readout};

use crate::{
    ExtractError,
    config::Precision,
    weights::{Initialisation, Layout, ParameterBuilder, Parameters, WeightNames},
};
use cache::{Architecture, BatchNormMode};
use network::{Built, Network};
use tch::{Device, Kind, TchError, Tensor};

/// Every family of backbones that the extractor can build.
static FAMILIES: &[&Family] = &[
    &resnet::FAMILY,
    &convnext::FAMILY,
    &vit::SUPERVISED,
    &vit::DINOV2,
    &vit::CLIP,
    &vit::OPEN_CLIP,
    &vit::SIGLIP,
];

/// Backbones of the same layers, and how files name their weights.
struct Family {
    variants: &'static [BackboneKind],
    names: WeightNames,
}

impl Family {
    /// The family of a backbone, and the backbone.
    fn of(name: &str) -> Result<(&'static Self, &'static BackboneKind), ExtractError> {
        let variants =
            FAMILIES.iter().flat_map(|family| family.variants.iter().map(move |kind| (*family, kind)));
        variants.clone().find(|(_, kind)| kind.name == name).ok_or_else(|| ExtractError::UnknownName {
            kind: "backbone",
            name: name.to_owned(),
            known: variants.map(|(_, kind)| kind.name.to_owned()).collect(),
        })
    }
}

/// Every backbone that the extractor can build.
pub fn all() -> impl Iterator<Item = &'static BackboneKind> {
    FAMILIES.iter().flat_map(|family| family.variants)
}

impl BackboneKind {
    /// The backbone of this name.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`].
    pub fn named(name: &str) -> Result<&'static Self, ExtractError> {
        Family::of(name).map(|(_, kind)| kind)
    }
}

/// Where and in which number format and memory order a network computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compute {
    /// The device of parameters and images.
    pub device: Device,
    /// Number format of convolutions and activations; weights and statistics are f32 always.
    pub precision: Precision,
    /// Memory order of convolution weights and activations.
    pub layout: Layout,
}

/// A built network with its parameters.
#[derive(Debug)]
pub struct Backbone {
    architecture: Architecture,
    compute: Compute,
    readout: Readout,
    parameters: Parameters,
    network: Box<dyn Network>,
}

impl Backbone {
    /// Builds a backbone with initial weights from `seed`.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`], [`ExtractError::InvalidSetting`] for a width that the architecture does not have,
    /// [`ExtractError::Torch`].
    pub fn build(name: &str, width: f64, seed: u64, compute: Compute) -> Result<Self, ExtractError> {
        Self::initialised(name, width, seed, Initialisation::default(), compute)
    }

    /// [`Backbone::build`] with another start of convolutions.
    ///
    /// # Errors
    /// As [`Backbone::build`].
    pub fn initialised(
        name: &str,
        width: f64,
        seed: u64,
        initialisation: Initialisation,
        compute: Compute,
    ) -> Result<Self, ExtractError> {
        let builder = ParameterBuilder::new(seed, compute.device, compute.layout);
        let kind = BackboneKind::named(name)?;
        Self::with_builder(kind, width, compute, builder.initialised(initialisation))
    }

    /// Builds a backbone whose weights and statistics are not set: they come from a file next.
    ///
    /// # Errors
    /// As [`Backbone::build`].
    pub fn unset(name: &str, width: f64, compute: Compute) -> Result<Self, ExtractError> {
        Self::unset_kind(BackboneKind::named(name)?, width, compute)
    }

    fn unset_kind(kind: &BackboneKind, width: f64, compute: Compute) -> Result<Self, ExtractError> {
        Self::with_builder(kind, width, compute, ParameterBuilder::unset(compute.device, compute.layout))
    }

    fn with_builder(
        kind: &BackboneKind,
        width: f64,
        compute: Compute,
        mut builder: ParameterBuilder,
    ) -> Result<Self, ExtractError> {
        let name = kind.name;
        if !kind.widths.contains(&width) {
            let widths: Vec<String> = kind.widths.iter().map(f64::to_string).collect();
            return Err(ExtractError::InvalidSetting {
                name: "--width",
                expected: format!("{} for {name}", widths.join(", ")),
                got: width.to_string(),
                hint: "`extractor backbones` lists the widths of each backbone".to_owned(),
            });
        }
        let network = (kind.build)(&mut builder, width)
            .map_err(ExtractError::torch(format!("build backbone `{name}`")))?;
        let architecture = Architecture { name: name.to_owned(), width };
        let parameters = builder.finish();
        Ok(Self { architecture, compute, readout: Readout::default(), parameters, network })
    }

    /// A network without parameters that the extractor could name.
    fn of_network(architecture: &str, compute: Compute, network: Box<dyn Network>) -> Self {
        Self {
            architecture: Architecture::named(architecture),
            compute,
            readout: Readout::default(),
            parameters: Parameters::default(),
            network,
        }
    }

    /// Reads features elsewhere from now on; the last stage is the penultimate layer.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for a layer or pooling that the network does not have.
    pub fn read_at(&mut self, readout: Readout) -> Result<(), ExtractError> {
        let stages = self.network.stages().len();
        let wrong = |name, expected: String, got: String, hint: &str| {
            Err(ExtractError::InvalidSetting { name, expected, got, hint: hint.to_owned() })
        };
        let layers = match stages {
            0 => format!("penultimate for {}", self.architecture),
            last => format!("penultimate or stage1 to stage{last} for {}", self.architecture),
        };
        let poolings = self.network.poolings();
        match readout {
            Readout { layer: Layer::Stage(stage), .. } if stage == 0 || stage > stages => {
                let hint = if stages == 0 { "export a module that ends there, and dump it" } else { "" };
                return wrong("--layer", layers, Layer::Stage(stage).to_string(), hint);
            }
            Readout { pooling: Some(pooling), .. } if !poolings.contains(&pooling) => {
                let known = poolings.iter().map(Pooling::to_string).collect::<Vec<_>>().join(", ");
                let expected = format!("{known} for {}", self.architecture);
                return wrong("--pooling", expected, pooling.to_string(), "");
            }
            Readout { layer, pooling } => {
                let layer = if layer == Layer::Stage(stages) { Layer::Penultimate } else { layer };
                let own = poolings.first().copied();
                self.readout = Readout { layer, pooling: pooling.filter(|&pooling| Some(pooling) != own) };
            }
        }
        Ok(())
    }

    /// Refuses images that do not split into its patches.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for another side than a multiple of the patch's.
    pub fn check_side(&self, side: usize) -> Result<(), ExtractError> {
        let patch = self.network.patch();
        if side.is_multiple_of(patch) {
            return Ok(());
        }
        let nearest = side.div_ceil(patch) * patch;
        Err(ExtractError::InvalidSetting {
            name: "--crop",
            expected: format!("a multiple of {patch}, the side of a patch of {}", self.architecture),
            got: side.to_string(),
            hint: format!("give `--crop {nearest}`, and a `--resize` of at least that"),
        })
    }

    /// Where features are read.
    pub fn readout(&self) -> Readout {
        self.readout
    }

    /// Features of a batch.
    ///
    /// With [`BatchNormMode::Train`] the batch's own statistics normalise it and also move the running ones. Gradients
    /// flow unless the caller holds [`tch::no_grad_guard`].
    ///
    /// # Shapes
    /// `images` `[B, 3, H, W]` f32, normalised, on the device of the backbone; result `[B, D]` f32.
    ///
    /// # Errors
    /// libtorch's, for a wrong shape or full memory.
    pub fn features(&self, images: &Tensor, batch_norm: BatchNormMode) -> Result<Tensor, TchError> {
        let images =
            self.compute.layout.apply(&images.f_to_dtype(self.compute.precision.kind(), false, false)?)?;
        self.network.forward(&images, batch_norm, self.readout)?.f_to_dtype(Kind::Float, false, false)
    }

    /// Number of features D.
    pub fn feature_dim(&self) -> usize {
        match self.readout.layer {
            Layer::Penultimate => self.network.feature_dim(self.network.pooling(self.readout)),
            Layer::Stage(stage) => {
                self.network.stages().get(stage.saturating_sub(1)).copied().unwrap_or_default()
            }
        }
    }

    /// Name and width: `resnet34`, `resnet18 x0.25`; `torchscript` for an exported module.
    pub fn architecture(&self) -> Architecture {
        self.architecture.clone()
    }

    /// Where and how it computes.
    pub fn compute(&self) -> Compute {
        self.compute
    }

    /// Weights and statistics under their names.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const PLAIN: Compute =
        Compute { device: Device::Cpu, precision: Precision::F32, layout: Layout::ChannelsFirst };

    #[test]
    fn names_are_different_and_every_small_backbone_builds_at_its_smallest_width() {
        for kind in all() {
            assert_eq!(BackboneKind::named(kind.name).unwrap().about, kind.about);
            let width = kind.widths.iter().copied().fold(f64::INFINITY, f64::min);
            if kind.images == ImageSize::Large {
                continue; // `features_of_large_images_are_those_of_torchvision` builds them
            }
            let backbone = Backbone::build(kind.name, width, 0, PLAIN).unwrap();
            let _guard = tch::no_grad_guard();
            let images = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
            let features = backbone.features(&images, BatchNormMode::Eval).unwrap();
            assert_eq!(features.size2().unwrap(), (2, i64::try_from(backbone.feature_dim()).unwrap()));
        }
    }

    #[test]
    fn rejects_names_and_widths_that_do_not_exist() {
        assert!(matches!(Backbone::build("resnet", 1.0, 0, PLAIN), Err(ExtractError::UnknownName { .. })));
        for (name, width) in [("resnet18", 0.3), ("resnet32", 0.5), ("resnet34", f64::NAN)] {
            assert!(matches!(
                Backbone::build(name, width, 0, PLAIN),
                Err(ExtractError::InvalidSetting { .. })
            ));
        }
    }

    /// Channels-last only reorders memory; f32 sums in another order differ by about 1e-6.
    #[test]
    fn memory_order_does_not_change_features() {
        let images =
            Tensor::arange(2 * 3 * 32 * 32, (Kind::Float, Device::Cpu)).sin().reshape([2, 3, 32, 32]);
        let _guard = tch::no_grad_guard();
        let features = |layout| {
            let backbone = Backbone::build("resnet18", 0.25, 3, Compute { layout, ..PLAIN }).unwrap();
            backbone.features(&images, BatchNormMode::Train).unwrap()
        };
        let (first, last) = (features(Layout::ChannelsFirst), features(Layout::ChannelsLast));
        assert!(first.allclose(&last, 1e-4, 1e-5, false));
    }
}
