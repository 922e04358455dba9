//! One table of what must be true for a setting to say something. A setting that was typed and would change nothing is a
//! mistake about what the command does, and is refused.

use super::network::NetworkFile;
use crate::{
    ExtractError,
    cli::RecipeArgs,
    datasets::subset::{SubsetRule, SubsetSpec},
    stage1::{LossKind, Recipe, Schedule},
};
use cache::HeadKind;

/// What decides whether a setting says something.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// The network that is given; `None` where one is trained.
    pub(super) network: Option<&'a NetworkFile>,
    /// The recipe of a training, whether or not there is one.
    pub(super) recipe: &'a Recipe,
    pub(super) loss: &'static LossKind,
    pub(super) subset: &'a SubsetSpec,
    /// Whether the training images are seen in random crops.
    pub(super) augments: bool,
    /// Whether batches of training images are shuffled, and normalised by their own statistics.
    pub(super) shuffles: bool,
    /// The settings that were typed.
    pub(super) typed: Vec<&'static str>,
}

impl<'a> Facts<'a> {
    /// Those of a training, and of whatever else follows from data and recipe.
    pub(super) fn new(
        recipe: &'a Recipe,
        subset: &'a SubsetSpec,
        typed: Vec<&'static str>,
    ) -> Result<Self, ExtractError> {
        let loss = LossKind::named(&recipe.loss)?;
        Ok(Self { network: None, recipe, loss, subset, augments: false, shuffles: false, typed })
    }

    fn is_typed(&self, name: &str) -> bool {
        self.typed.contains(&name)
    }
}

fn trains(facts: &Facts<'_>) -> bool {
    facts.network.is_none()
}

fn source(facts: &Facts<'_>) -> String {
    facts.network.map_or_else(|| "none".to_owned(), |network| format!("`{}`", network.flag()))
}

fn loss(facts: &Facts<'_>) -> String {
    format!("`--loss {}`", facts.loss.name)
}

