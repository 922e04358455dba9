//! Arguments of splits that are drawn: those of `train`, `dump`, `verify` and `import`.

use clap::Args;
use std::path::PathBuf;

/// The splits that are drawn from the training samples.
#[derive(Clone, Debug, Args)]
pub struct FractionArgs {
    /// Validation samples, as a fraction of each class of the training samples, drawn by --split-seed
    #[arg(long, value_name = "F")]
    pub val_fraction: Option<f64>,
    /// Test samples, likewise; a class of two samples gives one to the test, a class of one none
    #[arg(long, value_name = "F")]
    pub test_fraction: Option<f64>,
    /// Seed of --val-fraction and --test-fraction
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub split_seed: u64,
    /// Samples that stay in one split, such as those of one camera or patient: a table `path or id, group`
    #[arg(long, value_name = "CSV")]
    pub group_file: Option<PathBuf>,
}
