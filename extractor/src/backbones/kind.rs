//! An architecture with a name, and what can be said of it without weights.

use super::{
    network::Built,
    readout::{Pooling, Readout},
};
use crate::{
    ExtractError,
    transform::{Photo, Transform},
    weights::{Layout, ParameterBuilder, Parameters},
};
use tch::Device;

/// For which images a backbone is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageSize {
    /// 32×32, as CIFAR's.
    Small,
    /// 224×224, as of ImageNet.
    Large,
}

/// An architecture with a name.
#[derive(Debug)]
pub struct BackboneKind {
    /// The name on the command line and in manifests.
    pub name: &'static str,
    /// What it is and where it comes from, in one line.
    pub about: &'static str,
    /// For which images it is made.
    pub images: ImageSize,
    /// What comes before the first block, in a few characters.
    pub stem: &'static str,
    /// The values of `--width` that it takes.
    pub widths: &'static [f64],
    /// The pixels that its weights were trained with; `None` for those of the data set.
    pub(super) transform: Option<Transform>,
    pub(super) build: fn(&mut ParameterBuilder, width: f64) -> Built,
}

impl BackboneKind {
    /// Number of features D, how they are pooled, and names and shapes of the parameters, whose values are not set.
    ///
    /// # Errors
    /// [`ExtractError::Torch`].
    pub fn outline(&self, width: f64) -> Result<Outline, ExtractError> {
        let mut builder = ParameterBuilder::unset(Device::Cpu, Layout::ChannelsFirst);
        let network = (self.build)(&mut builder, width)
            .map_err(ExtractError::torch(format!("outline backbone `{}`", self.name)))?;
        let pooling = network.pooling(Readout::default());
        let feature_dim = network.feature_dim(pooling);
        Ok(Outline { feature_dim, pooling, parameters: builder.finish() })
    }

    /// Side in pixels of the images that it sees unless told otherwise.
    pub fn side(&self) -> usize {
        match (&self.transform, self.images) {
            (Some(Transform { photo: Some(photo), .. }), _) => photo.crop,
            (_, ImageSize::Small) => 32,
            (_, ImageSize::Large) => 224,
        }
    }

    /// From pixels to its input: with a data set's jitter, but in its own sizes and colours, where its weights were trained with
    /// some.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for a data set of small images that are not resized, where it has its own.
    pub fn transform(&self, data: &Transform) -> Result<Transform, ExtractError> {
        match (&self.transform, &data.photo) {
            (None, _) => Ok(data.clone()),
            (Some(own), Some(photo)) => {
                let own_photo = own.photo.clone().map(|own| Photo { jitter: photo.jitter, ..own });
                Ok(Transform { photo: own_photo, ..own.clone() })
            }
            (Some(_), None) => Err(ExtractError::InvalidSetting {
                name: "--backbone",
                expected: "one for images of 32×32, which are not resized".to_owned(),
                got: format!("{}, which sees {} pixels", self.name, self.side()),
                hint: "write the images as files, and give `--dataset folder` or a list".to_owned(),
            }),
        }
    }
}

/// What can be said of a backbone without weights.
#[derive(Debug)]
pub struct Outline {
    /// Number of features D.
    pub feature_dim: usize,
    /// How they are pooled unless told otherwise.
    pub pooling: Pooling,
    /// Names and shapes.
    pub parameters: Parameters,
}
