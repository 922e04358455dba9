//! Values of a grid file's top level.

use super::{Fault, fault};
use crate::{
    plan::{Normalise, Precision},
    protocol::{Protocol, Protocols},
};
use clap::ValueEnum;
use toml::{Spanned, de::DeValue};

pub(super) fn seeds(value: &Spanned<DeValue<'_>>) -> Result<Vec<u64>, Fault> {
    let seed = |item: &Spanned<DeValue<'_>>| {
        let integer = item.get_ref().as_integer();
        integer
            .and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok())
            .ok_or_else(|| fault(item.span(), &format!("a seed is an integer from 0 to {}", u64::MAX)))
    };
    let seeds = match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => {
            return Err(fault(value.span(), "axis `seeds` is empty"));
        }
        DeValue::Array(items) => items.iter().map(seed).collect::<Result<_, _>>()?,
        _ => vec![seed(value)?],
    };
    Ok(seeds)
}

pub(super) fn protocols(value: &Spanned<DeValue<'_>>) -> Result<Protocols, Fault> {
    let protocol = |item: &Spanned<DeValue<'_>>| {
        let text = item.get_ref().as_str().unwrap_or_default();
        Protocol::from_str(text, false).map_err(|_| {
            fault(item.span(), "a protocol is \"last\", \"val\", \"val-nll\", \"val-macro-f1\", \"val-few\" or \"best-on-test\"")
        })
    };
    let protocols = match value.get_ref() {
        DeValue::Array(items) => items.iter().map(protocol).collect::<Result<Vec<_>, _>>()?,
        _ => vec![protocol(value)?],
    };
    Ok(Protocols::of(&protocols))
}

pub(super) fn precision(value: &Spanned<DeValue<'_>>) -> Result<Precision, Fault> {
    let precision = value.get_ref().as_str().and_then(Precision::find);
    precision.ok_or_else(|| fault(value.span(), "a precision is \"f32\", \"tf32\" or \"bf16\""))
}

pub(super) fn normalise(value: &Spanned<DeValue<'_>>) -> Result<Normalise, Fault> {
    let normalise = value.get_ref().as_str().and_then(Normalise::find);
    normalise.ok_or_else(|| fault(value.span(), "a normalisation is \"none\", \"l2\" or \"standardise\""))
}

pub(super) fn count(value: &Spanned<DeValue<'_>>) -> Result<usize, Fault> {
    let count = value.get_ref().as_integer().and_then(|integer| integer.as_str().parse::<u16>().ok());
    count.map(usize::from).ok_or_else(|| fault(value.span(), "expected a whole number"))
}

pub(super) fn flag(value: &Spanned<DeValue<'_>>) -> Result<bool, Fault> {
    value.get_ref().as_bool().ok_or_else(|| fault(value.span(), "expected true or false"))
}
