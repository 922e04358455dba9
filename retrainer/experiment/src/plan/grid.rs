//! Grid files: TOML in which lists are axes and scalars are fixed.

mod method_table;
mod value;

use super::{Normalise, Point, Precision};
use crate::methods::{Init, ParamError, SGD_PARAMS};
use crate::protocol::Protocols;
use files::Hint;
use method_table::{axis, parse_methods};
use program::names::nearest;
use std::{collections::HashSet, ops::Range};
use toml::de::DeTable;

/// Keys of a grid's top level beside the parameters of SGD.
const TOP_LEVEL: &[&str] = &[
    "seeds",
    "test_time_augmentation",
    "protocols",
    "precision",
    "normalise",
    "relative",
    "widen",
    "finalists",
    "finalist_seeds",
    "soup",
    "method",
];

/// The most heads that a grid may hold.
pub(crate) const MAX_HEADS: usize = 1_000_000;

/// The heads of a grid file, in its order, each once.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The heads: method tables in file order, the last axis fastest, seeds innermost.
    pub points: Vec<Point>,
    /// Average the logits of clean and flipped views where the cache has both.
    pub test_time_augmentation: bool,
    /// What is recorded beside the last epoch; `None` for everything that the cache allows.
    pub protocols: Option<Protocols>,
    /// What the products of training read.
    pub precision: Precision,
    /// What features go through before every head reads them.
    pub normalise: Normalise,
    /// Whether settings that go with the scale of the features are those for features of mean squared length 1: see
    /// [`Grid::scaled`].
    pub relative: bool,
    /// How many times it grows at most, where validation chose an edge of an axis.
    pub widen: usize,
    /// What becomes of its best results by validation.
    pub finalists: Option<Finalists>,
    /// Of how many of its best results by validation the mean of the heads is made, 0 for none.
    pub soup: usize,
    /// Points that the file gave more than once.
    pub duplicates: usize,
}

/// The best results of a sweep, which get further seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalists {
    /// How many results, of a method one.
    pub count: usize,
    /// Their seeds.
    pub seeds: Vec<u64>,
}

/// What is wrong with a grid file, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct GridError {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Hint for GridError {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// A message at a byte range of the file.
struct Fault {
    span: Range<usize>,
    message: String,
    hint: Option<String>,
}

impl Grid {
    /// These heads and nothing else, at the usual settings.
    pub fn of(points: Vec<Point>) -> Self {
        Self {
            points,
            test_time_augmentation: true,
            protocols: None,
            precision: Precision::default(),
            normalise: Normalise::None,
            relative: false,
            widen: 0,
            finalists: None,
            soup: 0,
            duplicates: 0,
        }
    }

    /// Other heads under the same settings.
    #[must_use]
    pub fn with(&self, points: Vec<Point>) -> Self {
        let (protocols, finalists) = (self.protocols.clone(), self.finalists.clone());
        Self { points, protocols, finalists, duplicates: 0, ..*self }
    }

    /// The grid with all heads that SGD trains starting at `init`, but those whose method publishes its start: as if it stood at
    /// the top of the file.
    ///
    /// # Errors
    /// [`ParamError`] where a point is none of its method.
    pub fn starting_at(self, init: Init) -> Result<Self, ParamError> {
        self.with_points(|point| {
            let free = point.method.published.iter().all(|published| published.name != "init");
            match point.params.sgd() {
                Some(_) if free => point.with("init", &init.into()),
                Some(_) | None => Ok(point),
            }
        })
    }

    /// The grid with each point changed; points that become equal are one.
    pub(super) fn with_points(
        mut self,
        change: impl Fn(Point) -> Result<Point, ParamError>,
    ) -> Result<Self, ParamError> {
        let mut seen = HashSet::new();
        for point in std::mem::take(&mut self.points) {
            let point = change(point)?;
            if seen.insert(point.digest()) {
                self.points.push(point);
            }
        }
        Ok(self)
    }

    /// Reads a grid file's text; `file` names it in errors.
    ///
    /// # Errors
    /// [`GridError`] for TOML that does not parse, unknown keys and methods, values out of range, empty axes, and grids of
    /// more than a million heads.
    pub fn parse(file: &str, text: &str) -> Result<Self, GridError> {
        Self::parse_with_seeds(file, text, None)
    }

    /// As [`Grid::parse`], with these seeds in place of the file's.
    ///
    /// # Errors
    /// As [`Grid::parse`].
    pub fn parse_with_seeds(file: &str, text: &str, seeds: Option<&[u64]>) -> Result<Self, GridError> {
        parse(text, seeds).map_err(|fault| {
            let before = text.get(..fault.span.start).unwrap_or(text);
            GridError {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|&c| c != '\n').count() + 1,
                message: fault.message,
                hint: fault.hint,
            }
        })
    }
}

