//! The README's numbers: each one that comes from the committed records is made from them here.

use crate::distance::distance;
use experiment::{
    metrics::TOP1,
    records::{Params, Run, RunStore},
    select::{Protocol, select},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of committed runs, in `fixtures`: `SCALE/NAME` of the reproduction, or `demo`.
fn folder(runs: &str) -> String {
    match runs.split_once('/') {
        Some((scale, name)) => format!("reproduction/{scale}/runs/{name}"),
        None => format!("{runs}/runs"),
    }
}

pub(crate) fn store(runs: &str) -> RunStore {
    RunStore::open(&root().join("fixtures").join(folder(runs))).unwrap()
}

/// What the program says of committed runs.
pub(crate) fn report(runs: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_retrainer"))
        .current_dir(root().join("fixtures"))
        .args(["report", &folder(runs)])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{runs}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Words without line breaks, so that a text may be wrapped anywhere.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A row of a Markdown table by its headings.
pub(crate) type Row = BTreeMap<String, String>;

pub(crate) fn rows(markdown: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = markdown.lines().filter(|line| line.starts_with('|'));
    let headings = cells(lines.next().unwrap());
    let row = |line: &str| headings.iter().cloned().zip(cells(line)).collect();
    lines.filter(|line| !line.starts_with("| :--") && !line.starts_with("| --:")).map(row).collect()
}

/// A number of a table: without the mark of the best, its deviation and the mark of significance.
pub(crate) fn plain(cell: &str) -> String {
    cell.replace("**", "").split(" ±").next().unwrap().trim_end_matches(" \\*").trim().to_owned()
}

pub(crate) fn value(row: &Row, key: &str) -> f64 {
    plain(&row[key]).parse().unwrap_or_else(|_| panic!("`{}` is no number", row[key]))
}

fn leaderboard(runs: &str) -> Vec<Row> {
    rows(&report(runs, &["--select", "val", "--format", "markdown"]))
}

fn table(name: &str, runs: &str) -> Vec<Row> {
    rows(&report(runs, &["--select", "val", "--table", name, "--format", "markdown"]))
}

/// A figure's description, which says what it measures.
struct Figure(String);

impl Figure {
    fn of(runs: &str, name: &str, select: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figure.svg");
        report(runs, &["--select", select, "--figure", name, "--out", path.to_str().unwrap()]);
        Self(fs::read_to_string(path).unwrap())
    }

    /// The number after some words of the description.
    fn after(&self, words: &str) -> String {
        let (_, rest) = self.0.split_once(words).unwrap_or_else(|| panic!("no `{words}`"));
        let number: String =
            rest.trim_start().chars().take_while(|letter| "0123456789.-".contains(*letter)).collect();
        number.trim_end_matches('.').to_owned()
    }
}

fn span(values: &[f64]) -> String {
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    format!("{low:.1} to {high:.1}")
}

/// Checks that a text of the repository contains all these.
pub(crate) fn check(file: &str, claims: &[String]) {
    let text = flat(&fs::read_to_string(root().join(file)).unwrap());
    let missing: Vec<_> = claims.iter().filter(|claim| !text.contains(&flat(claim))).cloned().collect();
    assert!(missing.is_empty(), "{file} does not say:\n\n{}\n", missing.join("\n\n"));
}

#[test]
fn the_results_are_those_of_the_records() {
    let protocol = report(
        "paper/paper-protocol",
        &["--select", "best-on-test", "--table", "table1", "--format", "markdown"],
    );
    let protocol: BTreeMap<String, Row> =
        rows(&protocol).into_iter().map(|row| (row["name"].clone(), row)).collect();
    let others = ["paper/table1-seed1", "paper/table1-first"].map(leaderboard);
    // The first network's class-aware LWS was swept with an earlier sampler, its `lws` samples as the data.
    let on = |board: &[Row], method: &str| {
        let find = |name: &str| board.iter().find(|row| row["method"] == name).map(|row| plain(&row["all"]));
        find(&format!("{method} (revision 1)")).or_else(|| find(method)).unwrap()
    };
    let lines = leaderboard("paper/table1").into_iter().map(|row| {
        let marked = |key: &str| row[key].clone();
        let gain = plain(&row["gain"]);
        let [second, third] = others.each_ref().map(|board| on(board, &row["method"]));
        let beside = protocol.get(&row["method"]).map_or_else(
            || "- | - | -".to_owned(),
            |row| {
                let (ours, theirs) = (row["all"].replace("**", ""), &row["all (paper)"]);
                format!("{ours} | {theirs} | {:+.2}", distance(row))
            },
        );
        format!(
            "| {} | {} | {} | {} | {} | {} | {gain} | {second} | {third} | {beside} |",
            row["#"],
            row["method"],
            marked("all"),
            marked("many"),
            marked("medium"),
            marked("few"),
        )
    });
    check("README.md", &[lines.collect::<Vec<_>>().join("\n")]);
}

#[test]
fn what_the_readme_says_of_the_demo_is_that_of_its_records() {
    let text = report("demo", &["--format", "markdown"]);
    let lines: Vec<String> = text
        .lines()
        .filter_map(|line| {
            Some(line.strip_prefix("| ")?.split(" | ").take(11).collect::<Vec<_>>().join(" | "))
        })
        .map(|line| format!("| {line} |"))
        .collect();
    let board = rows(&text);
    let mut edges: Vec<&str> = Vec::new();
    for method in text.lines().filter_map(|line| line.strip_prefix("- **caution:** ")?.split('`').nth(1)) {
        if !edges.contains(&method) {
            edges.push(method);
        }
    }
    let (last, edges) = edges.split_last().unwrap();
    check(
        "README.md",
        &[
            lines.join("\n"),
            format!(
                "LORT is first, {:.1} points before `{}`",
                value(&board[0], "all") - value(&board[1], "all"),
                board[1]["method"]
            ),
            format!(
                "values lie on an edge of it for {} and `{last}`",
                edges.iter().map(|method| format!("`{method}`")).collect::<Vec<_>>().join(", ")
            ),
        ],
    );
    assert_eq!(board[0]["method"], "lort");
}

#[test]
fn table_3_is_that_of_the_records() {
    let rows = table("table3", "paper/table3");
    let mut lines = Vec::new();
    for (loss, name) in [("ce", "CE"), ("ce-drw", "CE-DRW"), ("ldam-drw", "LDAM-DRW"), ("bs", "BS")] {
        let own: Vec<&Row> =
            rows.iter().filter(|row| row["backbone"] == format!("{loss}, resnet34")).collect();
        let find = |method: &str| own.iter().find(|row| row["name"] == method).unwrap();
        let best = own.iter().max_by(|a, b| value(a, "all").total_cmp(&value(b, "all"))).unwrap();
        assert_eq!(best["name"], "lort", "{loss}: the README says that LORT is the best");
        let methods = ["stage1", "ce", "focal", "ldam", "balanced-softmax", "cb-bce-softmax"];
        let cells: Vec<String> = methods.iter().map(|method| plain(&find(method)["all"])).collect();
        let lort = find("lort");
        lines.push(format!(
            "| {name} | {} | **{}** | {} | {} |",
            cells.join(" | "),
            lort["all"].replace("**", ""),
            plain(&lort["gain"]),
            lort["gain (paper)"]
        ));
    }
    check("README.md", &[lines.join("\n")]);
}

/// `+5.45, +1.18, …`: what LORT gains on the four backbones of Table 3.
fn gains(scale: &str) -> Vec<String> {
    let rows = table("table3", &format!("{scale}/table3"));
    rows.iter().filter(|row| row["name"] == "lort").map(|row| plain(&row["gain"])).collect()
}

/// Accuracies in percent of LORT for each setting, chosen by the protocol among the runs of that setting alone, as figures do;
/// unrounded, so that nothing is rounded twice.
fn by_setting<K: PartialEq>(
    runs: &str,
    protocol: Protocol,
    setting: impl Fn(&Params) -> Option<K>,
) -> Vec<(K, f64)> {
    let store = store(runs);
    let mut groups: Vec<(K, Vec<&Run>)> = Vec::new();
    for run in store.runs().iter().filter(|run| *run.method == *"lort") {
        let Some(key) = setting(&run.params) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, runs)) => runs.push(run),
            None => groups.push((key, vec![run])),
        }
    }
    let accuracy = |runs: &[&Run]| 100.0 * select(runs, protocol).unwrap()[0].summary(TOP1.all).unwrap().mean;
    groups.into_iter().map(|(key, runs)| (key, accuracy(&runs))).collect()
}

