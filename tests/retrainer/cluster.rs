//! Sweeps that several processes share, as schedulers start them, and what is said of how far they are.

use crate::program::{Workplace, stderr, stdout};
use cache::synthetic::SyntheticCache;
use serde_json::Value;
use std::process::Output;

/// Eight heads that train in two groups, one a seed.
const GRID: &str = "seeds = [0, 1]\nepochs = 2\nbatch_size = 16\n[[method]]\nname = \"lort\"\ndelta = [0.5, 0.98]\nlr = [1e-3, 1e-2]\n";

fn task(place: &Workplace, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = place.sweep_command(GRID, "runs");
    command.args(["--workers", "1", "--partition"]).args(arguments);
    command.envs(variables.iter().copied());
    command.output().unwrap()
}

/// A task of SLURM's array.
fn slurm(place: &Workplace, task_id: usize, first: usize, count: usize) -> Output {
    let variables = [
        ("SLURM_ARRAY_TASK_ID", task_id.to_string()),
        ("SLURM_ARRAY_TASK_MIN", first.to_string()),
        ("SLURM_ARRAY_TASK_COUNT", count.to_string()),
        ("SLURM_ARRAY_TASK_STEP", "1".to_owned()),
    ];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    task(place, &variables, &["auto"])
}

fn status(place: &Workplace, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.run(&[&["status", "runs"], arguments].concat());
    (output.status.code(), stdout(&output).trim_end().to_owned())
}

fn json(place: &Workplace) -> Value {
    serde_json::from_str(&status(place, &["--format", "json"]).1).unwrap()
}

#[test]
fn an_array_shares_the_heads_of_two_groups_and_nobody_idles() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(GRID, "alone");
    for task in 0..4 {
        let output = slurm(&place, task, 0, 4);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(
            said.contains(&format!("partition: {}/4, task {task} of SLURM (SLURM_ARRAY_TASK_ID)", task + 1)),
            "{said}"
        );
        assert!(said.contains("2 heads recorded"), "{said}");
    }
    let (alone, array) = (place.records("alone"), place.records("runs"));
    assert!(alone.keys().eq(array.keys()));
    for (id, record) in &alone {
        let accuracy = |record: &Value| record["metrics"]["last"]["top1.all"].as_f64().unwrap();
        assert!((accuracy(record) - accuracy(&array[id])).abs() < 1e-9, "{record}");
    }
    assert_eq!(status(&place, &["--left"]), (Some(0), String::new()));
}

#[test]
fn what_is_left_of_an_array_is_submitted_again_by_its_numbers() {
    let place = Workplace::new(&SyntheticCache::default());
    for task in [1, 3] {
        assert!(slurm(&place, task, 1, 4).status.success());
    }
    let (code, text) = status(&place, &[]);
    assert_eq!(code, Some(1));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"records-\S+", "[file]");
    settings.add_filter(r" +\d+ s ago", " [age]");
    settings.bind(|| {
        insta::assert_snapshot!(text, @r"
        4 of 8 heads are done, 0 diverged, 4 are missing

         method  asked  done  diverged  missing
         lort        8     4         0        4

         part  asked  done  diverged  missing
         1/4       2     2         0        0
         2/4       2     0         0        2
         3/4       2     2         0        0
         4/4       2     0         0        2

         records of a process                     last one
         [file] [age]
         [file] [age]

        left: sbatch --array=2,4 …, each task with `retrainer sweep … --partition auto`
        ");
    });
    assert_eq!(status(&place, &["--left"]), (Some(1), "2,4".to_owned()));
    // The array of what is left counts two tasks and begins at another number.
    for task in [2, 4] {
        let output = slurm(&place, task, 2, 2);
        assert!(stderr(&output).contains(&format!("partition: {task}/4")), "{}", stderr(&output));
    }
    assert_eq!(place.records("runs").len(), 8);
    // Beside what a sweep was asked for, a grid that is named: with one value more of an axis.
    let more = GRID.replace("0.98", "0.98, 0.7");
    std::fs::write(place.path("more.toml"), more).unwrap();
    assert_eq!(
        status(&place, &["--grid", "more.toml"]).1.lines().next().unwrap(),
        "8 of 12 heads are done, 0 diverged, 4 are missing"
    );
    let whole = json(&place);
    assert_eq!(
        (&whole["total"]["done"], &whole["total"]["missing"], &whole["left"]),
        (&8.into(), &0.into(), &"".into())
    );
    assert_eq!(status(&place, &["--watch"]).0, Some(0), "nothing to wait for");
}

