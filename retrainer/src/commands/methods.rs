//! `retrainer methods`: what there is, and what it takes.

use super::{End, print};
use crate::error::RetrainError;
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use experiment::methods::{METHODS, Method, Training};
use serde_json::json;

/// Arguments of `retrainer methods`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retrainer methods --format json")]
pub struct MethodsArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub format: MethodsFormat,
}

/// How the list is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MethodsFormat {
    /// A table for people.
    Table,
    /// A list of objects with defaults, ranges and sources.
    Json,
    /// A table for documents.
    Markdown,
}

/// Prints the list.
///
/// # Errors
/// [`RetrainError::Cache`] where stdout does not take it.
pub fn run(args: &MethodsArgs) -> Result<End, RetrainError> {
    print(&match args.format {
        MethodsFormat::Table => table(),
        MethodsFormat::Json => json(),
        MethodsFormat::Markdown => markdown(),
    })?;
    Ok(End::Done)
}

fn json() -> String {
    format!("{:#}", serde_json::Value::Array(METHODS.iter().map(|method| object(method)).collect()))
}

/// The table of `experiment/METHODS.md`.
pub fn markdown() -> String {
    let rows = METHODS.iter().map(|method| {
        let params: Vec<String> =
            method.own_params().iter().map(|param| format!("`{}` {}", param.name, param.default)).collect();
        // A bar inside a cell would end it.
        let formula = method.formula.replace('|', "\\|");
        format!(
            "| `{}` | {} | {formula} | {} | {} |",
            method.name,
            method.title,
            params.join(", "),
            method.source
        )
    });
    let head = "| method | in papers | what it computes | own parameters, defaults | source |\n|---|---|---|---|---|";
    std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

fn table() -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["method", "what it computes", "own parameters", "source"]);
    for method in METHODS {
        let names =
            std::iter::once(method.name).chain(method.aliases.iter().copied()).collect::<Vec<_>>().join(", ");
        let params: Vec<String> = method
            .own_params()
            .iter()
            .map(|param| format!("{} = {} ({})", param.name, param.default, param.kind))
            .collect();
        let params = if params.is_empty() { "–".to_owned() } else { params.join("\n") };
        table.add_row([&names, method.formula, &params, method.source]);
    }
    let sgd: Vec<String> = experiment::methods::SGD_PARAMS
        .iter()
        .map(|param| format!("  {} = {} ({}): {}", param.name, param.default, param.kind, param.help))
        .collect();
    format!("{table}\nMethods that train also take:\n{}", sgd.join("\n"))
}

fn object(method: &Method) -> serde_json::Value {
    let params: Vec<_> = method
        .all_params()
        .into_iter()
        .map(|param| {
            let default = serde_json::Value::from(param.default);
            json!({ "name": param.name, "default": default, "range": param.kind.to_string(), "help": param.help })
        })
        .collect();
    json!({
        "name": method.name,
        "aliases": method.aliases,
        "title": method.title,
        "idea": method.idea,
        "formula": method.formula,
        "source": method.source,
        "reduces_to": method.reduces_to,
        "trained": method.training == Training::Sgd,
        "params": params,
        "grid": method.grid,
    })
}
