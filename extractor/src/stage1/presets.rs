//! Recipes with names: TOML files that come with the program.
//!
//! To add one: a file in `presets/` and one line in [`PRESETS`].

use super::recipe_args::RecipeArgs;
use crate::ExtractError;
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
    use crate::{
        config::Precision,
        stage1::{LossSettings, Recipe, Schedule},
        transform::Transform,
        weights::{Initialisation, Layout},
    };

    fn recipe(name: &str) -> Recipe {
        let args = RecipeArgs { preset: Some(name.to_owned()), ..RecipeArgs::default() };
        Recipe::resolve(&args, Precision::F32, Layout::ChannelsLast, Transform::CIFAR).unwrap()
    }

    #[test]
    fn every_preset_has_its_own_name_and_is_a_valid_recipe_that_leaves_only_the_seed_open() {
        for preset in PRESETS {
            assert_eq!(Preset::named(preset.name).unwrap().about, preset.about);
            recipe(preset.name).check().unwrap();
            let settings = preset.settings().unwrap();
            assert!(settings.preset.is_none() && settings.seed.is_none(), "{}", preset.name);
            assert!(settings.batch_size.is_some() && settings.weight_decay.is_some(), "{}", preset.name);
            assert!(preset.text.contains(&format!("--preset {}", preset.name)), "{}", preset.name);
        }
    }

    /// LTWB's published code, with the 200 epochs of the paper's appendix B.
    #[test]
    fn the_defaults_are_those_of_ltwb() {
        let recipe = recipe("ltwb-cifar100");
        let defaults =
            Recipe::resolve(&RecipeArgs::default(), Precision::F32, Layout::ChannelsLast, Transform::CIFAR)
                .unwrap();
        assert_eq!((recipe.init, defaults.init), (Initialisation::Ltwb, Initialisation::Architecture));
        assert_eq!(Recipe { init: defaults.init, ..recipe.clone() }, defaults);
        assert_eq!((recipe.backbone.as_str(), recipe.loss.as_str(), recipe.epochs), ("resnet34", "ce", 200));
        assert_eq!((recipe.batch_size, recipe.lr, recipe.weight_decay), (64, 0.01, 5e-3));
        assert_eq!((recipe.schedule, recipe.warm_up), (Schedule::Cosine, 0));
    }

    /// Recipes from before there was a choice read as they were meant, and write what they wrote: cache keys stay.
    #[test]
    fn the_usual_start_of_convolutions_is_left_out_of_a_recipe() {
        let usual = recipe("table3-ce");
        assert_eq!(usual.init, Initialisation::Architecture);
        let json = serde_json::to_value(&usual).unwrap();
        assert!(json.get("init").is_none());
        assert_eq!(serde_json::from_value::<Recipe>(json).unwrap(), usual);
        let json = serde_json::to_value(recipe("ltwb-cifar100")).unwrap();
        assert_eq!(json["init"], "ltwb");
    }

    /// The paper's appendix B: batch 128 and 256, learning rate 0.03 and 0.1, 200 epochs, cosine to zero.
    #[test]
    fn large_data_sets_have_the_papers_settings() {
        for (name, backbone, batch_size, lr) in [
            ("imagenet-lt", "imagenet-resnext50-32x4d", 128, 0.03),
            ("inaturalist18", "imagenet-resnet50", 256, 0.1),
        ] {
            let recipe = recipe(name);
            assert_eq!((recipe.backbone.as_str(), recipe.loss.as_str()), (backbone, "ce"));
            assert_eq!((recipe.batch_size, recipe.lr, recipe.epochs), (batch_size, lr, 200));
            assert_eq!((recipe.schedule, recipe.warm_up), (Schedule::Cosine, 0));
        }
    }

    /// The rows of Table 3 differ in the loss alone, and step and re-weight as LDAM-DRW's published code.
    #[test]
    fn the_presets_of_table_3_differ_in_their_loss_alone() {
        let [first, others @ ..] = ["ce", "ce-drw", "ldam-drw", "bs"].map(|loss| {
            let recipe = recipe(&format!("table3-{loss}"));
            assert_eq!(recipe.loss, loss);
            Recipe { loss: String::new(), ..recipe }
        });
        for other in others {
            assert_eq!(other, first);
        }
        assert_eq!(first.loss_settings, LossSettings::default());
        let rates =
            [0, 4, 159, 160, 179, 180].map(|epoch| first.schedule.rate(0.1, epoch, 200, first.warm_up));
        for (rate, expected) in rates.into_iter().zip([0.02, 0.1, 0.1, 1e-3, 1e-3, 1e-5]) {
            assert!((rate - expected).abs() < 1e-15, "{rate}");
        }
    }

    #[test]
    fn rejects_a_misspelt_key() {
        let preset = Preset { name: "x", about: "", text: "weight-deacy = 0.1" };
        let Err(ExtractError::Malformed { got, .. }) = preset.settings() else { panic!("accepted") };
        assert!(got.contains("weight-deacy"), "{got}");
    }
}
