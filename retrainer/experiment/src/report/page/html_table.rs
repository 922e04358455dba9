//! A table as HTML: headings that sort, a field that filters, and the runs behind every row.

use super::{MAX_ROWS, escaped};
use crate::{
    records::Params,
    report::table::{Align, Cell, Column, Table},
};
use serde_json::Value;

/// Characters of a run id on paper: among a million runs two share so many with a chance of 2 in 1000.
const ID_ON_PAPER: usize = 12;

/// A section with the table, its notes and its cautions.
pub(super) fn section(table: &Table, id: &str) -> String {
    let shown: Vec<(usize, &Column)> =
        table.columns.iter().enumerate().filter(|(_, column)| column.is_printed()).collect();
    let name = shown.iter().find(|(_, column)| column.align == Align::Left).map(|&(index, _)| index);
    let runs = place(table, "run_ids");
    let mut heads: String = shown.iter().map(|(_, column)| head(column)).collect();
    if runs.is_some() {
        heads += "<th scope=\"col\" class=\"runs\">runs</th>";
    }
    let best = table.best();
    let rows = table.rows.iter().take(MAX_ROWS).enumerate().map(|(row, cells)| {
        let drawn = shown.iter().filter_map(|&(index, column)| {
            let is_best = best.holds(row, index);
            Some(cell(cells.get(index)?, column, name == Some(index), is_best))
        });
        let mut line: String = drawn.collect();
        if runs.is_some() {
            let ids = ids_on_paper(table, cells);
            line.extend([format!("<td class=\"runs\" data-runs=\"{ids}\">{}</td>", evidence(table, cells))]);
        }
        format!("<tr>{line}</tr>\n")
    });
    let rows = rows.collect::<Vec<_>>().concat();
    let kept = table.rows.len().min(MAX_ROWS);
    let mut notes = table.notes.clone();
    if kept < table.rows.len() {
        notes.insert(
            0,
            format!(
                "the first {kept} of {} rows; `retrainer report RUNS --format csv` writes all",
                table.rows.len()
            ),
        );
    }
    format!(
        "<section class=\"table\" aria-labelledby=\"{id}\">\n<div class=\"filter\"><label for=\"{id}-filter\">Filter rows</label>\
         <input id=\"{id}-filter\" type=\"search\" placeholder=\"method, setting, run id\" autocomplete=\"off\">\
         <output for=\"{id}-filter\">{kept} of {kept} rows</output></div>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"{id}\" tabindex=\"0\">\n<table>\n<caption id=\"{id}\">{}</caption>\n\
         <thead>\n<tr>{heads}</tr>\n</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n{}{}</section>\n",
        escaped(&table.title),
        list("notes", &notes),
        cautions(&table.cautions),
    )
}

/// A list of sentences; nothing without any.
fn list(class: &str, sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    let items: Vec<_> =
        sentences.iter().map(|sentence| format!("<li>{}</li>\n", escaped(sentence))).collect();
    let items = items.concat();
    format!("<ul class=\"{class}\">\n{items}</ul>\n")
}

/// Cautions, folded where they are many.
pub(super) fn cautions(sentences: &[String]) -> String {
    let list = list("cautions", sentences);
    match sentences.len() {
        0..=3 => list,
        many => format!("<details class=\"more\"><summary>{many} cautions</summary>\n{list}</details>\n"),
    }
}

fn head(column: &Column) -> String {
    let class = if column.align == Align::Right { " class=\"number\"" } else { "" };
    // A rank starts with the first.
    let low = if column.key == "rank" { " data-low=\"1\"" } else { "" };
    format!(
        "<th scope=\"col\"{class}{low} aria-sort=\"none\"><button type=\"button\">{}</button></th>",
        escaped(&column.title)
    )
}

