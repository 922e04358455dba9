//! A network's tensors as another program named them: prefixes, shortcuts and heads of torchvision, timm and long-tail code.
//!
//! | there | here |
//! |---|---|
//! | `module.`, `backbone.`, `model.`, `encoder.`, `net.`, in any nesting | – |
//! | `….num_batches_tracked` | left out |
//! | `layer1.0.shortcut.0.weight` | `layer1.0.downsample.0.weight` |
//! | `fc`, `linear`, `classifier`, `head`, `head.fc`, `last_linear` | the head |
//! | `momentum.…`, `epoch.…` in a checkpoint of `extractor train` | left out |

use super::{file::TensorFile, parameters::Parameters};
use crate::ExtractError;
use shared::{HeadKind, Stage1Head};
use std::{collections::BTreeMap, path::Path};
use tch::{Kind, Tensor};

const PREFIXES: [&str; 5] = ["module.", "backbone.", "model.", "encoder.", "net."];
const HEADS: [&str; 6] = ["fc", "linear", "classifier", "head", "head.fc", "last_linear"];
/// What a checkpoint of `extractor train` holds beside the network.
const PROGRESS: [&str; 2] = ["momentum.", "epoch."];
/// Names of each kind that a message lists.
const LISTED: usize = 4;

/// Where the tensors of a network lie in a file.
#[derive(Debug)]
pub struct StateDict {
    file: TensorFile,
    /// Our name → the file's name and shape.
    tensors: BTreeMap<String, (String, Vec<i64>)>,
    /// `weight`, `bias`, `scale` … of the head → the file's name and shape.
    head: BTreeMap<String, (String, Vec<i64>)>,
    /// Written by `extractor train`.
    ours: bool,
}

impl StateDict {
    /// Reads a safetensors file and translates its names.
    ///
    /// # Errors
    /// [`ExtractError::Io`]; [`ExtractError::Malformed`] unless it is a safetensors file in which every tensor has a name of
    /// its own, prefixes aside.
    pub fn read(path: &Path) -> Result<Self, ExtractError> {
        let file = TensorFile::read(path)?;
        let ours = file.metadata()?.is_some();
        let mut all: BTreeMap<String, (String, Vec<i64>)> = BTreeMap::new();
        for (stored, shape) in file.shapes()? {
            if stored.ends_with("num_batches_tracked")
                || (ours && PROGRESS.iter().any(|prefix| stored.starts_with(prefix)))
            {
                continue;
            }
            let name = translate(&stored);
            if let Some((other, _)) = all.insert(name.clone(), (stored.clone(), shape)) {
                return Err(ExtractError::Malformed {
                    path: path.to_owned(),
                    expected: "one network".to_owned(),
                    got: format!("`{other}` and `{stored}`, which are both `{name}` without their prefixes"),
                    hint: "save the state dict of one network alone".to_owned(),
                });
            }
        }
        let stem = HEADS.into_iter().find(|stem| all.contains_key(&format!("{stem}.weight")));
        let part = |name: &str| {
            let part = name.strip_prefix(stem?)?.strip_prefix('.')?;
            matches!(part, "weight" | "bias" | "scale" | "sigma").then(|| part.to_owned())
        };
        let (mut tensors, mut head) = (BTreeMap::new(), BTreeMap::new());
        for (name, stored) in all {
            match part(&name) {
                Some(part) => head.insert(part, stored),
                None => tensors.insert(name, stored),
            };
        }
        Ok(Self { file, tensors, head, ours })
    }

    /// Whether the file has exactly these tensors, head aside.
    pub fn fits(&self, parameters: &Parameters) -> bool {
        parameters.named().count() == self.tensors.len()
            && parameters.named().all(|(name, tensor)| {
                self.tensors.get(name).is_some_and(|(_, shape)| *shape == tensor.size())
            })
    }

    /// Copies every tensor into the network, which keeps its device and memory order.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] that tells which tensors are missing, unexpected or of another shape, with `hint`; nothing
    /// is copied then.
    pub fn copy_into(
        &self,
        parameters: &Parameters,
        network: &str,
        hint: impl FnOnce() -> String,
    ) -> Result<(), ExtractError> {
        if !self.fits(parameters) {
            return Err(ExtractError::Malformed {
                path: self.file.path().to_owned(),
                expected: format!("the tensors of `{network}`"),
                got: self.differences(parameters),
                hint: hint(),
            });
        }
        let _guard = tch::no_grad_guard();
        for (name, target) in parameters.named() {
            let source = self.tensors.get(name).map(|(stored, _)| self.file.tensor(stored)).transpose()?;
            if let Some(source) = source.flatten() {
                target
                    .shallow_clone()
                    .f_copy_(&source)
                    .map_err(ExtractError::torch("copy weights to the device"))?;
            }
        }
        Ok(())
    }

