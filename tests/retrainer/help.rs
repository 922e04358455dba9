//! What the program says about itself.

use crate::{program::Workplace, program::stdout};
use cache::synthetic::SyntheticCache;

#[test]
fn every_command_has_help_with_an_example() {
    let place = Workplace::new(&SyntheticCache::default());
    let mut report = String::new();
    for command in [
        "sweep",
        "status",
        "report",
        "methods",
        "export",
        "evaluate",
        "predict",
        "bench",
        "completions",
        "man",
    ] {
        let help = stdout(&place.run(&[command, "--help"]));
        assert!(help.contains("Example"), "{command}");
        report += &format!("[{command}]\n{help}\n");
    }
    insta::assert_snapshot!(report);
}

#[test]
fn the_list_of_methods_is_complete_json() {
    let place = Workplace::new(&SyntheticCache::default());
    let list: Vec<serde_json::Value> =
        serde_json::from_str(&stdout(&place.run(&["methods", "--format", "json"]))).unwrap();
    let names: Vec<_> = list.iter().map(|method| method["name"].as_str().unwrap()).collect();
    assert_eq!(names, experiment::methods::METHODS.iter().map(|method| method.name).collect::<Vec<_>>());
    assert!(list.iter().all(|method| method["source"].as_str().is_some_and(|source| !source.is_empty())));
}

/// `UPDATE_README=1 cargo test -p retrainer --test retrainer_cli table_of_the_methods` writes the table.
#[test]
fn the_page_of_the_methods_has_the_table_of_the_methods() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiment/METHODS.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (open, close) = ("<!-- methods -->\n", "<!-- /methods -->");
    let (before, rest) = readme.split_once(open).unwrap();
    let (_, after) = rest.split_once(close).unwrap();
    let expected = format!("{before}{open}{}\n{close}{after}", retrainer::commands::methods::markdown());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(
        readme == expected || std::env::var_os("UPDATE_README").is_some(),
        "the table of methods in METHODS.md is old"
    );
}

#[test]
fn the_bench_measures_group_sizes_on_a_cache() {
    let place = Workplace::new(&SyntheticCache::default());
    let output =
        place.run(&["bench", "--cache", "cache", "--device", "cpu", "--heads", "1,4", "--seconds", "0.05"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("N = 228, D = 12, C = 5, batch 64") && text.contains("time / products"), "{text}");
}
