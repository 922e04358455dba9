//! Settings of `verify`.

use super::{Machine, data, network::NetworkFile};
use crate::{
    ExtractError,
    cli::VerifyArgs,
    datasets::{Broken, Dataset, Fractions, SourceFiles, subset::SubsetSpec},
    dump::{DumpSettings, Recorded, batch_size, recorded_settings},
    frozen::{Asked, BackboneSource, TrainedOn},
};
use cache::Manifest;
use std::{num::NonZeroUsize, path::PathBuf};
use tch::Device;

/// A check, and what damaged files are computed again from.
#[derive(Clone, Debug)]
pub struct Verify {
    /// Folder of the feature cache.
    pub cache: PathBuf,
    /// With `--repair`.
    pub repair: Option<Repair>,
}

/// What the manifest cannot say about its own dump.
#[derive(Clone, Debug)]
pub struct Repair {
    /// Where and how fast.
    pub machine: Machine,
    network: NetworkFile,
    files: SourceFiles,
    index_file: Option<PathBuf>,
    batch_size: Option<NonZeroUsize>,
}

impl From<&VerifyArgs> for Verify {
    fn from(args: &VerifyArgs) -> Self {
        let network = NetworkFile::typed(
            args.checkpoint.as_deref(),
            args.weights.as_deref(),
            args.torchscript.as_deref(),
        );
        // The command line asks for both with `--repair`, and for `--repair` with both.
        let repair = network.zip(args.data.as_deref()).map(|(network, root)| Repair {
            machine: Machine::from(&args.machine),
            network,
            files: data::files(&args.lists, root, Broken::Refuse),
            index_file: args.index_file.clone(),
            batch_size: args.batch_size,
        });
        Self { cache: args.cache.clone(), repair }
    }
}

impl Repair {
    /// Reads the images that a cache was dumped from.
    ///
    /// # Errors
    /// Those of [`Dataset::load`].
    pub fn dataset(&self, there: &Manifest) -> Result<Dataset, ExtractError> {
        let broken = if there.dataset.skipped.is_empty() { Broken::Refuse } else { Broken::Skip };
        let mut files = SourceFiles { broken, ..self.files.clone() };
        // Fractions need not be said again.
        if let (false, Some(drawn)) = (files.fractions.any(), &there.dataset.drawn) {
            files.fractions = Fractions::recorded(drawn, files.fractions.group_file);
        }
        let spec = SubsetSpec::recorded(&there.dataset, self.index_file.clone());
        Dataset::load(&there.dataset.name, files, &spec)
    }

    /// The network that a cache was dumped with.
    pub fn source(&self, recorded: &Recorded) -> BackboneSource {
        let Recorded { backbone, width, features, transform, .. } = recorded.clone();
        match self.network.clone() {
            // The manifest says which images the cache is of, whatever the backbone was trained on.
            NetworkFile::Checkpoint(path) => {
                BackboneSource::Checkpoint { path, trained_on: TrainedOn::AnyData, asked: Asked::default() }
            }
            NetworkFile::Weights(path) => BackboneSource::Weights { path, backbone, width, transform },
            NetworkFile::TorchScript(path) => BackboneSource::TorchScript { path, features, transform },
        }
    }

    /// The settings of the dump, as far as this machine does not decide them.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for a cache that no dump wrote.
    pub fn settings(
        &self,
        there: &Manifest,
        recorded: &Recorded,
        device: Device,
    ) -> Result<DumpSettings, ExtractError> {
        let batch =
            self.batch_size.map_or_else(|| batch_size(device, &recorded.transform), NonZeroUsize::get);
        recorded_settings(there, batch, self.machine.precision)
    }
}