pub(crate) fn number(params: &Params, name: &str) -> Option<f64> {
    params.get(name)?.as_f64()
}

/// Accuracies of Fig. 4 at δ of 0, of 0.995 and from 0.8 on.
fn label_smooth(scale: &str) -> (f64, f64, String) {
    let points = by_setting(&format!("{scale}/fig4"), Protocol::Val, |params| number(params, "delta"));
    let at = |wanted: f64| points.iter().find(|(delta, _)| *delta == wanted).unwrap().1;
    let large: Vec<f64> = points.iter().filter(|(delta, _)| *delta >= 0.8).map(|point| point.1).collect();
    (at(0.0), at(0.995), span(&large))
}

/// Accuracies of Fig. 5 at moderate learning rates and decays, and the best at a rate of 0.05.
fn rate_and_decay(scale: &str, protocol: Protocol) -> (String, f64) {
    let cells = by_setting(&format!("{scale}/fig5"), protocol, |params| {
        Some((number(params, "lr")?, number(params, "weight_decay")?))
    });
    let moderate: Vec<f64> = cells
        .iter()
        .filter(|((rate, decay), _)| *rate <= 0.01 && *decay <= 0.01)
        .map(|cell| cell.1)
        .collect();
    assert_eq!(moderate.len(), 30, "cells of moderate settings");
    let high = cells.iter().filter(|((rate, _), _)| *rate == 0.05).map(|cell| cell.1);
    (span(&moderate), high.fold(f64::NEG_INFINITY, f64::max))
}