/// Settings that say something under the same condition.
struct Row {
    names: &'static [&'static str],
    says_something: fn(&Facts<'_>) -> bool,
    /// What they need, as the end of "expected …".
    needs: &'static str,
    /// What there is, as the end of "got …".
    got: fn(&Facts<'_>) -> String,
    hint: &'static str,
}

const LEAVE_OUT: &str = "leave it out: it would change nothing";

static TABLE: &[Row] = &[
    Row {
        names: &[
            "--init",
            "--loss",
            "--drw-start",
            "--drw-beta",
            "--max-margin",
            "--scale",
            "--epochs",
            "--accumulate",
            "--lr",
            "--schedule",
            "--milestones",
            "--factor",
            "--warm-up",
            "--momentum",
            "--weight-decay",
        ],
        says_something: trains,
        needs: "a backbone to train",
        got: source,
        hint: "leave it out: nothing is trained where a backbone is given",
    },
    Row {
        names: &["--milestones", "--factor"],
        says_something: |facts| matches!(facts.recipe.schedule, Schedule::Step { .. }),
        needs: "`--schedule step`",
        got: |facts| format!("`--schedule {}`", facts.recipe.schedule.name()),
        hint: LEAVE_OUT,
    },
    Row {
        names: &["--drw-start", "--drw-beta"],
        says_something: |facts| facts.loss.deferred,
        needs: "`--loss ce-drw` or `ldam-drw`",
        got: loss,
        hint: LEAVE_OUT,
    },
    Row {
        names: &["--max-margin", "--scale"],
        says_something: |facts| facts.loss.head == HeadKind::Cosine,
        needs: "`--loss ldam-drw`",
        got: loss,
        hint: LEAVE_OUT,
    },
    Row {
        // A checkpoint's own may be said again.
        names: &["--backbone", "--width"],
        says_something: |facts| !matches!(facts.network, Some(NetworkFile::TorchScript(_))),
        needs: "a network that is built by name",
        got: source,
        hint: "leave it out: the network of a TorchScript module is in its file",
    },
    Row {
        // It names the network of a weights file, too, and has a batch size.
        names: &["--preset"],
        says_something: |facts| {
            trains(facts)
                || (matches!(facts.network, Some(NetworkFile::Weights(_))) && !facts.is_typed("--backbone"))
                || (facts.shuffles && !facts.is_typed("--train-batch-size"))
        },
        needs: "a backbone to train",
        got: source,
        hint: "leave it out: nothing is trained where a backbone is given",
    },
    Row {
        names: &["--train-batch-size"],
        says_something: |facts| trains(facts) || facts.shuffles,
        needs: "a backbone to train, or `--batch-norm train`",
        got: source,
        hint: "leave it out, or give `--batch-norm train`; `--batch-size` is that of a forward pass",
    },
    Row {
        names: &["--seed"],
        says_something: |facts| trains(facts) || facts.augments || facts.shuffles,
        needs: "a backbone to train, `--augmented` or `--batch-norm train`",
        got: source,
        hint: "leave it out: nothing is random in these views",
    },
    Row {
        names: &["--head"],
        says_something: |facts| {
            matches!(facts.network, Some(NetworkFile::Weights(_) | NetworkFile::TorchScript(_)))
        },
        needs: "`--weights` or `--torchscript`",
        got: |facts| facts.network.map_or_else(|| "a backbone to train".to_owned(), |_| source(facts)),
        hint: "leave it out: a trained backbone has a head of its own",
    },
    Row {
        names: &["--subset", "--rounding"],
        says_something: |facts| {
            let spec = facts.subset;
            spec.rule == SubsetRule::IndexFile || spec.imbalance_ratio.is_some() || spec.n_max.is_some()
        },
        needs: "`--imbalance-ratio` or `--n-max`",
        got: |_| "the whole training set".to_owned(),
        hint: LEAVE_OUT,
    },
    Row {
        names: &["--rounding"],
        says_something: |facts| facts.subset.rule != SubsetRule::IndexFile,
        needs: "`--imbalance-ratio` or `--n-max`",
        got: |_| "`--subset index-file`".to_owned(),
        hint: LEAVE_OUT,
    },
];

/// Refuses the first typed setting that would change nothing.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] that names it.
pub(super) fn refuse_silent(facts: &Facts<'_>) -> Result<(), ExtractError> {
    for row in TABLE {
        let Some(&name) = row.names.iter().find(|name| facts.is_typed(name)) else { continue };
        if !(row.says_something)(facts) {
            return Err(ExtractError::InvalidSetting {
                name,
                expected: row.needs.to_owned(),
                got: (row.got)(facts),
                hint: row.hint.to_owned(),
            });
        }
    }
    Ok(())
}

/// The settings of training and subset that were typed.
pub(super) fn typed(args: &RecipeArgs, subset: &SubsetSpec) -> Vec<&'static str> {
    // An index file has a check of its own, and the first images of a class are the default.
    let shuffled = ("--subset", subset.rule == SubsetRule::LdamSeed0);
    let of_subset = [shuffled, ("--rounding", subset.rounding.is_some())];
    let of_subset = of_subset.into_iter().filter_map(|(name, given)| given.then_some(name));
    args.given().into_iter().chain(of_subset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    /// A new setting of training belongs in the table, or is left out of what needs no training by this test.
    #[test]
    fn every_setting_of_training_is_in_the_table() {
        let cli = Cli::command();
        let dump = cli.get_subcommands().find(|command| command.get_name() == "dump").unwrap();
        let training = dump.get_arguments().filter(|arg| arg.get_help_heading() == Some("Training"));
        let names: Vec<String> = training.map(|arg| format!("--{}", arg.get_long().unwrap())).collect();
        assert!(names.len() > 15, "{names:?}");
        for name in names {
            assert!(TABLE.iter().any(|row| row.names.contains(&name.as_str())), "{name}");
        }
    }
}
