//! What the program says about itself.

use crate::{program::Workplace, program::stdout, support::SyntheticCache};

#[test]
fn every_command_has_help_with_an_example() {
    let place = Workplace::new(&SyntheticCache::default());
    let mut report = String::new();
    for command in ["sweep", "report", "methods", "export", "evaluate"] {
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
    assert_eq!(names, retrainer::methods::METHODS.iter().map(|method| method.name).collect::<Vec<_>>());
    assert!(list.iter().all(|method| method["source"].as_str().is_some_and(|source| !source.is_empty())));
}
