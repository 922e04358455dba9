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
fn arguments<'a>(stem: &'a str, runs: &Path) -> (&'a str, Vec<String>) {
    let (name, select) = ["-val", "-best-on-test"]
        .iter()
        .find_map(|end| Some((stem.strip_suffix(end)?, &end[1..])))
        .unwrap_or_else(|| panic!("`{stem}` names no protocol"));
    let (runs, report) = match name {
        "causes" => ("causes", ["--table", "leaderboard"]),
        "table1-first" | "table1-seed1" | "paper-protocol" | "los" | "edges-a" | "edges-b" => {
            (name, ["--table", "table1"])
        }
        "table1" | "table3" => (name, ["--table", name]),
        "fig4" | "fig5" => (name, ["--figure", name]),
        "fig3" if runs.join("fig3").is_dir() => ("fig3", ["--figure", "fig3"]),
        figure => ("table1", ["--figure", figure]),
    };
    (runs, ["--select", select].into_iter().chain(report).map(str::to_owned).collect())
}

#[test]
fn tables_and_figures_of_the_small_scale_follow_from_its_records() {
    assert_eq!(compare("small"), 18);
}

#[test]
fn tables_and_figures_of_the_medium_scale_follow_from_its_records() {
    assert_eq!(compare("medium"), 10);
}

#[test]
fn tables_and_figures_of_the_paper_s_scale_follow_from_its_records() {
    assert_eq!(compare("paper"), 26);
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

/// What a lent machine gets holds every image that its caches were made of: all but those become zeros on the way there, and
/// validation images of tail classes once did as well.
#[test]
fn the_carried_images_are_all_that_the_subsets_use() {
    for (name, key) in [
        ("paper-protocol", "7df06973679dc582c135b1d94dbde057571c7ad4f7dd81e338de32e8a8edce56"),
        ("causes", "ed1f9808fe89caf0c05f2213dbb08b3321b4eb5aefc1f47bb8abb558e114ad02"),
    ] {
        let manifest = folder("paper").join(format!("runs/{name}/caches/{key}.json"));
        let manifest: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(manifest).unwrap()).unwrap();
        let counts = manifest["train_class_counts"].as_array().unwrap();
        assert_eq!(counts.len(), 100);
        // Validation images are the first of each class that no subset of this n_max can use.
        let val = manifest["dataset"]["val_per_class"].as_u64().map_or(0..0, |images| {
            let from = manifest["dataset"]["n_max"].as_u64().unwrap();
            from..from + images
        });
        let used = counts
            .iter()
            .map(|count| (0..count.as_u64().unwrap()).chain(val.clone()).collect::<Vec<_>>())
            .collect::<Vec<_>>();
        let program = format!(
            "import carry\nprint([(c, r) for c, ranks in enumerate({used:?}) for r in ranks if not carry.used(c, r)])"
        );
        let output = Command::new("python3")
            .args(["-B", "-c", &program])
            .env("PYTHONPATH", folder(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "[]", "{name}: images that are left out");
    }
}
