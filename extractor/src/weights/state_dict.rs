//! A network's tensors as another program named them, by the [`WeightNames`] of its family.
//!
//! | there | here |
//! |---|---|
//! | `module.`, `_orig_mod.`, `backbone.`, `model.`, `encoder.` …, in any nesting, but its own layers | – |
//! | one prefix of all tensors but the head's: `encoder_q.` | – |
//! | `….num_batches_tracked`, `n_averaged` … ([`is_book_keeping`]) | left out, and said |
//! | its renamed parts: `layer1.0.shortcut.0.weight` | `layer1.0.downsample.0.weight` |
//! | its heads: `fc`, `linear`, `classifier`, `head` … | the head |
//! | `learned_norm`, `scales`: factors of the logits (MiSLAS, LWS) | in the head's weight and bias |
//! | `momentum.…`, `epoch.…` in a checkpoint of `extractor train` | left out |

#[cfg(test)]
mod tests;

use super::{
    file::TensorFile,
    parameters::Parameters,
    prefixes::{WeightNames, choose, convert, is_head_part, prefix, without_common_prefix},
};
use crate::ExtractError;
use cache::{
    CacheError, HeadKind, Stage1Head,
    head_file::{Columns, HeadParts, HeadWeights, Named},
    head_names::{FACTORS, SCALES, is_book_keeping},
};
use files::text;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use tch::{Kind, Tensor};

/// What a checkpoint of `extractor train` holds beside the network.
const PROGRESS: [&str; 2] = ["momentum.", "epoch."];
/// Names of each kind that a message lists.
const LISTED: usize = 4;

/// Our name → the file's name and shape.
pub(super) type Stored = BTreeMap<String, (String, Vec<i64>)>;

/// Where the tensors of a network lie in a file.
#[derive(Debug)]
pub struct StateDict {
    file: TensorFile,
    names: &'static WeightNames,
    tensors: Stored,
    /// `weight`, `bias`, `scale` … of the head.
    head: Stored,
    /// Book-keeping: last part of the name → how many.
    left_out: BTreeMap<String, usize>,
    /// Written by `extractor train`.
    ours: bool,
}

impl StateDict {
    /// Reads a safetensors file and translates its names to those of a family.
    ///
    /// # Errors
    /// [`ExtractError::File`]; [`ExtractError::Malformed`] unless it is a safetensors file in which every tensor has a name of
    /// its own, prefixes aside.
    pub fn read(path: &Path, names: &'static WeightNames) -> Result<Self, ExtractError> {
        let file = TensorFile::read(path)?;
        let ours = file.metadata()?.is_some();
        let (mut all, mut left_out) = (Stored::new(), BTreeMap::new());
        for (stored, shape) in file.shapes()? {
            if ours && PROGRESS.iter().any(|prefix| stored.starts_with(prefix)) {
                continue;
            }
            if is_book_keeping(&stored) {
                let last = stored.rsplit('.').next().unwrap_or(&stored);
                *left_out.entry(last.to_owned()).or_insert(0) += 1;
                continue;
            }
            let name = names.plain(&stored);
            if let Some((other, _)) = all.insert(name.clone(), (stored.clone(), shape)) {
                return Err(ExtractError::Malformed {
                    path: path.to_owned(),
                    expected: "one network".to_owned(),
                    got: format!("`{other}` and `{stored}`, which are both `{name}` without their prefixes"),
                    hint: choose(path, &prefix(&stored, &name), &[prefix(&other, &name)]),
                });
            }
        }
        let all = without_common_prefix(all, names.heads);
        let stem = names.heads.iter().copied().find(|stem| all.contains_key(&format!("{stem}.weight")));
        let part = |name: &str| {
            let part = match name.strip_prefix(stem?).and_then(|rest| rest.strip_prefix('.')) {
                Some(part) => part,
                None => Some(name).filter(|name| FACTORS.contains(name))?,
            };
            is_head_part(part).then(|| part.to_owned())
        };
        let (mut tensors, mut head) = (BTreeMap::new(), BTreeMap::new());
        for (name, stored) in all {
            match part(&name) {
                Some(part) => head.insert(part, stored),
                None => tensors.insert(name, stored),
            };
        }
        Ok(Self { file, names, tensors, head, left_out, ours })
    }

    /// What was left out because it is no weight; `None` for nothing, and for what `extractor train` writes.
    pub fn left_out(&self) -> Option<String> {
        let counted = self.left_out.iter().map(|(name, &count)| match count {
            1 => format!("`{name}`"),
            count => format!("{count} `{name}`"),
        });
        let counted = counted.collect::<Vec<_>>().join(", ");
        (!counted.is_empty()).then(|| {
            format!("left out of `{}`, which are no weights: {counted}", text::path(self.file.path()))
        })
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
        let mut pairs = Vec::new();
        for (name, target) in parameters.named() {
            if let Some((stored, _)) = self.tensors.get(name) {
                pairs.push((self.weight(stored)?, target.shallow_clone()));
            }
        }
        for (source, mut target) in pairs {
            target.f_copy_(&source).map_err(ExtractError::torch("copy weights to the device"))?;
        }
        Ok(())
    }

