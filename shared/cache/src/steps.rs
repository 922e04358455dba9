//! What was done on the way to features, as steps with arguments; and the network, as name and width.
//!
//! Both are structures in a manifest, and sentences where people read them: `seed(3)|crop(32,pad=4)|flip(0.5)`,
//! `resnet18 x0.25`. Manifests of version 1 hold the sentences, so that each is read back, and whatever is read is said in the
//! same words.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::fmt;

/// Steps, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps(Vec<Step>);

/// A step: `crop(32,pad=4)`, `flip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    step: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    arguments: Vec<Argument>,
}

/// An argument: `32`, `pad=4`, `scale=0.08 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(Number),
    Numbers(Vec<Number>),
    Text(String),
}

impl Steps {
    /// The steps of a sentence; what has another form is a step of that name.
    pub fn read(sentence: &str) -> Self {
        Self(sentence.split('|').map(Step::read).collect())
    }

    /// The whole number that is the first argument of a step: 3 of `seed(3)`.
    pub fn number(&self, step: &str) -> Option<u64> {
        let step = self.0.iter().find(|own| own.step == step)?;
        match &step.arguments.first()?.value {
            Value::Number(number) => number.as_u64(),
            Value::Numbers(_) | Value::Text(_) => None,
        }
    }
}

impl Step {
    fn read(said: &str) -> Self {
        let whole = || Self { step: said.to_owned(), arguments: Vec::new() };
        let Some((step, arguments)) =
            said.strip_suffix(')').and_then(|said| said.split_once('(')).filter(|(step, _)| !step.is_empty())
        else {
            return whole();
        };
        let read =
            Self { step: step.to_owned(), arguments: arguments.split(',').map(Argument::read).collect() };
        // What would be said in other words stays as it is.
        if read.to_string() == said { read } else { whole() }
    }
}

impl Argument {
    fn read(said: &str) -> Self {
        match said.split_once('=') {
            Some((name, value)) => Self { name: Some(name.to_owned()), value: Value::read(value) },
            None => Self { name: None, value: Value::read(said) },
        }
    }
}

impl Value {
    fn read(said: &str) -> Self {
        let numbers: Option<Vec<Number>> = said.split(' ').map(|number| number.parse().ok()).collect();
        let read = match numbers.as_deref() {
            Some([number]) => Self::Number(number.clone()),
            Some(numbers) => Self::Numbers(numbers.to_vec()),
            None => Self::Text(said.to_owned()),
        };
        if read.to_string() == said { read } else { Self::Text(said.to_owned()) }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, "|")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)?;
        if self.arguments.is_empty() {
            return Ok(());
        }
        f.write_str("(")?;
        joined(f, &self.arguments, ",")?;
        f.write_str(")")
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        self.value.fmt(f)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Numbers(numbers) => joined(f, numbers, " "),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[T], between: &str) -> fmt::Result {
    parts.iter().enumerate().try_for_each(|(index, part)| {
        if index > 0 {
            f.write_str(between)?;
        }
        part.fmt(f)
    })
}

/// A network: `resnet34`, `resnet18 x0.25`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Its name on the command line.
    pub name: String,
    /// Factor on the channels of every layer.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub width: f64,
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(width: &f64) -> bool {
    *width == 1.0
}

impl Default for Architecture {
    fn default() -> Self {
        Self::named("")
    }
}

impl Architecture {
    /// A network of the published width.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), width: 1.0 }
    }

    /// The network of a sentence.
    pub fn read(said: &str) -> Self {
        let scaled = said.split_once(" x").and_then(|(name, width)| {
            Some(Self {
                name: name.to_owned(),
                width: width.parse().ok().filter(|width: &f64| width.is_finite())?,
            })
        });
        // What would be said in other words is a name.
        scaled.filter(|scaled| scaled.to_string() == said).unwrap_or_else(|| Self::named(said))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, width } = self;
        if *width == 1.0 { f.write_str(name) } else { write!(f, "{name} x{width}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        /// Whatever a sentence holds, it is said again in the same words, and so it is after it lay in a file.
        #[test]
        fn sentences_come_back(sentence in "([a-z0-9. -]{0,6}[(]?[a-z]{0,3}=?[0-9. x/]{0,6},?[0-9.e-]{0,5}[)]?[|]?){0,4}") {
            let (steps, network) = (Steps::read(&sentence), Architecture::read(&sentence));
            prop_assert_eq!(steps.to_string(), sentence.clone());
            prop_assert_eq!(network.to_string(), sentence);
            let file = serde_json::to_string(&(&steps, &network)).unwrap();
            prop_assert_eq!(serde_json::from_str::<(Steps, Architecture)>(&file).unwrap(), (steps, network));
        }
    }

    #[test]
    fn steps_are_structures_with_numbers() {
        let steps = Steps::read("seed(3)|crop(32,pad=4)|flip|scaled(scale=0.08 1,ratio=3/4 4/3)");
        assert_eq!(
            (steps.number("seed"), steps.number("crop"), steps.number("pad")),
            (Some(3), Some(32), None)
        );
        assert_eq!(steps.number("flip"), None);
        assert_eq!(
            serde_json::to_value(&steps).unwrap(),
            json!([
                { "step": "seed", "arguments": [{ "value": 3 }] },
                { "step": "crop", "arguments": [{ "value": 32 }, { "name": "pad", "value": 4 }] },
                { "step": "flip" },
                { "step": "scaled", "arguments": [
                    { "name": "scale", "value": [0.08, 1] },
                    { "name": "ratio", "value": "3/4 4/3" },
                ] },
            ])
        );
    }

    #[test]
    fn a_width_is_a_number() {
        assert_eq!(
            Architecture::read("resnet18 x0.25"),
            Architecture { name: "resnet18".to_owned(), width: 0.25 }
        );
        for name in ["resnet34", "my net x", "net x1", "a x0.50", "a xNaN", "a xinf"] {
            assert_eq!(Architecture::read(name), Architecture::named(name), "{name}");
        }
    }
}
