//! The committed reproduction: its tables and figures follow from its records.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn folder(scale: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/reproduction").join(scale)
}

/// What `fixtures/reproduction/report.sh` asks for a file of this stem, `NAME-PROTOCOL`, of the runs in a folder: which of
/// them, and the kind of report.
fn arguments(stem: &str, runs: &Path) -> (&'static str, Vec<String>) {
    let (name, select) = ["-val", "-best-on-test"]
        .iter()
        .find_map(|end| Some((stem.strip_suffix(end)?, &end[1..])))
        .unwrap_or_else(|| panic!("`{stem}` names no protocol"));
    let (runs, kind) = match name {
        "table1" => ("table1", "--table"),
        "table3" => ("table3", "--table"),
        "causes" => ("causes", "--table"),
        "fig4" => ("fig4", "--figure"),
        "fig5" => ("fig5", "--figure"),
        "fig3" if runs.join("fig3").is_dir() => ("fig3", "--figure"),
        _ => ("table1", "--figure"),
    };
    let name = if name == "causes" { "leaderboard" } else { name };
    (runs, ["--select", select, kind, name].map(str::to_owned).to_vec())
}

#[test]
fn tables_and_figures_of_the_small_scale_follow_from_its_records() {
    assert_eq!(compare("small"), 18);
}

#[test]
fn tables_and_figures_of_the_paper_s_scale_follow_from_its_records() {
    assert_eq!(compare("paper"), 16);
}

/// Makes every committed table and figure again; how many there are.
fn compare(scale: &str) -> usize {
    let out = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for entry in fs::read_dir(folder(scale).join("report")).unwrap() {
        let path = entry.unwrap().path();
        let (stem, extension) =
            (path.file_stem().unwrap().to_str().unwrap(), path.extension().unwrap().to_str().unwrap());
        // The page is rendered whole elsewhere, and a PNG is its SVG.
        if !["md", "svg"].contains(&extension) {
            continue;
        }
        let (runs, arguments) = arguments(stem, &folder(scale).join("runs"));
        let written = out.path().join(path.file_name().unwrap());
        let output = Command::new(env!("CARGO_BIN_EXE_retrainer"))
            .current_dir(folder(scale))
            .args(["report", &format!("runs/{runs}")])
            .args(arguments)
            .arg("--out")
            .arg(&written)
            .output()
            .unwrap();
        assert!(output.status.success(), "{stem}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(
            fs::read(&written).unwrap() == fs::read(&path).unwrap(),
            "{} differs; `fixtures/reproduction/report.sh fixtures/reproduction/{scale}/runs \
             fixtures/reproduction/{scale}/report` writes it anew",
            path.display()
        );
        compared += 1;
    }
    compared
}
