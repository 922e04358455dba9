//! Grid files that come with the program; copy one and edit it.

use crate::methods::Method;

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
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "table1",
        about: "the methods of the paper's Table 1, each over its own learning rates and hyper-parameters",
        text: include_str!("../../presets/table1.toml"),
    },
    Preset {
        name: "fig4",
        about: "LORT over the label-smooth value, from 0 to 0.995",
        text: include_str!("../../presets/fig4.toml"),
    },
    Preset {
        name: "fig5",
        about: "LORT over learning rate and weight decay",
        text: include_str!("../../presets/fig5.toml"),
    },
    Preset {
        name: "table3-columns",
        about: "the methods of the paper's Table 3, for one backbone",
        text: include_str!("../../presets/table3-columns.toml"),
    },
    Preset {
        name: "everything",
        about: "each method once, three epochs",
        text: include_str!("../../presets/everything.toml"),
    },
];

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
        methods::{METHODS, Params},
        plan::Grid,
    };
    use std::collections::HashSet;

    #[test]
    fn every_preset_is_a_valid_grid_without_duplicates() {
        for preset in PRESETS {
            let grid = Grid::parse(preset.name, preset.text).unwrap();
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

    fn methods(name: &str) -> HashSet<&'static str> {
        let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
        Grid::parse(name, preset.text).unwrap().points.iter().map(|point| point.method.name).collect()
    }

    #[test]
    fn the_preset_everything_has_every_method() {
        let all = METHODS.iter().map(|method| method.name).collect();
        assert_eq!(methods("everything"), all);
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
        assert!(rows.iter().all(|row| methods("table1").contains(row)));
        let grid = Grid::parse("table1", PRESETS[0].text).unwrap();
        assert!(grid.points.len() <= 3 * 130, "{}", grid.points.len());
    }
}
