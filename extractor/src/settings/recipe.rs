//! A recipe out of what was typed, its preset and the defaults.

use super::{Machine, PRESETS, Preset};
use crate::{
    ExtractError,
    backbones::BackboneKind,
    cli::RecipeArgs,
    stage1::{LossSettings, Recipe, Schedule},
    transform::Transform,
};
use std::num::NonZeroUsize;

/// The backbone that the arguments ask for, else that of their preset, else the default's.
///
/// # Errors
/// [`ExtractError::UnknownName`] for preset or backbone.
pub(super) fn backbone(args: &RecipeArgs) -> Result<&'static BackboneKind, ExtractError> {
    let [preset, defaults] = sources(args)?;
    let name = args.backbone.clone().or(preset.backbone).or(defaults.backbone);
    BackboneKind::named(&name.unwrap_or_default())
}

/// The settings of the preset, and the defaults.
fn sources(args: &RecipeArgs) -> Result<[RecipeArgs; 2], ExtractError> {
    let preset = args.preset.as_deref().map(|name| Preset::named(name)?.settings()).transpose()?;
    let defaults = PRESETS.first().map(Preset::settings).transpose()?;
    Ok([preset, defaults].map(Option::unwrap_or_default))
}

/// What the arguments ask for, then their preset, then the defaults, which are the first preset; checked.
///
/// # Errors
/// [`ExtractError::UnknownName`] for preset, loss or schedule; [`ExtractError::InvalidSetting`] for a number outside its range.
pub(super) fn resolve(
    args: &RecipeArgs,
    batch_size: Option<NonZeroUsize>,
    machine: &Machine,
    transform: &Transform,
) -> Result<Recipe, ExtractError> {
    let [preset, defaults] = sources(args)?;
    // The value of the first source that has one. The number at the end serves what only some recipes need; where all
    // need it, the first preset has it, and `check` refuses the number.
    macro_rules! first {
        ($field:ident, $default:expr) => {
            (args.$field.clone().or(preset.$field).or(defaults.$field)).unwrap_or($default)
        };
    }
    let loss = LossSettings::default();
    let recipe = Recipe {
        backbone: first!(backbone, String::new()),
        width: first!(width, 1.0),
        // The published start is that of its preset alone: without one, a command means what it always did.
        init: args.init.or(preset.init).unwrap_or_default(),
        loss: first!(loss, String::new()),
        loss_settings: LossSettings {
            drw_start: first!(drw_start, loss.drw_start),
            drw_beta: first!(drw_beta, loss.drw_beta),
            max_margin: first!(max_margin, loss.max_margin),
            scale: first!(scale, loss.scale),
        },
        epochs: first!(epochs, 0),
        batch_size: batch_size.or(preset.batch_size).or(defaults.batch_size).map_or(0, NonZeroUsize::get),
        accumulate: args.accumulate.map_or(1, NonZeroUsize::get),
        lr: first!(lr, 0.0),
        schedule: Schedule::named(
            &first!(schedule, String::new()),
            first!(milestones, vec![0.8, 0.9]),
            first!(factor, 0.01),
        )?,
        warm_up: first!(warm_up, 0),
        momentum: first!(momentum, 0.0),
        weight_decay: first!(weight_decay, 0.0),
        precision: machine.precision,
        layout: machine.layout,
        seed: args.seed.unwrap_or(0),
        transform: transform.clone(),
    };
    recipe.check()?;
    Ok(recipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Precision,
        weights::{Initialisation, Layout},
    };
    use program::device::DeviceChoice;

    fn of(args: &RecipeArgs) -> Recipe {
        let machine = Machine {
            device: DeviceChoice::Cpu,
            threads: None,
            precision: Precision::F32,
            layout: Layout::ChannelsLast,
        };
        resolve(args, None, &machine, &Transform::CIFAR).unwrap()
    }

    fn recipe(name: &str) -> Recipe {
        of(&RecipeArgs { preset: Some(name.to_owned()), ..RecipeArgs::default() })
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
        let defaults = of(&RecipeArgs::default());
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
}
