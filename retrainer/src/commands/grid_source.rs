//! Where the grid of a sweep comes from: a preset, a file, or methods over their default grids.

use crate::error::RetrainError;
use clap::Args;
use experiment::plan::{Grid, PRESETS, Preset, default_grid};
use files::{FileError, content::Content};
use program::names::nearest;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes of a grid file, at most: a million values on an axis have fewer.
const LONGEST_GRID: u64 = 64_000_000;

/// Where the grid comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct GridSource {
    /// A grid that comes with the program
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A grid file
    #[arg(long, value_name = "FILE.toml")]
    grid: Option<PathBuf>,
    /// Methods, each over its default grid: lort,balanced-softmax
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    method: Vec<String>,
}

impl GridSource {
    /// A preset or a grid file; `None` without either.
    pub(super) fn named(preset: Option<&str>, grid: Option<&Path>) -> Option<Self> {
        (preset.is_some() || grid.is_some()).then(|| Self {
            preset: preset.map(str::to_owned),
            grid: grid.map(Path::to_owned),
            method: Vec::new(),
        })
    }

    /// Reads it; `seeds` replace its own.
    pub(super) fn read(&self, seeds: Option<&[u64]>) -> Result<Grid, RetrainError> {
        if let Some(path) = &self.grid {
            let text = read_grid(path)?;
            return Ok(Grid::parse_with_seeds(&path.display().to_string(), &text, seeds)?);
        }
        if !self.method.is_empty() {
            // A blank may follow the comma of a list.
            let names: Vec<String> = self.method.iter().map(|name| name.trim().to_owned()).collect();
            return Ok(Grid::parse_with_seeds("default grids", &default_grid(&names), seeds)?);
        }
        let name = self.preset.as_deref().unwrap_or_default();
        let preset: &Preset = PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names = || PRESETS.iter().map(|preset| preset.name);
            RetrainError::UnknownPreset {
                name: name.to_owned(),
                available: names().collect::<Vec<_>>().join(", "),
                suggestion: nearest(name, names()),
            }
        })?;
        Ok(Grid::parse_with_seeds(&format!("preset {name}"), &(preset.text)(), seeds)?)
    }
}

/// The text of a grid file, which may be a pipe; one without end is not waited for.
fn read_grid(path: &Path) -> Result<String, RetrainError> {
    let failed = |source| FileError::io("read", path, source);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST_GRID + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST_GRID {
        return Err(RetrainError::LongGrid { path: path.to_owned(), most: LONGEST_GRID / 1_000_000 });
    }
    String::from_utf8(bytes).map_err(|error| RetrainError::GridNoText {
        path: path.to_owned(),
        content: Content::of(error.as_bytes()),
    })
}