#[test]
fn a_task_that_does_not_know_its_part_is_refused() {
    let place = Workplace::new(&SyntheticCache::default());
    let refused = |variables: &[(&str, &str)], argument: &str| {
        let output = task(&place, variables, &[argument]);
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
            .lines()
            .filter(|line| line.starts_with("error") || line.starts_with("hint"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let kubernetes = |index| [("JOB_COMPLETION_INDEX", index)];
    let unsaid = refused(&kubernetes("2"), "auto");
    assert!(!place.path("runs/partitions.json").exists());
    assert!(task(&place, &kubernetes("2"), &["auto/4"]).status.success());
    let all = [
        unsaid,
        refused(&kubernetes("4"), "auto/4"),
        refused(&kubernetes("1"), "auto/8"),
        refused(&[], "1/2"),
        refused(&[], "auto"),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    error: `--partition auto`: Kubernetes says that this is task 2 (JOB_COMPLETION_INDEX), and not of how many
    hint: say it: `--partition auto/N`
    error: `--partition auto`: this is task 4 (JOB_COMPLETION_INDEX), and the work was dealt to 4 parts, numbered 0-3
    hint: submit the array with these numbers, or with some of them; for another deal take another RUNS folder
    error: `--partition auto/8`: the work of `runs` is dealt to 4 parts
    hint: give I/4, or no `--partition` for all that is left, or choose another RUNS folder
    error: `--partition 1/2`: the work of `runs` is dealt to 4 parts
    hint: give I/4, or no `--partition` for all that is left, or choose another RUNS folder
    error: `--partition auto`: no scheduler says which task of an array this is
    hint: within an array one of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, PBS_ARRAY_INDEX, PBS_ARRAYID, SGE_TASK_ID, LSB_JOBINDEX, AWS_BATCH_JOB_ARRAY_INDEX, CI_NODE_INDEX, RANK is set; elsewhere give `--partition I/N`
    ");
}

/// A list of heads that cannot be read must not look as if nothing were left.
#[test]
fn a_damaged_list_of_what_was_asked_is_an_error_that_the_next_sweep_mends() {
    let place = Workplace::new(&SyntheticCache::default());
    assert!(slurm(&place, 0, 0, 4).status.success());
    let file = std::fs::read_dir(place.path("runs/sweeps")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "junk").unwrap();
    let output = place.run(&["status", "runs", "--left"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(stderr(&output).contains("give the same `retrainer sweep` again"), "{}", stderr(&output));
    assert!(slurm(&place, 0, 0, 4).status.success());
    assert_eq!(status(&place, &["--left"]), (Some(1), "1-3".to_owned()));
}

#[test]
fn a_folder_without_records_has_no_status_and_parts_are_not_without_end() {
    let place = Workplace::new(&SyntheticCache::default());
    std::fs::create_dir(place.path("runs")).unwrap();
    assert_eq!(status(&place, &[]).0, Some(2));
    for partition in ["1/99999999999", "auto/100001"] {
        assert_eq!(task(&place, &[], &[partition]).status.code(), Some(2), "{partition}");
    }
    std::fs::write(place.path("runs/partitions.json"), r#"{"first":0,"step":1,"of":99999999999}"#).unwrap();
    assert_eq!(status(&place, &["--left"]).0, Some(2));
    assert_eq!(status(&place, &["--partitions", "99999999999"]).0, Some(2));
}

/// RUNS of earlier programs did not keep what was asked for.
#[test]
fn the_status_of_committed_runs_says_what_it_does_not_know() {
    let place = Workplace::new(&SyntheticCache::default());
    let demo = crate::readme::root().join("fixtures/demo/runs");
    let output = place.run(&["status", demo.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stdout(&output)
            .starts_with("306 heads are recorded, 0 of them diverged; what was asked for is not known")
    );
}

/// The committed recipes name programs, options and variables that exist.
#[test]
fn the_recipes_for_clusters_are_whole() {
    let folder = crate::readme::root().join("fixtures/cluster");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for script in ["array.sbatch", "report.sbatch", "parallel.sh", "slurm.sh"] {
        let checked = std::process::Command::new("bash").arg("-n").arg(folder.join(script)).output().unwrap();
        assert!(checked.status.success(), "{script}: {}", stderr(&checked));
    }
    let place = Workplace::new(&SyntheticCache::default());
    let help = stdout(&place.run(&["sweep", "--help"]));
    for name in ["array.sbatch", "indexed-job.yaml", "Snakefile", "parallel.sh"] {
        let text = read(name);
        let options = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| {
            ["--cache", "--grid", "--preset", "--out", "--partition", "--workers"].contains(word)
        });
        let options: Vec<&str> = options.collect();
        assert!(
            options.len() >= 4 && options.iter().all(|option| help.contains(option)),
            "{name}: {options:?}"
        );
    }
}