/// Pearson's correlations of accuracy with the spread of M and of the weight norm, and of how many methods.
fn predictors(scale: &str) -> (String, String, String) {
    let figure = Figure::of(&format!("{scale}/table1"), "predictors", "val");
    (figure.after("Logits Magnitude: Pearson"), figure.after("weight norm: Pearson"), figure.after("; n ="))
}

#[test]
fn what_the_readme_says_of_the_paper_s_claims_follows_from_the_records() {
    let board = leaderboard("paper/table1");
    let one_digit = |row: &Row| format!("{:.1}", value(row, "all"));
    let margins = ["table1", "table1-seed1", "table1-first"].map(|runs| {
        let board = leaderboard(&format!("paper/{runs}"));
        assert_eq!(board[0]["method"], "lort", "{runs}");
        format!("{:.2}", value(&board[0], "all") - value(&board[1], "all"))
    });
    assert_eq!(board[1]["method"], "ldam");
    let mut spreads: Vec<(f64, &str)> =
        board.iter().map(|row| (value(row, "spread"), row["method"].as_str())).collect();
    spreads.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!((spreads[0].1, spreads[1].1), ("lort", "cosine"));
    let (paper, small) = (gains("paper"), gains("small"));
    let smallest: f64 = paper.iter().map(|gain| gain.parse().unwrap()).fold(f64::INFINITY, f64::min);
    let (zero, most, from) = label_smooth("paper");
    let (small_zero, _, small_from) = label_smooth("small");
    let (chosen, high) = rate_and_decay("paper", Protocol::Val);
    let (last, _) = rate_and_decay("paper", Protocol::Last);
    let (small_chosen, small_high) = rate_and_decay("small", Protocol::Val);
    let (small_last, _) = rate_and_decay("small", Protocol::Last);
    let (magnitude, norm, methods) = predictors("paper");
    let (small_magnitude, small_norm, _) = predictors("small");
    let fig2a = Figure::of("paper/table1", "fig2a", "val");
    let fig2b = Figure::of("paper/table1", "fig2b", "val");
    check(
        "README.md",
        &[
            format!("in Table 1 ({}, next is LDAM with {})", one_digit(&board[0]), one_digit(&board[1])),
            format!("before the next best on three networks: {}", margins.join(", ")),
            format!("{}: the third is {:.0} of 10,000 test images", paper.join(", "), 100.0 * smallest),
            format!("three of four: {}", small.join(", ")),
            format!("{zero:.1} at δ = 0, rising to {most:.1} at 0.995; {from} from 0.8 on"),
            format!("{small_zero:.1} at δ = 0, {small_from} from 0.8 on"),
            format!(
                "for lr ≤ 0.01 and decay ≤ 0.01 within {chosen} where an epoch is chosen for each, {last} after the last \
                 epoch; not at lr 0.05 ({high:.1} and less)"
            ),
            format!(
                "within {small_chosen}, {small_last} after the last epoch; not at lr 0.05 ({small_high:.1})"
            ),
            format!("LORT's is the most balanced ({}, cosine's {})", spreads[0].0, spreads[1].0),
            format!(
                "over {methods} methods Pearson {magnitude} for its spread, but {norm} for the weight norm's"
            ),
            format!("Pearson {small_magnitude} and {small_norm}"),
            format!(
                "per class it differs by {} % between methods, M by {} %, or by {} % where each method's M is divided by its \
                 mean",
                fig2b.after("methods by"),
                fig2a.after("methods by"),
                fig2b.after("divided by its mean, by")
            ),
        ],
    );
}

/// Runs of a folder of records.
fn runs(path: &Path) -> usize {
    RunStore::open(path).unwrap().runs().len()
}

#[test]
fn the_numbers_of_heads_are_those_of_the_records() {
    let folder = root().join("fixtures/reproduction");
    check(
        "README.md",
        &[format!("{} heads on its cached features", runs(&folder.join("paper/runs/table1")))],
    );
    let total = |scale: &str| -> usize {
        let entries = fs::read_dir(folder.join(scale).join("runs")).unwrap();
        entries.map(|entry| runs(&entry.unwrap().path())).sum()
    };
    let thousands = |n: usize| format!("{},{:03}", n / 1000, n % 1000);
    let claim =
        format!("every trained head: {} and {}", thousands(total("small")), thousands(total("paper")));
    check("fixtures/reproduction/README.md", &[claim]);
}