fn cell(cell: &Cell, column: &Column, is_name: bool, is_best: bool) -> String {
    let text = escaped(&cell.text(column));
    if is_name {
        return format!("<th scope=\"row\">{text}</th>");
    }
    if column.align == Align::Left {
        return format!("<td>{text}</td>");
    }
    let value = match cell {
        Cell::Count(count) => count.to_string(),
        Cell::Number(value) | Cell::Difference(value) => value.to_string(),
        Cell::Gain(gain) => gain.mean.to_string(),
        Cell::Seeds { finished, .. } => finished.to_string(),
        Cell::Summary(summary) => summary.mean.to_string(),
        Cell::Missing | Cell::Text(_) | Cell::List(_) | Cell::Params { .. } => String::new(),
    };
    let best = if is_best { " best" } else { "" };
    format!("<td class=\"number{best}\" data-value=\"{value}\">{text}</td>")
}

fn place(table: &Table, key: &str) -> Option<usize> {
    table.columns.iter().position(|column| column.key == key)
}

/// What stands on paper in place of the folded runs: the beginnings of their ids, by which the program finds them too.
fn ids_on_paper(table: &Table, cells: &[Cell]) -> String {
    let Some(Cell::List(runs)) = place(table, "run_ids").and_then(|index| cells.get(index)) else {
        return String::new();
    };
    let ids: Vec<String> = runs.iter().map(|id| id.chars().take(ID_ON_PAPER).collect()).collect();
    escaped(&ids.join(" "))
}

/// The runs of a row, and the grid that repeats them.
fn evidence(table: &Table, cells: &[Cell]) -> String {
    let get = |key| place(table, key).and_then(|index| cells.get(index));
    let Some(Cell::List(runs)) = get("run_ids") else { return "-".to_owned() };
    let Some(first) = runs.first() else { return "-".to_owned() };
    let mut lines = runs.join("\n");
    if let (Some(Cell::Text(method)), Some(Cell::Params { all, .. }), Some(Cell::List(seeds))) =
        (get("method"), get("params"), get("seeds"))
        // A mean of heads is made by the grid of its members.
        && crate::methods::Method::find(method).is_ok()
    {
        lines.extend([format!(
            "\n\n# row.toml: retrainer sweep --cache CACHE --grid row.toml --out RUNS\n{}",
            grid(method, all, seeds)
        )]);
    }
    lines.extend([format!("\n# its weights: retrainer export RUNS --run {first} --out head.safetensors")]);
    let plural = if runs.len() == 1 { "" } else { "s" };
    format!("<details><summary>{} run{plural}</summary><pre>{}</pre></details>", runs.len(), escaped(&lines))
}

/// The grid file of one result: with it the sweep makes runs of the same ids.
pub(super) fn grid(method: &str, params: &Params, seeds: &[String]) -> String {
    let mut general = format!("seeds = [{}]\n", seeds.join(", "));
    let mut own = format!("[[method]]\nname = \"{method}\"\n");
    // What follows from the others or from the cache: a grid cannot ask for it.
    for (name, value) in params.iter().filter(|(name, _)| !crate::records::FOLLOWING.contains(name)) {
        let text = match value {
            Value::String(text) if text == "inf" => text.clone(),
            other => other.to_string(),
        };
        let is_general =
            [crate::records::TEST_TIME_AUGMENTATION, crate::records::PRECISION, crate::records::NORMALISE]
                .contains(&name);
        let lines = if is_general { &mut general } else { &mut own };
        lines.extend([format!("{name} = {text}\n")]);
    }
    general + &own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        methods::METHODS,
        plan::{Grid, record_params},
    };

    #[test]
    fn the_grid_of_a_row_gives_the_row_again_for_every_method() {
        for method in METHODS.iter().filter(|method| method.name != "custom") {
            let text = format!("seeds = [3]\nprecision = \"bf16\"\n[[method]]\nname = \"{}\"\n", method.name);
            let wanted = Grid::parse("wanted", &text).unwrap();
            let params = record_params(&wanted.points[0], true, wanted.precision);
            let again = grid(method.name, &params, &["3".to_owned()]);
            let got = Grid::parse("again", &again).unwrap_or_else(|error| panic!("{error}\n{again}"));
            assert_eq!(got.points.len(), 1);
            assert_eq!(
                record_params(&got.points[0], true, got.precision).canonical(),
                params.canonical(),
                "{again}"
            );
        }
    }
}
