//! Grid files that come with the program; copy one and edit it.

use crate::methods::{METHODS, Method};
use std::borrow::Cow;

/// A named grid file.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The grid file's text.
    pub text: fn() -> Cow<'static, str>,
}

/// All presets.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "best",
        about: "the methods that win on features of other networks, by validation: rates that follow the features, edges widened, finalists with five seeds",
        text: || include_str!("../../presets/best.toml").into(),
    },
    Preset {
        name: "table1",
        about: "the methods of the paper's Table 1, each over its own learning rates and hyper-parameters",
        text: || include_str!("../../presets/table1.toml").into(),
    },
    Preset {
        name: "fig4",
        about: "LORT over the label-smooth value, from 0 to 0.995",
        text: || include_str!("../../presets/fig4.toml").into(),
    },
    Preset {
        name: "fig5",
        about: "LORT over learning rate and weight decay",
        text: || include_str!("../../presets/fig5.toml").into(),
    },
    Preset {
        name: "table3-columns",
        about: "the methods of the paper's Table 3, for one backbone",
        text: || include_str!("../../presets/table3-columns.toml").into(),
    },
    Preset { name: "everything", about: "each method once, three epochs", text: || everything().into() },
];

/// What the preset `everything` gives a method beside its defaults: at them, `custom` is `ce`.
const BESIDE_DEFAULTS: &[(&str, &str)] = &[("custom", "tau = 0.5\ndelta = 0.9\nthreshold = 0.3\n")];

/// Each method once, at its published settings and three epochs.
fn everything() -> String {
    let table = |method: &&Method| {
        let beside = BESIDE_DEFAULTS.iter().find(|(name, _)| *name == method.name);
        format!("[[method]]\nname = {:?}\n{}", method.name, beside.map_or("", |(_, lines)| lines))
    };
    let tables: String = METHODS.iter().map(table).collect();
    format!("seeds = [0]\nepochs = 3\n{tables}")
}

/// The grid file of some methods over their default grids; a name that no method has stays in it, for the reader of grids
/// to refuse.
pub fn default_grid(methods: &[String]) -> String {
    let table = |name: &String| {
        let axes = Method::find(name).map_or("", |method| method.grid);
        format!("[[method]]\nname = {name:?}\n{axes}\n")
    };
    methods.iter().map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        methods::{METHODS, Params, Training, Value},
        plan::{Grid, Point},
    };

    #[test]
    fn every_preset_is_a_valid_grid_without_duplicates() {
        for preset in PRESETS {
            let grid = Grid::parse(preset.name, &(preset.text)()).unwrap();
            assert_eq!(grid.duplicates, 0, "{}", preset.name);
        }
    }

    #[test]
    fn the_default_grid_of_every_method_is_small_and_contains_its_published_setting() {
        for method in METHODS {
            let text = default_grid(&[method.name.to_owned()]);
            let grid = Grid::parse(method.name, &text).unwrap_or_else(|error| panic!("{error}"));
            let published = Params::resolve(method, &[]).unwrap();
            let is_in = grid.points.iter().any(|point| point.params == published);
            assert!(is_in, "{}: {}", method.name, method.grid);
            assert!(
                grid.duplicates == 0 && grid.points.len() <= 40,
                "{}: {}",
                method.name,
                grid.points.len()
            );
        }
    }

    fn points(name: &str) -> Vec<Point> {
        let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
        Grid::parse(name, &(preset.text)()).unwrap().points
    }

    #[test]
    fn the_preset_everything_has_every_method_once_for_three_epochs() {
        let points = points("everything");
        assert_eq!(points.len(), METHODS.len());
        for (point, method) in points.iter().zip(METHODS) {
            let mut given = Vec::new();
            if method.training == Training::Sgd {
                given.push(("epochs", Value::Number(3.0)));
            }
            if method.name == "custom" {
                let values = [("tau", 0.5), ("delta", 0.9), ("threshold", 0.3)];
                given.extend(values.map(|(name, number)| (name, Value::Number(number))));
            }
            let expected = Params::resolve(method, &given).unwrap();
            assert_eq!((point.method.name, &point.params, point.seed), (method.name, &expected, 0));
        }
    }

    #[test]
    fn the_preset_table1_has_every_row_of_the_paper_and_stays_small() {
        let rows = [
            "stage1",
            "cosine",
            "lws",
            "ldam",
            "balanced-softmax",
            "re-sampling",
            "focal",
            "cb-bce-softmax",
            "max-norm",
            "tau-norm",
            "logit-adjustment",
            "lort",
        ];
        let points = points("table1");
        assert!(rows.iter().all(|row| points.iter().any(|point| point.method.name == *row)));
        assert!(points.len() <= 3 * 130, "{}", points.len());
    }
}