    /// A tensor of finite floating-point numbers.
    fn weight(&self, stored: &str) -> Result<Tensor, ExtractError> {
        let wrong = |got: String, hint: &str| ExtractError::Malformed {
            path: self.file.path().to_owned(),
            expected: "weights that are finite floating-point numbers".to_owned(),
            got,
            hint: hint.to_owned(),
        };
        let missing = || wrong(format!("no `{stored}`"), "");
        let tensor = self.file.tensor(stored)?.ok_or_else(missing)?;
        let kind = tensor.f_kind().map_err(ExtractError::torch("read the weights"))?;
        if !matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
            let hint = "quantised weights are not read: save those before quantisation";
            return Err(wrong(format!("`{stored}` of {kind:?}"), hint));
        }
        // As the network computes with them: what overflows single precision is no weight either.
        let finite = tensor
            .f_to_kind(Kind::Float)
            .and_then(|tensor| tensor.f_isfinite()?.f_all())
            .and_then(|all| bool::try_from(&all))
            .map_err(ExtractError::torch("look for weights that are not finite"))?;
        if finite {
            Ok(tensor)
        } else {
            let hint = "the training that wrote it diverged: take an earlier checkpoint";
            Err(wrong(format!("NaN or infinity in `{stored}`"), hint))
        }
    }

    /// What to do where the file holds the network under one or several prefixes, beside other tensors.
    pub fn choice(&self, parameters: &Parameters) -> Option<String> {
        let wanted: Vec<(&str, Vec<i64>)> =
            parameters.named().map(|(name, tensor)| (name, tensor.size())).collect();
        let first = |name: &str| Some(format!("{}.", name.split_once('.')?.0));
        let prefixes: BTreeSet<String> = self.tensors.keys().filter_map(|name| first(name)).collect();
        let holds = |prefix: &String| {
            wanted.iter().all(|(name, shape)| {
                self.tensors.get(&format!("{prefix}{name}")).is_some_and(|(_, stored)| stored == shape)
            })
        };
        let (fitting, others): (Vec<String>, Vec<String>) = prefixes.into_iter().partition(holds);
        let (chosen, rest) = fitting.split_first()?;
        Some(choose(self.file.path(), chosen, &[rest, &others].concat()))
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

    /// The head that reads `dim` features, and how it was read; `None` where the file has none.
    ///
    /// A weight `[C, D]` is linear; it is cosine where a `scale` or `sigma` lies beside it, and without bias in a checkpoint of
    /// `extractor train`, whose linear heads have one. A weight `[D, C]` without bias is the
    /// cosine head of LDAM-DRW (`NormedLinear`), which stores its classes as columns.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] for a head of other features, or a bias of other classes.
    pub fn head(&self, dim: usize) -> Result<Option<(Stage1Head, Vec<String>)>, ExtractError> {
        let view = self.file.view()?;
        let part = |part: &str| -> Option<Named<'_>> {
            let (name, _) = self.head.get(part)?;
            Some((name, view.tensor(name).ok()?))
        };
        let Some(weight) = part("weight") else { return Ok(None) };
        let parts = HeadParts {
            path: self.file.path(),
            weight,
            bias: part("bias"),
            scale: SCALES.into_iter().find_map(part),
            factors: FACTORS.into_iter().find_map(part),
            columns: Columns::Cosine,
        };
        let HeadWeights { classes, dim, weight, bias, cosine, notes } =
            parts.weights(dim, None).map_err(|error| self.wrong_head(error))?;
        let kind = if cosine.is_some() || (self.ours && !self.head.contains_key("bias")) {
            HeadKind::Cosine
        } else {
            HeadKind::Linear
        };
        Ok(Some((Stage1Head { classes, dim, weight, bias, kind }, notes)))
    }

    /// The hint for a head inside a network's file.
    fn wrong_head(&self, error: CacheError) -> ExtractError {
        match error {
            CacheError::MalformedHead { path, expected, got, .. } => ExtractError::Malformed {
                path,
                expected: format!("head {expected}"),
                got,
                hint: format!(
                    "give the `--backbone` and `--width` that it belongs to, or leave the head out: {}",
                    convert(self.file.path(), &format!("--drop {}", self.head_prefix()))
                ),
            },
            other => other.into(),
        }
    }

    fn head_prefix(&self) -> String {
        let stored = self.head.get("weight").map(|(stored, _)| self.names.plain(stored)).unwrap_or_default();
        stored.strip_suffix("weight").unwrap_or(&stored).to_owned()
    }
}
