//! How far the reproduction lies from the paper's Table 1, and what explains it: the tables of `fixtures/reproduction/README.md`.

use crate::readme::{Row, check, number, plain, report, rows, store, value};
use experiment::{
    metrics::TOP1,
    records::{Params, Run},
    select::{Protocol, select},
};

/// The paper's own protocol on all images.
const PROTOCOL: &str = "paper/paper-protocol";
/// Wider grids on the same network's clean features, batch norm in evaluation mode.
const EDGES: &str = "paper/edges-a";
/// The same grids on another network's, which was trained on 390 images less and whose last stage-1 epoch is taken.
const OTHER: &str = "paper/edges-b";

/// Accuracy in percent of the best setting by test among the runs of a method that are kept, mean over seeds.
fn best(runs: &str, method: &str, keep: impl Fn(&Run) -> bool) -> Option<f64> {
    let store = store(runs);
    let runs: Vec<&Run> = store.runs().iter().filter(|run| *run.method == *method && keep(run)).collect();
    let selected = select(&runs, Protocol::BestOnTest).unwrap();
    assert!(selected.len() < 2, "{method}: runs of several caches");
    Some(100.0 * selected.first()?.summary(TOP1.all)?.mean)
}

fn view(run: &Run) -> Option<&str> {
    run.params.get("view")?.as_str()
}

/// Percentage points from the paper's accuracy to ours.
pub(crate) fn distance(row: &Row) -> f64 {
    value(row, "all") - value(row, "all (paper)")
}

fn signed(difference: Option<f64>) -> String {
    difference.map_or_else(|| "-".to_owned(), |points| format!("{points:+.2}"))
}

/// Settings of a method that two folders have in common.
fn common(method: &str) -> Vec<Params> {
    let (here, there) = (store(PROTOCOL), store(EDGES));
    let settings = |runs: &[Run]| -> Vec<Params> {
        runs.iter().filter(|run| *run.method == *method).map(|run| (*run.params).clone()).collect()
    };
    let there = settings(there.runs());
    settings(here.runs()).into_iter().filter(|params| there.contains(params)).collect()
}

/// A row: published and own accuracy and gain over the stage-1 head of the same network; points that augmented views, batch
/// norm in training mode, wider grids and another network bring.
fn line(row: &Row, stage1: &Row) -> String {
    let method = row["name"].as_str();
    let published = |row: &Row| value(row, "all (paper)");
    let trained = !["stage1", "tau-norm", "logit-adjustment"].contains(&method);
    let of_view = |name: &str| best(PROTOCOL, method, |run| view(run) == Some(name));
    let shared = common(method);
    let of_shared = |runs: &str| best(runs, method, |run| shared.contains(&*run.params));
    let difference = |more: Option<f64>, less: Option<f64>| Some(more? - less?);
    let gain = |of: &dyn Fn(&Row) -> f64| (method != "stage1").then(|| of(row) - of(stage1));
    let cells = [
        plain(&row["all (paper)"]),
        row["all"].replace("**", ""),
        signed(Some(distance(row))),
        signed(gain(&published)),
        signed(gain(&|row| value(row, "all"))),
        signed(trained.then(|| difference(of_view("augmented"), of_view("clean"))).flatten()),
        signed(difference(of_shared(PROTOCOL), of_shared(EDGES))),
        signed(trained.then(|| difference(best(EDGES, method, |_| true), of_shared(EDGES))).flatten()),
        signed(difference(best(OTHER, method, |_| true), best(EDGES, method, |_| true))),
    ];
    format!("| {method} | {} |", cells.join(" | "))
}

#[test]
fn the_distance_of_each_row_is_that_of_the_records() {
    let table =
        rows(&report(PROTOCOL, &["--select", "best-on-test", "--table", "table1", "--format", "markdown"]));
    let stage1 = table.iter().find(|row| row["name"] == "stage1").unwrap();
    let lines: Vec<String> = table.iter().map(|row| line(row, stage1)).collect();
    let of = |runs, method| best(runs, method, |_| true).unwrap();
    let natural = best(PROTOCOL, "lws", |run| {
        run.params.get("sampler").and_then(|sampler| sampler.as_str()) == Some("instance-balanced")
    });
    let los = rows(&report("paper/los", &["--select", "best-on-test", "--format", "markdown"]));
    check(
        "fixtures/reproduction/README.md",
        &[
            lines.join("\n"),
            format!("(`los`: δ 0.98, lr 5e-4) gives {}", los[0]["all"].replace("**", "")),
            format!(
                "({:.2}; τ-norm {:.2}, logit adjustment {:.2} then)",
                of(EDGES, "stage1"),
                of(EDGES, "tau-norm"),
                of(EDGES, "logit-adjustment")
            ),
            format!("({:.1} here; {:.1} is class-aware sampling's)", natural.unwrap(), of(PROTOCOL, "lws")),
        ],
    );
    let near = table.iter().filter(|row| (100.0 * distance(row)).round().abs() <= 100.0).count();
    let lort = table.iter().find(|row| row["name"] == "lort").unwrap();
    let gain = |key| value(lort, key) - value(stage1, key);
    check(
        "README.md",
        &[
            format!("{near} of {} rows lie within a point of the paper's", table.len()),
            format!("LORT lies {:.2} below", -distance(lort)),
            format!("the stage-1 head alone {:.2} below", -distance(stage1)),
            format!("LORT gains {:+.2} over its own, {:+.2} in the paper", gain("all"), gain("all (paper)")),
        ],
    );
}

/// One setting of each method from network to network: what each step brings.
#[test]
fn the_steps_to_the_paper_are_those_of_the_records() {
    type Step = (&'static str, &'static str, &'static str, &'static str);
    let steps: [Step; 5] = [
        ("first training: last epoch, evaluation mode, clean features", "paper/table1-first", "", "clean"),
        ("(b): another training, initialised as PyTorch does", "paper/causes", "b-views", "clean"),
        ("batch norm in training mode", "paper/causes", "b-batch-norm-train", "clean"),
        ("(a): all images, its best stage-1 epoch by test", PROTOCOL, "", "clean"),
        ("20 augmented views", PROTOCOL, "", "augmented"),
    ];
    let methods = [("stage1", 0.0), ("ce", 0.005), ("balanced-softmax", 0.05), ("lort", 5e-4)];
    let lines: Vec<String> = steps
        .iter()
        .map(|(name, runs, cache, wanted)| {
            let cells = methods.iter().map(|&(method, rate)| {
                let keep = |run: &Run| {
                    let is = |name, value| number(&run.params, name).is_none_or(|number| number == value);
                    let init = run.params.get("init").and_then(|init| init.as_str());
                    run.cache.ends_with(cache)
                        && view(run).is_none_or(|view| view == *wanted)
                        && init.is_none_or(|init| init == "stage1")
                        && is("lr", rate)
                        && is("delta", 0.98)
                };
                format!("{:.2}", best(runs, method, keep).unwrap())
            });
            format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))
        })
        .collect();
    check("fixtures/reproduction/README.md", &[lines.join("\n")]);
}
