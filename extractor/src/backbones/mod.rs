//! Networks that turn images into features.
//!
//! To add one: a file here with its [`BackboneKind`], and one line in [`BACKBONES`]. Parameter names are torchvision's.
//! A network that is not listed comes as a TorchScript module ([`torchscript`]).

mod block;
mod imagenet_resnet10;
mod imagenet_resnet101;
mod imagenet_resnet152;
mod imagenet_resnet18;
mod imagenet_resnet34;
mod imagenet_resnet50;
mod imagenet_resnext50_32x4d;
mod layers;
pub mod pretrained;
mod readout;
#[cfg(test)]
pub(crate) mod recorded;
mod resnet;
mod resnet18;
mod resnet32;
mod resnet34;
pub mod torchscript;

pub use readout::{Layer, Pooling, Readout};
pub use resnet::Stem;

use crate::{
    ExtractError,
    config::Precision,
    weights::{Initialisation, Layout, ParameterBuilder, Parameters},
};
use cache::BatchNormMode;
use std::fmt;
use tch::{Device, Kind, TchError, Tensor};

/// Every backbone that the extractor can build.
pub static BACKBONES: &[BackboneKind] = &[
    resnet18::RESNET18,
    resnet34::RESNET34,
    resnet32::RESNET32,
    imagenet_resnet10::IMAGENET_RESNET10,
    imagenet_resnet18::IMAGENET_RESNET18,
    imagenet_resnet34::IMAGENET_RESNET34,
    imagenet_resnet50::IMAGENET_RESNET50,
    imagenet_resnet101::IMAGENET_RESNET101,
    imagenet_resnet152::IMAGENET_RESNET152,
    imagenet_resnext50_32x4d::IMAGENET_RESNEXT50_32X4D,
];

/// An architecture with a name.
#[derive(Debug)]
pub struct BackboneKind {
    /// The name on the command line and in manifests.
    pub name: &'static str,
    /// What it is and where it comes from, in one line.
    pub about: &'static str,
    /// What comes before the first block: for which images it is made.
    pub stem: Stem,
    /// The values of `--width` that it takes.
    pub widths: &'static [f64],
    build: fn(&mut ParameterBuilder, width: f64) -> Built,
}

impl BackboneKind {
    /// The backbone of this name.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`].
    pub fn named(name: &str) -> Result<&'static Self, ExtractError> {
        BACKBONES.iter().find(|kind| kind.name == name).ok_or_else(|| ExtractError::UnknownName {
            kind: "backbone",
            name: name.to_owned(),
            known: BACKBONES.iter().map(|kind| kind.name.to_owned()).collect(),
        })
    }

    /// Number of features D, and names and shapes of the parameters, whose values are not set.
    ///
    /// # Errors
    /// [`ExtractError::Torch`].
    pub fn outline(&self, width: f64) -> Result<(usize, Parameters), ExtractError> {
        let mut builder = ParameterBuilder::unset(Device::Cpu, Layout::ChannelsFirst);
        let network = (self.build)(&mut builder, width)
            .map_err(ExtractError::torch(format!("outline backbone `{}`", self.name)))?;
        Ok((network.feature_dim(), builder.finish()))
    }
}

type Built = Result<Box<dyn Network>, TchError>;

/// The layers of a backbone, up to and with the pooling.
trait Network: fmt::Debug + Send {
    /// `[B, 3, H, W]` in the number format of activations to `[B, D]` in the same format; the layer is one that there is.
    fn forward(
        &self,
        images: &Tensor,
        batch_norm: BatchNormMode,
        readout: Readout,
    ) -> Result<Tensor, TchError>;

    /// Number of features D of the last layer.
    fn feature_dim(&self) -> usize;

