//! Seeds and former failures go through their targets in every test run; in the tests of the three crates.

use super::targets::TARGETS;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// Every file of a target goes through it; a seed whose name begins with `ok` must be accepted.
#[test]
fn seeds_and_former_failures_of_the_fuzz_targets_pass() {
    // The crates lie at different depths.
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let here = crates.map(|folder| folder.join("tests/fuzz")).find(|folder| folder.is_dir()).unwrap();
    let mut wrong = Vec::new();
    for &(name, target) in TARGETS {
        let seeds = files(&here.join("seeds").join(name));
        assert!(!seeds.is_empty(), "no seeds of {name}");
        for path in seeds.into_iter().chain(files(&here.join("regressions").join(name))) {
            let bytes = fs::read(&path).unwrap();
            let must = path.file_name().is_some_and(|file| file.to_string_lossy().starts_with("ok"));
            match catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
                Ok(accepted) if accepted || !must => {}
                Ok(_) => wrong.push(format!("{} is not accepted", path.display())),
                Err(_) => wrong.push(format!("{} makes {name} panic", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}
