//! The parameters and statistics of a network under their names.

use super::init::{Init, Initialisation};
use tch::{Device, Kind, TchError, Tensor};
use torch::bytes::{tensor_bytes, tensor_from_bytes};

/// Memory order of images, activations and convolution weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[B, C, H, W]` as stored.
    ChannelsFirst,
    /// The channels of a pixel lie side by side: what oneDNN and tensor cores prefer.
    ChannelsLast,
}

impl Layout {
    /// A tensor of this shape whose values are not set; 4-D ones are stored in this order.
    fn unset(self, shape: &[i64], device: Device) -> Result<Tensor, TchError> {
        match (self, shape) {
            (Self::ChannelsLast, &[batch, channels, height, width]) => {
                Tensor::f_empty([batch, height, width, channels], (Kind::Float, device))?
                    .f_permute([0, 3, 1, 2])
            }
            _ => Tensor::f_empty(shape, (Kind::Float, device)),
        }
    }

    /// The same `[B, C, H, W]` tensor, stored in this order.
    ///
    /// # Errors
    /// libtorch's.
    pub fn apply(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::ChannelsFirst => tensor.f_contiguous(),
            Self::ChannelsLast => tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2]),
        }
    }
}

/// What a named tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Learned by gradient.
    Weight,
    /// Kept by batch normalisation: running means and variances.
    Statistic,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    tensor: Tensor,
    role: Role,
}

/// The named tensors of a network, in the order in which it was built; all f32.
#[derive(Debug, Default)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Every name with its tensor.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|parameter| (parameter.name.as_str(), &parameter.tensor))
    }

    /// The names and tensors that training changes by gradient.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0
            .iter()
            .filter(|parameter| parameter.role == Role::Weight)
            .map(|parameter| (parameter.name.as_str(), &parameter.tensor))
    }

    /// The names and tensors that batch normalisation keeps.
    pub fn statistics(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0
            .iter()
            .filter(|parameter| parameter.role == Role::Statistic)
            .map(|parameter| (parameter.name.as_str(), &parameter.tensor))
    }

    /// Number of learned values.
    pub fn weight_count(&self) -> usize {
        self.weights().map(|(_, tensor)| tensor.numel()).sum()
    }
}

/// BLAKE3 over names, shapes and values in name order: equal weights have equal digests, on any device.
///
/// # Errors
/// libtorch's, when a tensor cannot be copied to the CPU.
pub fn digest<'a>(named: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<String, TchError> {
    let mut sorted: Vec<(&str, &Tensor)> = named.collect();
    sorted.sort_by_key(|&(name, _)| name);
    let mut hasher = blake3::Hasher::new();
    for (name, tensor) in sorted {
        hasher.update(name.as_bytes());
        hasher.update(format!("\0{:?}\0", tensor.size()).as_bytes());
        hasher.update(&tensor_bytes(tensor)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Makes the parameters of a network, one after the other.
#[derive(Debug)]
pub struct ParameterBuilder {
    /// `None` leaves values unset.
    seed: Option<u64>,
    initialisation: Initialisation,
    device: Device,
    layout: Layout,
    parameters: Parameters,
}

impl ParameterBuilder {
    /// A builder whose initial values come from `seed`.
    pub fn new(seed: u64, device: Device, layout: Layout) -> Self {
        Self { seed: Some(seed), ..Self::unset(device, layout) }
    }

    /// A builder that leaves values unset: for weights that are read from a file, or for names and shapes alone.
    ///
    /// Memory that nobody writes to is not occupied on the CPU.
    pub fn unset(device: Device, layout: Layout) -> Self {
        let (initialisation, parameters) = (Initialisation::default(), Parameters::default());
        Self { seed: None, initialisation, device, layout, parameters }
    }

    /// The same, with another start of convolutions.
    #[must_use]
    pub fn initialised(self, initialisation: Initialisation) -> Self {
        Self { initialisation, ..self }
    }

    /// How convolutions start.
    pub fn initialisation(&self) -> Initialisation {
        self.initialisation
    }

    /// A new parameter; the tensor returned is the stored one, not a copy.
    ///
    /// # Errors
    /// libtorch's, for example when the device's memory is full.
    pub fn add(&mut self, name: &str, shape: &[i64], init: Init, role: Role) -> Result<Tensor, TchError> {
        let tensor = match self.seed {
            None => self.layout.unset(shape, self.device)?,
            Some(seed) => {
                let values = init.values(seed, name, shape);
                let tensor = tensor_from_bytes(bytemuck::cast_slice(&values), shape, Kind::Float)?
                    .f_to(self.device)?;
                if shape.len() == 4 { self.layout.apply(&tensor)? } else { tensor }
            }
        };
        let tensor = tensor.f_detach()?.f_set_requires_grad(role == Role::Weight)?;
        self.parameters.0.push(Parameter { name: name.to_owned(), tensor: tensor.shallow_clone(), role });
        Ok(tensor)
    }

    /// The parameters made so far.
    pub fn finish(self) -> Parameters {
        self.parameters
    }
}
