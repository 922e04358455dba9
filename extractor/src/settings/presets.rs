//! Recipes with names: TOML files that come with the program.
//!
//! To add one: a file in `presets/` and one line in [`PRESETS`].

use crate::{ExtractError, cli::RecipeArgs};
use std::path::Path;

/// A named recipe.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name on the command line.
    pub name: &'static str,
    /// What it trains, in one line.
    pub about: &'static str,
    /// The file's text.
    pub text: &'static str,
}

/// Every preset; the first holds the defaults.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "ltwb-cifar100",
        about: "the paper's backbone on CIFAR-100-LT: cross-entropy with LTWB's weight decay",
        text: include_str!("../../presets/ltwb-cifar100.toml"),
    },
    Preset {
        name: "table3-ce",
        about: "the CE backbone of the paper's Table 3",
        text: include_str!("../../presets/table3-ce.toml"),
    },
    Preset {
        name: "table3-ce-drw",
        about: "its CE-DRW backbone",
        text: include_str!("../../presets/table3-ce-drw.toml"),
    },
    Preset {
        name: "table3-ldam-drw",
        about: "its LDAM-DRW backbone",
        text: include_str!("../../presets/table3-ldam-drw.toml"),
    },
    Preset {
        name: "table3-bs",
        about: "its Balanced Softmax backbone",
        text: include_str!("../../presets/table3-bs.toml"),
    },
    Preset {
        name: "imagenet-lt",
        about: "the paper's ResNeXt-50 on ImageNet-LT",
        text: include_str!("../../presets/imagenet-lt.toml"),
    },
    Preset {
        name: "inaturalist18",
        about: "the paper's ResNet-50 on iNaturalist 2018",
        text: include_str!("../../presets/inaturalist18.toml"),
    },
];

impl Preset {
    /// The preset of this name.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`].
    pub fn named(name: &str) -> Result<&'static Self, ExtractError> {
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| ExtractError::UnknownName {
            kind: "preset",
            name: name.to_owned(),
            known: PRESETS.iter().map(|preset| preset.name.to_owned()).collect(),
        })
    }

    /// Its settings, as if given on the command line.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] for an unknown key or a value of the wrong kind.
    pub fn settings(&self) -> Result<RecipeArgs, ExtractError> {
        toml::from_str(self.text).map_err(|error| ExtractError::Malformed {
            path: Path::new("presets").join(self.name).with_extension("toml"),
            expected: "settings of `extractor train`".to_owned(),
            got: error.message().to_owned(),
            hint: String::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_misspelt_key() {
        let preset = Preset { name: "x", about: "", text: "weight-deacy = 0.1" };
        let Err(ExtractError::Malformed { got, .. }) = preset.settings() else { panic!("accepted") };
        assert!(got.contains("weight-deacy"), "{got}");
    }
}