    fn differences(&self, parameters: &Parameters) -> String {
        let wanted: BTreeMap<&str, Vec<i64>> =
            parameters.named().map(|(name, tensor)| (name, tensor.size())).collect();
        let missing =
            wanted.keys().filter(|name| !self.tensors.contains_key(**name)).map(|name| format!("`{name}`"));
        let unexpected = self
            .tensors
            .iter()
            .filter(|(name, _)| !wanted.contains_key(name.as_str()))
            .map(|(_, (stored, _))| format!("`{stored}`"));
        let shapes = self.tensors.iter().filter_map(|(name, (stored, shape))| {
            let wanted = wanted.get(name.as_str()).filter(|wanted| *wanted != shape)?;
            Some(format!("`{stored}` {shape:?} instead of {wanted:?}"))
        });
        let groups = [
            ("missing", missing.collect::<Vec<_>>()),
            ("unexpected", unexpected.collect()),
            ("of another shape", shapes.collect()),
        ];
        let told = groups.into_iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| {
            let more = names.len().saturating_sub(LISTED);
            let listed = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{} {what}: {listed}{more}", names.len())
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// The head that reads `dim` features; `None` where the file has none.
    ///
    /// A weight `[C, D]` is linear; it is cosine where a `scale` or `sigma` lies beside it, and without bias in a checkpoint of
    /// `extractor train`, whose linear heads have one. A weight `[D, C]` without bias is the
    /// cosine head of LDAM-DRW (`NormedLinear`), which stores its classes as columns.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] for a head of other features, or a bias of other classes.
    pub fn head(&self, dim: usize) -> Result<Option<Stage1Head>, ExtractError> {
        let Some((name, shape)) = self.head.get("weight") else { return Ok(None) };
        let bias = self.head.get("bias");
        let wrong = |expected: String, got: String| ExtractError::Malformed {
            path: self.file.path().to_owned(),
            expected,
            got,
            hint: "remove the head from the file, or give the `--backbone` and `--width` that it belongs to"
                .to_owned(),
        };
        let size = |size: i64| usize::try_from(size).unwrap_or(0);
        let (classes, columns) = match *shape.as_slice() {
            [classes, features] if size(features) == dim => (size(classes), false),
            [features, classes] if size(features) == dim && bias.is_none() => (size(classes), true),
            _ => return Err(wrong(format!("head `{name}` [C, {dim}]"), format!("{shape:?}"))),
        };
        if let Some((bias, shape)) = bias.filter(|(_, shape)| !shape.iter().map(|&n| size(n)).eq([classes])) {
            return Err(wrong(format!("`{bias}` [{classes}]"), format!("{shape:?}")));
        }
        let cosine = columns
            || self.head.contains_key("scale")
            || self.head.contains_key("sigma")
            || (self.ours && bias.is_none());
        let weight = self.file.tensor(name)?.map(|weight| numbers(&weight, columns)).transpose()?;
        let bias = match bias {
            Some((name, _)) => self.file.tensor(name)?.map(|bias| numbers(&bias, false)).transpose()?,
            None => None,
        };
        Ok(weight.map(|weight| Stage1Head {
            classes,
            dim,
            weight,
            bias: bias.unwrap_or_else(|| vec![0.0; classes]),
            kind: if cosine { HeadKind::Cosine } else { HeadKind::Linear },
        }))
    }
}

/// The name without prefixes, shortcuts as torchvision calls them.
fn translate(stored: &str) -> String {
    let mut name = stored;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    name.replace(".shortcut.", ".downsample.")
}

/// Row-major f32 values of a tensor, or of its transpose.
fn numbers(tensor: &Tensor, transposed: bool) -> Result<Vec<f32>, ExtractError> {
    let rows = if transposed { tensor.f_transpose(0, 1) } else { Ok(tensor.shallow_clone()) };
    rows.and_then(|tensor| Vec::try_from(tensor.f_to_kind(Kind::Float)?.f_reshape([-1])?))
        .map_err(ExtractError::torch("read the head"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Layout, ParameterBuilder, Role, encode, init::Init};
    use proptest::prelude::*;
    use tch::Device;

    fn state_dict(tensors: &[(&str, &[i64])]) -> Result<StateDict, ExtractError> {
        let owned: Vec<(String, Tensor)> = tensors
            .iter()
            .map(|(name, shape)| {
                let count = shape.iter().product::<i64>();
                ((*name).to_owned(), Tensor::arange(count, (Kind::Float, Device::Cpu)).reshape(*shape))
            })
            .collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), encode(&owned, String::new()).unwrap()).unwrap();
        StateDict::read(file.path())
    }

    fn network() -> Parameters {
        let mut builder = ParameterBuilder::unset(Device::Cpu, Layout::ChannelsLast);
        let _ = builder.add("conv1.weight", &[2, 3, 1, 1], Init::Zeros, Role::Weight).unwrap();
        let _ = builder.add("layer1.0.downsample.1.weight", &[4], Init::Zeros, Role::Weight).unwrap();
        builder.finish()
    }

    proptest! {
        #[test]
        fn prefixes_in_any_nesting_change_nothing(nested in prop::collection::vec(0..PREFIXES.len(), 0..4)) {
            let prefix: String = nested.iter().map(|&index| PREFIXES[index]).collect();
            prop_assert_eq!(translate(&format!("{prefix}layer1.0.conv1.weight")), "layer1.0.conv1.weight");
        }
    }

    #[test]
    fn values_arrive_whatever_the_names_and_the_head_is_apart() {
        for (prefix, shortcut, head) in [
            ("", "downsample", "fc"),
            ("module.encoder.", "shortcut", "linear"),
            ("model.", "downsample", "head.fc"),
        ] {
            let names = [
                format!("{prefix}conv1.weight"),
                format!("{prefix}layer1.0.{shortcut}.1.weight"),
                format!("{prefix}bn1.num_batches_tracked"),
                format!("{head}.weight"),
                format!("{head}.bias"),
                "momentum.conv1.weight".to_owned(),
                "epoch.sums".to_owned(),
            ];
            let shapes: [&[i64]; 7] = [&[2, 3, 1, 1], &[4], &[1], &[5, 4], &[5], &[1], &[2]];
            let tensors: Vec<(&str, &[i64])> = names.iter().map(String::as_str).zip(shapes).collect();
            let (dict, network) = (state_dict(&tensors).unwrap(), network());
            dict.copy_into(&network, "test", String::new).unwrap();
            for (_, tensor) in network.named() {
                let count = i64::try_from(tensor.numel()).unwrap();
                assert_eq!(
                    Vec::<f32>::try_from(tensor.contiguous().reshape([-1])).unwrap(),
                    Vec::<f32>::try_from(Tensor::arange(count, (Kind::Float, Device::Cpu))).unwrap()
                );
            }
            let head = dict.head(4).unwrap().unwrap();
            assert_eq!((head.classes, head.dim, head.kind), (5, 4, HeadKind::Linear));
            assert_eq!((head.weight[7], head.bias[3]), (7.0, 3.0));
        }
    }

    #[test]
    fn cosine_heads_are_recognised_and_heads_of_other_features_refused() {
        let head = |tensors: &[(&str, &[i64])], dim| state_dict(tensors).unwrap().head(dim);
        let normed = head(&[("linear.weight", &[2, 3])], 2).unwrap().unwrap();
        assert_eq!((normed.classes, normed.dim, normed.kind), (3, 2, HeadKind::Cosine));
        assert_eq!(normed.weight, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let scaled = head(&[("fc.weight", &[3, 2]), ("fc.scale", &[1])], 2).unwrap().unwrap();
        assert_eq!((scaled.classes, scaled.kind), (3, HeadKind::Cosine));
        let ours = head(&[("fc.weight", &[3, 2])], 2).unwrap().unwrap();
        assert_eq!((ours.classes, ours.kind), (3, HeadKind::Cosine));
        assert!(head(&[], 2).unwrap().is_none());
        for tensors in [
            [("fc.weight", [3_i64, 4].as_slice()), ("fc.bias", &[3])],
            [("fc.weight", &[3, 2]), ("fc.bias", &[2])],
            [("fc.weight", &[2, 3]), ("fc.bias", &[3])],
        ] {
            assert!(matches!(head(&tensors, 2), Err(ExtractError::Malformed { .. })), "{tensors:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_listed_and_nothing_is_copied() {
        let dict =
            state_dict(&[("module.conv1.weight", &[2, 3, 3, 3]), ("module.conv9.weight", &[1])]).unwrap();
        let mut error = dict.copy_into(&network(), "test", || "hint".to_owned()).unwrap_err();
        if let ExtractError::Malformed { path, .. } = &mut error {
            *path = "file".into();
        }
        insta::assert_snapshot!(
            error.to_string(),
            @"`file`: expected the tensors of `test`, got 1 missing: `layer1.0.downsample.1.weight`; 1 unexpected: `module.conv9.weight`; 1 of another shape: `module.conv1.weight` [2, 3, 3, 3] instead of [2, 3, 1, 1]"
        );
    }

    #[test]
    fn two_networks_in_one_file_are_refused() {
        let error = state_dict(&[("model.conv1.weight", &[1]), ("encoder.conv1.weight", &[1])]).unwrap_err();
        assert!(error.to_string().contains("`encoder.conv1.weight` and `model.conv1.weight`"), "{error}");
    }
}