    /// Channels of each stage that can be read; none for a network that is read at its end only.
    fn stages(&self) -> &[usize];
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
    architecture: String,
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
        Self::with_builder(name, width, compute, builder.initialised(initialisation))
    }

    /// Builds a backbone whose weights and statistics are not set: they come from a file next.
    ///
    /// # Errors
    /// As [`Backbone::build`].
    pub fn unset(name: &str, width: f64, compute: Compute) -> Result<Self, ExtractError> {
        Self::with_builder(name, width, compute, ParameterBuilder::unset(compute.device, compute.layout))
    }

    fn with_builder(
        name: &str,
        width: f64,
        compute: Compute,
        mut builder: ParameterBuilder,
    ) -> Result<Self, ExtractError> {
        let kind = BackboneKind::named(name)?;
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
        let architecture = if width == 1.0 { name.to_owned() } else { format!("{name} x{width}") };
        let parameters = builder.finish();
        Ok(Self { architecture, compute, readout: Readout::default(), parameters, network })
    }

    /// A network without parameters that the extractor could name.
    fn of_network(architecture: &str, compute: Compute, network: Box<dyn Network>) -> Self {
        Self {
            architecture: architecture.to_owned(),
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
        let export = "export a module that ends there, and dump it";
        match readout {
            Readout { layer: Layer::Stage(stage), .. } if stages == 0 => {
                let expected = format!("penultimate for {}", self.architecture);
                wrong("--layer", expected, Layer::Stage(stage).to_string(), export)
            }
            Readout { pooling: Pooling::Max, .. } if stages == 0 => {
                let expected = format!("average for {}, which pools by itself", self.architecture);
                wrong("--pooling", expected, Pooling::Max.to_string(), export)
            }
            Readout { layer: Layer::Stage(stage), .. } if stage == 0 || stage > stages => {
                let expected = format!("penultimate or stage1 to stage{stages} for {}", self.architecture);
                wrong("--layer", expected, Layer::Stage(stage).to_string(), "")
            }
            Readout { layer: Layer::Stage(stage), pooling } if stage == stages => {
                self.readout = Readout { layer: Layer::Penultimate, pooling };
                Ok(())
            }
            readout => {
                self.readout = readout;
                Ok(())
            }
        }
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
            Layer::Penultimate => self.network.feature_dim(),
            Layer::Stage(stage) => {
                self.network.stages().get(stage.saturating_sub(1)).copied().unwrap_or_default()
            }
        }
    }

    /// Name and width: `resnet34`, `resnet18 x0.25`; `torchscript` for an exported module.
    pub fn architecture(&self) -> String {
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
    use super::{
        recorded::{NETWORKS, Recorded},
        *,
    };

    pub(super) const PLAIN: Compute =
        Compute { device: Device::Cpu, precision: Precision::F32, layout: Layout::ChannelsFirst };

    #[test]
    fn names_are_different_and_every_small_backbone_builds_at_its_smallest_width() {
        for kind in BACKBONES {
            assert_eq!(BackboneKind::named(kind.name).unwrap().about, kind.about);
            let width = kind.widths.iter().copied().fold(f64::INFINITY, f64::min);
            if kind.stem == Stem::ImageNet {
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

    /// Root mean square of a weight by its name, outputs and inputs of one position.
    type Spread<'a> = &'a dyn Fn(&str, f64, f64) -> f64;

    /// Root mean square of each convolution, against Kaiming normal by fan-out (LTWB's, but its stem), by fan-in (LDAM-DRW's
    /// network) and PyTorch's default; at least 432 draws each: 15 %. The start before there was a choice stays bit for bit.
    #[test]
    fn convolutions_start_as_published() {
        let measured = |name, width, initialisation: Initialisation| {
            let backbone = Backbone::initialised(name, width, 3, initialisation, PLAIN).unwrap();
            let rms = |(name, tensor): (&str, &Tensor)| {
                let &[outputs, inputs, height, width] = tensor.size().as_slice() else { return None };
                let rms = tensor.square().mean(Kind::Double).sqrt().double_value(&[]);
                Some((
                    name.to_owned(),
                    (outputs * height * width) as f64,
                    (inputs * height * width) as f64,
                    rms,
                ))
            };
            backbone.parameters().weights().filter_map(rms).collect::<Vec<_>>()
        };
        let fan_out = |_: &str, out: f64, _: f64| (2.0 / out).sqrt();
        let fan_in = |_: &str, _: f64, inputs: f64| (2.0 / inputs).sqrt();
        let pytorch = |_: &str, _: f64, inputs: f64| (1.0 / (3.0 * inputs)).sqrt();
        let ltwb = |name: &str, out: f64, inputs: f64| {
            if name == "conv1.weight" { pytorch(name, out, inputs) } else { fan_out(name, out, inputs) }
        };
        let cases: [(&str, f64, Initialisation, Spread<'_>); 5] = [
            ("resnet34", 0.25, Initialisation::Architecture, &fan_out),
            ("resnet34", 0.25, Initialisation::Ltwb, &ltwb),
            ("resnet34", 0.25, Initialisation::Pytorch, &pytorch),
            ("resnet32", 1.0, Initialisation::Architecture, &fan_in),
            ("imagenet-resnet10", 1.0, Initialisation::Ltwb, &fan_out),
        ];
        for (name, width, initialisation, expected) in cases {
            for (parameter, out, inputs, rms) in measured(name, width, initialisation) {
                let ratio = rms / expected(&parameter, out, inputs);
                assert!((ratio - 1.0).abs() < 0.15, "{name} {initialisation:?} {parameter}: {ratio}");
            }
        }
    }

    /// Counted by hand from the layers: published as 21.3 M (with its head of 51,300) and 0.46 M parameters.
    #[test]
    fn parameter_counts_are_the_published_ones() {
        let count = |name| Backbone::build(name, 1.0, 0, PLAIN).unwrap().parameters().weight_count();
        assert_eq!(count("resnet34") + 51_300, 21_328_292);
        assert_eq!(count("resnet32"), 463_504);
    }

    /// torchvision's published counts, `sum(p.numel() for p in model.parameters())`, with their head of 1,000 classes.
    #[test]
    fn parameter_counts_for_large_images_are_those_of_torchvision() {
        for (name, published) in [
            ("imagenet-resnet18", 11_689_512),
            ("imagenet-resnet34", 21_797_672),
            ("imagenet-resnet50", 25_557_032),
            ("imagenet-resnet101", 44_549_160),
            ("imagenet-resnet152", 60_192_808),
            ("imagenet-resnext50-32x4d", 25_028_904),
        ] {
            let (dim, parameters) = BackboneKind::named(name).unwrap().outline(1.0).unwrap();
            assert_eq!(parameters.weight_count() + 1_000 * (dim + 1), published, "{name}");
        }
    }

    /// torchvision's float64 features on the same weights and images, `fixtures/backbones/record_imagenet.py`; f32 rounding
    /// through 152 layers: 1e-4 of the largest feature.
    #[test]
    fn features_of_large_images_are_those_of_torchvision() {
        for kind in BACKBONES.iter().filter(|kind| kind.stem == Stem::ImageNet) {
            recorded::check_imagenet(kind.name, PLAIN, 1e-4);
        }
        for name in ["imagenet-resnet10", "imagenet-resnext50-32x4d"] {
            recorded::check_imagenet(name, Compute { layout: Layout::ChannelsLast, ..PLAIN }, 1e-4);
        }
    }

    /// Every name and shape of torchvision's and timm's state dicts is one of ours: `fixtures/backbones/names.txt`.
    #[test]
    fn names_are_those_of_torchvision_and_timm() {
        let recorded = include_str!("../../../fixtures/backbones/names.txt");
        for (model, name) in
            [("resnet18", "imagenet-resnet18"), ("resnext50_32x4d", "imagenet-resnext50-32x4d")]
        {
            let (_, parameters) = BackboneKind::named(name).unwrap().outline(1.0).unwrap();
            let mut ours: Vec<String> = parameters
                .named()
                .map(|(name, tensor)| {
                    let shape: Vec<String> = tensor.size().iter().map(i64::to_string).collect();
                    format!("{name} {}", shape.join(","))
                })
                .collect();
            ours.sort_unstable();
            for library in ["torchvision", "timm"] {
                let prefix = format!("{library} {model} ");
                let mut theirs: Vec<&str> = recorded
                    .lines()
                    .filter_map(|line| line.strip_prefix(&prefix))
                    .filter(|line| !line.starts_with("fc.") && !line.contains("num_batches_tracked"))
                    .collect();
                theirs.sort_unstable();
                assert_eq!(ours, theirs, "{library}");
            }
        }
    }

    /// PyTorch's float64 features on the same weights, with perturbed statistics and with those of the batch:
    /// `fixtures/backbones/record.py`. f32 rounding through 34 layers: 1e-4 of the largest feature or statistic.
    #[test]
    fn features_and_running_statistics_are_those_of_pytorch() {
        let _guard = tch::no_grad_guard();
        for (name, width) in NETWORKS {
            for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                let recorded = Recorded::load(name, width, Compute { layout, ..PLAIN });
                for (mode, expected) in
                    [(BatchNormMode::Eval, "eval.features"), (BatchNormMode::Train, "train.features")]
                {
                    let features = recorded.backbone.features(&recorded.images, mode).unwrap();
                    recorded.check(expected, &features, 1e-4);
                }
                let named = recorded.backbone.parameters().named();
                let statistics: Vec<_> = named.filter(|(name, _)| name.contains("running")).collect();
                assert!(statistics.len() >= 40);
                for (name, tensor) in statistics {
                    recorded.check(&format!("train.{name}"), tensor, 1e-4);
                }
            }
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
