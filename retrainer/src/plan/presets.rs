//! Grid files that come with the program; copy one and edit it.

/// A named grid file.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The grid file's text.
    pub text: &'static str,
}

/// All presets.
pub static PRESETS: &[Preset] = &[Preset {
    name: "table1",
    about: "the methods of the paper's Table 1, each over its own learning rates and hyper-parameters",
    text: include_str!("../../presets/table1.toml"),
}];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Grid;

    #[test]
    fn every_preset_is_a_valid_grid_without_duplicates() {
        for preset in PRESETS {
            let grid = Grid::parse(preset.name, preset.text).unwrap();
            assert_eq!(grid.duplicates, 0, "{}", preset.name);
        }
    }
}