fn parse(text: &str, other_seeds: Option<&[u64]>) -> Result<Grid, Fault> {
    let table = DeTable::parse(text).map_err(|error| Fault {
        span: error.span().unwrap_or(0..0),
        message: error.message().to_owned(),
        hint: None,
    })?;
    let (mut seeds, mut common, mut methods) = (vec![0], Vec::new(), Vec::new());
    let (mut grid, mut finalists, mut finalist_seeds) = (Grid::of(Vec::new()), None, vec![0, 1, 2, 3, 4]);
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "seeds" => seeds = value::seeds(value)?,
            "test_time_augmentation" => grid.test_time_augmentation = value::flag(value)?,
            "protocols" => grid.protocols = Some(value::protocols(value)?),
            "precision" => grid.precision = value::precision(value)?,
            "normalise" => grid.normalise = value::normalise(value)?,
            "relative" => grid.relative = value::flag(value)?,
            "widen" => grid.widen = value::count(value)?,
            "soup" => grid.soup = value::count(value)?,
            "finalists" => finalists = Some(value::count(value)?),
            "finalist_seeds" => finalist_seeds = value::seeds(value)?,
            "method" => methods = parse_methods(value)?,
            name if SGD_PARAMS.iter().any(|param| param.name == name) => {
                common.push(axis(name, key.span(), value)?);
            }
            name => return Err(unknown_key(name, key.span())),
        }
    }
    grid.finalists = finalists.map(|count| Finalists { count, seeds: finalist_seeds });
    if let Some(other) = other_seeds {
        other.clone_into(&mut seeds);
    }
    if methods.is_empty() {
        return Err(Fault {
            span: 0..0,
            message: "no `[[method]]`".to_owned(),
            hint: Some("add a table such as `[[method]]` with `name = \"lort\"`".to_owned()),
        });
    }
    let heads: f64 = methods.iter().map(|method| method.heads(&common, seeds.len())).sum();
    if heads > MAX_HEADS as f64 {
        return Err(Fault {
            span: 0..0,
            message: format!("the grid has {heads} heads, more than {MAX_HEADS}"),
            hint: Some("shorten an axis, or split the grid over several files".to_owned()),
        });
    }
    let mut seen = HashSet::new();
    for method in &methods {
        for point in method.points(&common, &seeds)? {
            if seen.insert(point.digest()) {
                grid.points.push(point);
            } else {
                grid.duplicates += 1;
            }
        }
    }
    Ok(grid)
}

fn fault(span: Range<usize>, message: &str) -> Fault {
    Fault { span, message: message.to_owned(), hint: None }
}

fn param_fault(error: &ParamError, span: Range<usize>) -> Fault {
    Fault { span, message: error.to_string(), hint: error.hint() }
}

