//! What the program says about itself.

use crate::program::Workplace;
use clap::CommandFactory;
use extractor::cli::Cli;

#[test]
fn every_command_shows_an_example() {
    for command in Cli::command().get_subcommands_mut() {
        let name = command.get_name().to_owned();
        let help = command.render_long_help().to_string();
        assert!(help.contains(&format!("\n  extractor {name}")), "{name}:\n{help}");
    }
}

#[test]
fn the_argument_definitions_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn mistyped_arguments_are_refused_with_status_2() {
    let place = Workplace::new();
    let run = place.run("train --dataset cifar10 --data . --out x --epoch 3");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("a similar argument exists: '--epochs'"), "{}", run.stderr);
    let run = place.run("import --train-features x.npy --test t --out cache");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--train-labels"), "{}", run.stderr);
}

#[test]
fn data_goes_to_stdout_and_a_closed_stdout_is_no_error() {
    let place = Workplace::new();
    let mut child = place.command("datasets").stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
