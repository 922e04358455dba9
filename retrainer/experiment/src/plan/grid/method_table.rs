//! One `[[method]]` table of a grid file: its axes, and the heads that they span.

use super::{Fault, fault, param_fault};
use crate::methods::{Method, ParamError, Params, Training, Value};
use crate::plan::Point;
use std::ops::Range;
use toml::{Spanned, de::DeValue};

/// Parameters that belong to what a method is, where it publishes them: cRT is no cRT without a fresh head. The top level of
/// a file leaves them alone; the method's own table may still set them.
pub(super) const DEFINING: &[&str] = &["init", "sampler", "q", "reduction", "decay_bias"];

/// A parameter's name, where it stands, and its values, each with its place.
type Axis<'text> = (&'text str, Range<usize>, Vec<(Value, Range<usize>)>);

/// One `[[method]]` table.
pub(super) struct MethodTable<'text> {
    method: &'static Method,
    axes: Vec<Axis<'text>>,
}

impl<'text> MethodTable<'text> {
    /// The method's own axes, then those of the file's top level that it takes and does not set itself.
    fn all_axes<'a>(&'a self, common: &'a [Axis<'text>]) -> Vec<&'a Axis<'text>> {
        let inherited = common.iter().filter(|(name, ..)| {
            let defined = DEFINING.contains(name)
                && self.method.published.iter().any(|published| published.name == *name);
            self.method.training == Training::Sgd && !defined && self.axes.iter().all(|(own, ..)| own != name)
        });
        self.axes.iter().chain(inherited).collect()
    }

    /// Seeds change nothing where nothing is random.
    fn seeds(&self, seeds: usize) -> usize {
        if self.method.training == Training::Sgd { seeds } else { 1 }
    }

    /// Number of heads: a float, because a product of axes can exceed any integer.
    pub(super) fn heads(&self, common: &[Axis<'_>], seeds: usize) -> f64 {
        let points: f64 = self.all_axes(common).iter().map(|(_, _, values)| values.len() as f64).product();
        points * self.seeds(seeds) as f64
    }

    /// The heads of the table: the last axis fastest, seeds innermost.
    pub(super) fn points(&self, common: &[Axis<'text>], seeds: &[u64]) -> Result<Vec<Point>, Fault> {
        let axes = self.all_axes(common);
        // Each value is checked alone first, so that an error points at it.
        for (name, key, values) in &axes {
            for (value, span) in values {
                Params::resolve(self.method, &[(name, value.clone())]).map_err(|error| {
                    let span = if matches!(error, ParamError::UnknownParam { .. }) { key } else { span };
                    param_fault(&error, span.clone())
                })?;
            }
        }
        let combinations: usize = axes.iter().map(|(_, _, values)| values.len()).product();
        let mut points = Vec::new();
        for index in 0..combinations {
            let mut rest = index;
            let mut given = Vec::with_capacity(axes.len());
            for (name, _, values) in axes.iter().rev() {
                if let Some((value, _)) = values.get(rest % values.len()) {
                    given.push((*name, value.clone()));
                }
                rest /= values.len();
            }
            let params = Params::resolve(self.method, &given).map_err(|error| param_fault(&error, 0..0))?;
            for &seed in seeds.iter().take(self.seeds(seeds.len())) {
                points.push(Point { method: self.method, params: params.clone(), seed });
            }
        }
        Ok(points)
    }
}

/// The `[[method]]` tables of a file.
pub(super) fn parse_methods<'text>(
    value: &'text Spanned<DeValue<'_>>,
) -> Result<Vec<MethodTable<'text>>, Fault> {
    let Some(tables) = value.get_ref().as_array() else {
        return Err(fault(value.span(), "`method` is no list of tables, expected `[[method]]`"));
    };
    tables.iter().map(parse_method).collect()
}

fn parse_method<'text>(value: &'text Spanned<DeValue<'_>>) -> Result<MethodTable<'text>, Fault> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(fault(value.span(), "a method is a table with `name`"));
    };
    let Some(name) = table.get("name") else {
        return Err(fault(value.span(), "a `[[method]]` without `name`"));
    };
    let Some(text) = name.get_ref().as_str() else {
        return Err(fault(name.span(), "`name` is the name of a method, in quotes"));
    };
    let method = Method::find(text).map_err(|error| param_fault(&error, name.span()))?;
    let axes = table
        .iter()
        .filter(|(key, _)| key.get_ref() != "name")
        .map(|(key, value)| axis(key.get_ref(), key.span(), value))
        .collect::<Result<_, _>>()?;
    Ok(MethodTable { method, axes })
}

/// A key with one value, or a list of values.
pub(super) fn axis<'text>(
    name: &'text str,
    key: Range<usize>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Axis<'text>, Fault> {
    let values = match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => {
            return Err(fault(value.span(), &format!("axis `{name}` is empty")));
        }
        DeValue::Array(items) => items.iter().map(given).collect::<Result<_, _>>()?,
        _ => vec![given(value)?],
    };
    Ok((name, key, values))
}

fn given(value: &Spanned<DeValue<'_>>) -> Result<(Value, Range<usize>), Fault> {
    let given = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string().into()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Integer(_) | DeValue::Float(_) => {
            Value::Number(number(value.get_ref()).ok_or_else(|| {
                fault(value.span(), &format!("an integer is from {} to {}", i64::MIN, i64::MAX))
            })?)
        }
        other => {
            let got = other.type_str();
            let message = format!("expected a number, a word in quotes, true or false, got {got}");
            return Err(fault(value.span(), &message));
        }
    };
    Ok((given, value.span()))
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64)
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}
