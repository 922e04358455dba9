//! Build script of both programs: where libtorch lies at run time, and which commit this is.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on stdout")]

use std::{path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=GIT_COMMIT");
    // Programs sit in target/PROFILE, tests and benches in target/PROFILE/deps: both find `.libtorch` of the checkout.
    for up in ["../..", "../../.."] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/{up}/.libtorch/torch/lib");
    }
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        // Another libtorch than the checkout's has to be found where it is.
        if !libtorch.ends_with(".libtorch/torch") {
            println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
        }
    }
    let commit = std::env::var("GIT_COMMIT").ok().or_else(git_commit).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=GIT_COMMIT={commit}");
}

fn git_commit() -> Option<String> {
    let head = Path::new("../.git/logs/HEAD");
    if head.exists() {
        println!("cargo:rerun-if-changed={}", head.display());
    }
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
