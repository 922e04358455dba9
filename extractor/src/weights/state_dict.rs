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
    names::WeightNames,
    parameters::Parameters,
    prefixes::{choose, convert, prefix},
    translate::{Clash, Translated, translate},
};
use crate::ExtractError;
use cache::{
    CacheError, HeadKind, Stage1Head,
    head_file::{Columns, HeadParts, HeadWeights, Named},
    head_names::{FACTORS, SCALES},
};
use files::text;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    rc::Rc,
};
use tch::{Kind, Tensor};

/// Names of each kind that a message lists.
const LISTED: usize = 4;

/// Where the tensors of a network lie in a file.
#[derive(Debug)]
pub struct StateDict {
    file: Rc<TensorFile>,
    names: &'static WeightNames,
    found: Translated,
    /// Written by `extractor train`.
    ours: bool,
}

impl StateDict {
    /// Translates the names of a safetensors file to those of a family.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] unless every tensor of the file has a name of its own, prefixes aside.
    pub fn of(file: &Rc<TensorFile>, names: &'static WeightNames) -> Result<Self, ExtractError> {
        let ours = file.metadata()?.is_some();
        let found = translate(file.shapes()?, names, ours).map_err(|Clash { stored, name }| {
            let [other, stored] = stored;
            let (kept, dropped) =
                (prefix(&stored, &names.plain(&stored)), prefix(&other, &names.plain(&other)));
            ExtractError::Malformed {
                path: file.path().to_owned(),
                expected: "one network".to_owned(),
                got: format!("`{other}` and `{stored}`, which are both `{name}` without their prefixes"),
                hint: choose(file.path(), &kept, &[dropped]),
            }
        })?;
        Ok(Self { file: Rc::clone(file), names, found, ours })
    }

    /// [`StateDict::of`] a file that is read first.
    ///
    /// # Errors
    /// [`ExtractError::File`], and those of [`TensorFile::read`] and [`StateDict::of`].
    pub fn read(path: &Path, names: &'static WeightNames) -> Result<Self, ExtractError> {
        Self::of(&Rc::new(TensorFile::read(path)?), names)
    }

    /// What was left out because it is no weight, or because the features do not need it; nothing of what `extractor train`
    /// writes.
    pub fn left_out(&self) -> impl Iterator<Item = String> {
        let path = text::path(self.file.path());
        let counters = self
            .book_keeping()
            .map(|counted| format!("left out of `{path}`, which are no weights: {counted}"));
        let unused = self.found.unused.iter().map(|name| format!("`{name}`"));
        let unused = listed(&unused.collect::<Vec<_>>())
            .map(|names| format!("left out of `{path}`, which the features do not need: {names}"));
        counters.into_iter().chain(unused)
    }

    fn book_keeping(&self) -> Option<String> {
        let counted = self.found.book_keeping.iter().map(|(name, &count)| match count {
            1 => format!("`{name}`"),
            count => format!("{count} `{name}`"),
        });
        let counted = counted.collect::<Vec<_>>().join(", ");
        (!counted.is_empty()).then_some(counted)
    }

    /// Whether the file has exactly these tensors, head aside.
    pub fn fits(&self, parameters: &Parameters) -> bool {
        let wanted = parameters.named().count();
        wanted == self.found.tensors.len() && self.fitting(parameters) == wanted
    }

    /// How many tensors of the network the file has.
    pub fn fitting(&self, parameters: &Parameters) -> usize {
        let fits =
            |name: &str, shape: &[i64]| self.found.tensors.get(name).is_some_and(|source| source.fits(shape));
        parameters.named().filter(|(name, tensor)| fits(name, &tensor.size())).count()
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
        // All are looked at before one is copied; kept copies would double the memory of a large network.
        for source in self.found.tensors.values() {
            source.names().try_for_each(|stored| self.weight(stored).map(drop))?;
        }
        for (name, target) in parameters.named() {
            if let Some(source) = self.found.tensors.get(name) {
                let pieces: Vec<Tensor> =
                    source.names().map(|stored| self.weight(stored)).collect::<Result<_, _>>()?;
                source
                    .assemble(&pieces, &target.size())
                    .and_then(|tensor| target.shallow_clone().f_copy_(&tensor).map(drop))
                    .map_err(ExtractError::torch("copy weights to the device"))?;
            }
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
        let prefixes: BTreeSet<String> = self.found.tensors.keys().filter_map(|name| first(name)).collect();
        let holds = |prefix: &String| {
            wanted.iter().all(|(name, shape)| {
                self.found.tensors.get(&format!("{prefix}{name}")).is_some_and(|source| source.fits(shape))
            })
        };
        let (fitting, others): (Vec<String>, Vec<String>) = prefixes.into_iter().partition(holds);
        let (chosen, rest) = fitting.split_first()?;
        Some(choose(self.file.path(), chosen, &[rest, &others].concat()))
    }

    fn differences(&self, parameters: &Parameters) -> String {
        let wanted: BTreeMap<&str, Vec<i64>> =
            parameters.named().map(|(name, tensor)| (name, tensor.size())).collect();
        let tensors = &self.found.tensors;
        let missing =
            wanted.keys().filter(|name| !tensors.contains_key(**name)).map(|name| format!("`{name}`"));
        let unexpected = tensors
            .iter()
            .filter(|(name, _)| !wanted.contains_key(name.as_str()))
            .map(|(_, source)| format!("`{}`", source.stored()));
        let shapes = tensors.iter().filter_map(|(name, source)| {
            let wanted = wanted.get(name.as_str()).filter(|wanted| !source.fits(wanted))?;
            Some(format!("`{}` {:?} instead of {wanted:?}", source.stored(), source.shape()))
        });
        let groups = [
            ("missing", missing.collect::<Vec<_>>()),
            ("unexpected", unexpected.collect()),
            ("of another shape", shapes.collect()),
        ];
        let told = groups.into_iter().filter_map(|(what, names)| {
            let count = names.len();
            listed(&names).map(|names| format!("{count} {what}: {names}"))
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
            let name = self.found.head.get(part)?;
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
        let kind = if cosine.is_some() || (self.ours && !self.found.head.contains_key("bias")) {
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
        let stored = self.found.head.get("weight").map(|stored| self.names.plain(stored)).unwrap_or_default();
        stored.strip_suffix("weight").unwrap_or(&stored).to_owned()
    }
}

/// The first of some names; `None` for none.
fn listed(names: &[String]) -> Option<String> {
    let more = names.len().saturating_sub(LISTED);
    let listed = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(listed),
        (false, more) => Some(format!("{listed} and {more} more")),
    }
}