fn unknown_key(name: &str, span: Range<usize>) -> Fault {
    let known = TOP_LEVEL.iter().copied().chain(SGD_PARAMS.iter().map(|param| param.name));
    let hint = nearest(name, known).map_or_else(
        || "parameters of one method belong under its `[[method]]`".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    Fault { span, message: format!("unknown key `{name}`"), hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{SamplerKind, Value};

    fn value(point: &Point, name: &str) -> Option<Value> {
        point.params.values().into_iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    fn grid(text: &str) -> Grid {
        Grid::parse("grid.toml", text).unwrap()
    }

    fn error(text: &str) -> String {
        let error = Grid::parse("grid.toml", text).unwrap_err();
        format!("{error}{}", error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default())
    }

    #[test]
    fn lists_are_axes_and_scalars_are_fixed() {
        let grid = grid(
            "seeds = [0, 1]\nlr = [1e-3, 1e-2]\nepochs = 3\n[[method]]\nname = \"lort\"\ndelta = [0.9, 0.98]\n[[method]]\nname = \"ce\"\nlr = 0.1\n",
        );
        assert_eq!(grid.points.len(), 2 * 2 * 2 + 2);
        let lr = |point: &Point| point.params.sgd().unwrap().lr;
        let numbers: Vec<_> = grid
            .points
            .iter()
            .map(|point| (point.method.name, value(point, "delta"), lr(point), point.seed))
            .collect();
        assert_eq!(
            numbers,
            [
                ("lort", Some(Value::Number(0.9)), 1e-3, 0),
                ("lort", Some(Value::Number(0.9)), 1e-3, 1),
                ("lort", Some(Value::Number(0.9)), 1e-2, 0),
                ("lort", Some(Value::Number(0.9)), 1e-2, 1),
                ("lort", Some(Value::Number(0.98)), 1e-3, 0),
                ("lort", Some(Value::Number(0.98)), 1e-3, 1),
                ("lort", Some(Value::Number(0.98)), 1e-2, 0),
                ("lort", Some(Value::Number(0.98)), 1e-2, 1),
                ("ce", None, 0.1, 0),
                ("ce", None, 0.1, 1),
            ]
        );
        assert!(grid.points.iter().all(|point| point.params.sgd().unwrap().epochs == 3));
    }

    #[test]
    fn seeds_from_outside_replace_those_of_the_file() {
        let text = "seeds = [0, 1]\n[[method]]\nname = \"ce\"\n[[method]]\nname = \"stage1\"\n";
        let grid = Grid::parse_with_seeds("grid.toml", text, Some(&[5, 3, 5])).unwrap();
        let seeds: Vec<_> = grid.points.iter().map(|point| (point.method.name, point.seed)).collect();
        assert_eq!(seeds, [("ce", 5), ("ce", 3), ("stage1", 5)]);
        assert_eq!(grid.duplicates, 1);
    }

    #[test]
    fn methods_without_training_run_once_and_take_no_sgd_parameter() {
        let grid = grid("seeds = [0, 1, 2]\nlr = 0.1\n[[method]]\nname = \"tau-norm\"\ntau = [0, 1]\n");
        assert_eq!(grid.points.len(), 2);
        assert_eq!(
            error("[[method]]\nname = \"stage1\"\nlr = 0.1\n"),
            "grid.toml:3:1: method `stage1` has no parameter `lr` (`retrainer methods` lists all methods and their parameters)"
        );
    }

    #[test]
    fn the_top_level_leaves_alone_what_defines_a_method() {
        let grid = grid(
            "init = \"stage1\"\nsampler = \"instance-balanced\"\nlr = 0.3\n[[method]]\nname = \"crt\"\n[[method]]\nname = \"ce\"\n[[method]]\nname = \"crt\"\ninit = \"stage1\"\n",
        );
        let settings: Vec<_> = grid
            .points
            .iter()
            .map(|point| point.params.sgd().unwrap())
            .map(|settings| (settings.init, settings.sampler, settings.lr))
            .collect();
        assert_eq!(
            settings,
            [
                (Init::Fresh, SamplerKind::ClassAware, 0.3),
                (Init::Stage1, SamplerKind::InstanceBalanced, 0.3),
                (Init::Stage1, SamplerKind::ClassAware, 0.3)
            ]
        );
    }

    #[test]
    fn what_defines_a_method_are_parameters_of_sgd() {
        for name in method_table::DEFINING {
            assert!(SGD_PARAMS.iter().any(|param| param.name == *name), "{name}");
        }
    }

    #[test]
    fn duplicate_points_are_merged_and_counted() {
        let grid = grid(
            "[[method]]\nname = \"lort\"\ndelta = [0.9, 0.9]\n[[method]]\nname = \"los\"\ndelta = 0.9\n",
        );
        assert_eq!((grid.points.len(), grid.duplicates), (1, 2));
    }

    #[test]
    fn errors_name_the_place_and_the_way_out() {
        let cases = [
            "lr = [1e-3\n",
            "learning_rate = 1e-3\n[[method]]\nname = \"ce\"\n",
            "[[method]]\nname = \"lrot\"\n",
            "[[method]]\nname = \"lort\"\ndelta = [0.5, 1.5]\n",
            "[[method]]\nname = \"lort\"\ndelat = 0.5\n",
            "[[method]]\nname = \"lort\"\ndelta = []\n",
            "[[method]]\nname = \"lort\"\ndelta = \"0.9\"\n",
            "[[method]]\nname = \"lort\"\ndelta = [[0.9]]\n",
            "[[method]]\ndelta = 0.9\n",
            "seeds = [-1]\n[[method]]\nname = \"ce\"\n",
            "epochs = 0\n[[method]]\nname = \"ce\"\n",
            "epochs = 3\n",
            "precision = \"f16\"\n",
        ];
        let errors: Vec<String> = cases.into_iter().map(error).collect();
        insta::assert_snapshot!(errors.join("\n"), @r#"
        grid.toml:1:11: unclosed array, expected `]`
        grid.toml:1:1: unknown key `learning_rate` (parameters of one method belong under its `[[method]]`)
        grid.toml:2:8: unknown method `lrot` (did you mean `lort`?)
        grid.toml:3:15: `delta` of `lort` is 1.5, expected a number from 0 to 1
        grid.toml:3:1: method `lort` has no parameter `delat` (did you mean `delta`?)
        grid.toml:3:9: axis `delta` is empty
        grid.toml:3:9: `delta` of `lort` is "0.9", expected a number from 0 to 1
        grid.toml:3:10: expected a number, a word in quotes, true or false, got array
        grid.toml:1:1: a `[[method]]` without `name`
        grid.toml:1:10: a seed is an integer from 0 to 18446744073709551615
        grid.toml:1:10: `epochs` of `ce` is 0, expected an integer of at least 1
        grid.toml:1:1: no `[[method]]` (add a table such as `[[method]]` with `name = "lort"`)
        grid.toml:1:13: a precision is "f32", "tf32" or "bf16"
        "#);
    }

    #[test]
    fn refuses_more_than_a_million_heads_with_their_number() {
        let axis = (0..1001).map(|i| format!("{}", f64::from(i) / 1001.0)).collect::<Vec<_>>().join(", ");
        let seeds = (0..1000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!("seeds = [{seeds}]\n[[method]]\nname = \"lort\"\ndelta = [{axis}]\n");
        assert!(error(&text).contains("the grid has 1001000 heads, more than 1000000"));
    }
}
