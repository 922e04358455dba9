//! From features without a head to a chosen head and its predictions: nothing that a user must write by hand.

use crate::program::{Workplace, stderr, stdout};
use cache::synthetic::SyntheticCache;
use experiment::records::{RunStore, STAGE1_HEAD};
use std::collections::BTreeMap;

fn headless() -> SyntheticCache {
    SyntheticCache { stage1_head: false, ..SyntheticCache::default() }
}

const NEEDS_HEAD: &str = "epochs = 2\nbatch_size = 16\n[[method]]\nname = \"stage1\"\n[[method]]\nname = \"lort\"\n[[method]]\nname = \"ncm\"\n";

/// What a JSON record says of its stage-1 head, by method.
fn heads(place: &Workplace, runs: &str) -> BTreeMap<String, Option<String>> {
    let store = RunStore::open(&place.path(runs)).unwrap();
    let head = |run: &experiment::records::Run| {
        let digest = run.params.get(STAGE1_HEAD).and_then(|value| value.as_str());
        (run.method.to_string(), digest.map(str::to_owned))
    };
    store.runs().iter().map(head).collect()
}

#[test]
fn a_cache_without_a_head_gets_one_that_is_kept_and_names_the_runs_that_need_it() {
    let place = Workplace::new(&headless());
    let dry = place.sweep_command(NEEDS_HEAD, "runs").arg("--dry-run").output().unwrap();
    assert!(dry.status.success() && stderr(&dry).contains("will be trained first"), "{}", stderr(&dry));
    assert!(!place.path("runs").exists());
    let output = place.sweep(NEEDS_HEAD, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("a plain CE head was trained on the features (lr "),
        "{}",
        stderr(&output)
    );
    let heads_by_method = heads(&place, "runs");
    assert_eq!(heads_by_method["ncm"], None);
    assert!(heads_by_method["lort"].is_some() && heads_by_method["lort"] == heads_by_method["stage1"]);
    // Kept: a second process trains none, and has nothing to do.
    let again = place.sweep(NEEDS_HEAD, "runs");
    assert!(stderr(&again).contains("kept in `runs/stage1_heads/"), "{}", stderr(&again));
    assert!(stderr(&again).contains("nothing to do"), "{}", stderr(&again));
    // The same features give the same head.
    place.sweep(NEEDS_HEAD, "others");
    assert!(place.records("runs") == place.records("others"));
    // It can be made again from its record and the kept head, and not without.
    let run = place.records("runs").into_iter().find(|(_, record)| record["method"] == "lort").unwrap();
    let export =
        |runs: &str| place.run(&["export", runs, "--run", &run.0, "--device", "cpu", "--out", "head"]);
    let output = export("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    std::fs::remove_dir_all(place.path("others/stage1_heads")).unwrap();
    let output = export("others");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is not beside the records"), "{}", stderr(&output));
}

#[test]
fn a_cache_without_validation_gets_a_head_too_and_says_that_nothing_chose_it() {
    let place = Workplace::new(&SyntheticCache { val_per_class: 0, ..headless() });
    let output = place.sweep(NEEDS_HEAD, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("no validation split to choose by"), "{}", stderr(&output));
}

#[test]
fn heads_that_a_cache_cannot_train_are_left_out_in_one_line() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = "epochs = 1\n[[method]]\nname = \"ce\"\nview = [\"clean\", \"augmented\"]\n[[method]]\nname = \"lort\"\nview = \"augmented\"\n";
    let output = place.sweep(grid, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let line = "warning: 2 heads of the grid are left out: `ce`, `lort` (asks for augmented views, and the cache has none)";
    assert!(stderr(&output).contains(line), "{}", stderr(&output));
    assert_eq!(place.records("runs").len(), 1);
}

#[test]
fn init_on_the_command_line_is_that_of_every_method_that_publishes_none() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid =
        "epochs = 1\n[[method]]\nname = \"ce\"\n[[method]]\nname = \"crt\"\n[[method]]\nname = \"ridge\"\n";
    let output = place.sweep_command(grid, "runs").args(["--init", "class-mean"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let inits: BTreeMap<_, _> = place
        .records("runs")
        .into_values()
        .map(|record| (record["method"].as_str().unwrap().to_owned(), record["params"]["init"].clone()))
        .collect();
    assert_eq!((&inits["ce"], &inits["crt"]), (&"class-mean".into(), &"fresh".into()));
    assert!(inits["ridge"].is_null());
}

/// A rate far too small: validation chooses the upper edge, and the axis grows by its ratio 3 until it does not.
#[test]
fn axes_grow_where_validation_chooses_an_edge_and_a_second_call_goes_on() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = "epochs = 2\nbatch_size = 16\nprotocols = \"val\"\n[[method]]\nname = \"ce\"\ninit = \"fresh\"\nlr = [1e-5, 3e-5]\n";
    let widen = |runs: &str, rounds: &str| {
        let output = place.sweep_command(grid, runs).args(["--widen", rounds]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let rates = |runs: &str| -> Vec<f64> {
        let records = place.records(runs);
        let mut rates: Vec<f64> =
            records.values().map(|record| record["params"]["lr"].as_f64().unwrap()).collect();
        rates.sort_by(f64::total_cmp);
        rates
    };
    let told = widen("once", "1");
    assert!(told.contains("widening, round 1 of at most 1, where validation chose an edge: ce"), "{told}");
    let (grown, before) = (rates("once"), [1e-5, 3e-5]);
    assert!(grown.len() == 3 && (grown[2] == 9e-5 || grown[0] == 3.33e-6), "{grown:?}");
    widen("once", "3");
    widen("thrice", "3");
    assert!(place.records("once") == place.records("thrice"), "other records than in one call");
    let added = place.records("thrice").into_values().filter(|record| record["added"] == "widened").count();
    assert_eq!(added, rates("thrice").len() - before.len());
    let report = place.run(&["report", "thrice"]);
    let note = format!(
        "points added beyond edges of the grid, by validation alone, no test number in sight: ce {added}"
    );
    assert!(stdout(&report).replace("\n", " ").contains(&note), "{}", stdout(&report));
}

#[test]
fn finalists_get_further_seeds_and_are_the_candidates() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = "seeds = 7\nfinalists = 1\nfinalist_seeds = [7, 8, 9]\nepochs = 2\nbatch_size = 16\n[[method]]\nname = \"ce\"\nlr = [1e-3, 1e-2]\n[[method]]\nname = \"lort\"\nlr = [1e-3, 1e-2]\n";
    let output = place.sweep(grid, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("finalists by validation, 3 seeds each: "), "{}", stderr(&output));
    assert_eq!(place.records("runs").len(), 4 + 2);
    assert!(stderr(&place.sweep(grid, "runs")).contains("nothing to do"));
    let rows = place.run(&["report", "runs", "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout(&rows)).unwrap();
    let mut seeds: Vec<_> = rows.iter().map(|row| row["n_seeds"].as_u64().unwrap()).collect();
    seeds.sort_unstable();
    assert_eq!(seeds, [1, 3]);
    assert!(!stdout(&place.run(&["report", "runs"])).contains("unfinished"));
}

/// Predictions of a class each as a CSV or JSON file has them: id to label.
fn accuracy(place: &Workplace, predictions: &BTreeMap<i64, String>) -> f64 {
    let cache = cache::FeatureCache::open(&place.path("cache")).unwrap();
    let (labels, ids) = (cache.labels(cache::Split::Test), cache.sample_ids(cache::Split::Test));
    let mut hits = vec![(0.0, 0.0); cache.class_counts().classes()];
    for (label, id) in labels.iter().zip(ids) {
        let right = predictions[&id] == cache.manifest().class_names[label.index()];
        hits[label.index()].0 += f64::from(u8::from(right));
        hits[label.index()].1 += 1.0;
    }
    hits.iter().map(|(right, all)| right / all).sum::<f64>() / hits.len() as f64
}

#[test]
fn the_best_head_is_exported_with_all_that_it_needs_and_predicts_as_it_is_measured() {
    let place = Workplace::new(&headless());
    let sweep = ["sweep", "--device", "cpu", "--cache", "cache", "--preset", "best", "--out", "runs"];
    let output = place.run(&sweep);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("soup: the mean of "), "{}", stderr(&output));
    // A mean of heads is no worse on validation than its best one, and it is not made twice.
    let records = place.records("runs");
    let val = |record: &serde_json::Value| {
        let metrics = &record["metrics"];
        let state = metrics.get("val_selected").unwrap_or(&metrics["last"]);
        state["val.top1.all"].as_f64().unwrap()
    };
    let soup: Vec<_> = records.values().filter(|record| record["method"] == "soup").collect();
    assert_eq!(soup.len(), 1);
    assert!(stderr(&place.run(&sweep)).contains("nothing to do"));
    let output = place.run(&["export", "runs", "--best", "--method", "soup", "--out", "soup.safetensors"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let evaluated = place.run(&[
        "evaluate",
        "--head",
        "soup.safetensors",
        "--cache",
        "cache",
        "--split",
        "val",
        "--format",
        "json",
    ]);
    let evaluated: serde_json::Value = serde_json::from_str(&stdout(&evaluated)).unwrap();
    assert!((evaluated["top1.all"].as_f64().unwrap() - val(soup[0])).abs() < 1e-9);
    let output = place.run(&["export", "runs", "--best", "--device", "cpu", "--out", "best.safetensors"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("best by val: `"), "{}", stderr(&output));
    let file = cache::head_file::HeadFile::read(&place.path("best.safetensors")).unwrap();
    let cache = cache::FeatureCache::open(&place.path("cache")).unwrap();
    let names: Vec<String> = serde_json::from_str(file.metadata("class_names").unwrap()).unwrap();
    assert_eq!(
        (&names, file.metadata("cache_key")),
        (&cache.manifest().class_names, Some(&*cache.cache_key()))
    );
    for key in ["transform", "backbone", "run_id", "method", "params", "test_time_augmentation"] {
        assert!(file.metadata(key).is_some(), "{key}");
    }
    // A sentence, as heads have held it since manifests did.
    let backbone: serde_json::Value = serde_json::from_str(file.metadata("backbone").unwrap()).unwrap();
    assert_eq!(backbone["architecture"], "none");
    let evaluated =
        place.run(&["evaluate", "--head", "best.safetensors", "--cache", "cache", "--format", "json"]);
    let evaluated: serde_json::Value = serde_json::from_str(&stdout(&evaluated)).unwrap();
    let expected = evaluated["top1.all"].as_f64().unwrap();
    let stated: f64 = file.metadata("accuracy_with_test_time_augmentation").unwrap().parse().unwrap();
    assert_eq!(stated, expected);
    // csv of the cache
    let predict = ["predict", "--head", "best.safetensors", "--cache", "cache", "--out"];
    let output = place.run(&[&predict[..], &["p.csv", "--top", "2"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(place.path("p.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,label,probability,label_2,probability_2"));
    let csv: BTreeMap<i64, String> = lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (cells[0].parse().unwrap(), cells[1].to_owned()))
        .collect();
    assert!((accuracy(&place, &csv) - expected).abs() < 1e-12);
    // json says the same
    place.run(&[&predict[..], &["p.json"]].concat());
    let json: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(place.path("p.json")).unwrap()).unwrap();
    let json: BTreeMap<i64, String> = json
        .iter()
        .map(|one| (one["id"].as_i64().unwrap(), one["predictions"][0]["label"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(json, csv);
}

#[test]
fn predictions_on_a_file_of_features_are_those_on_the_cache() {
    let place = Workplace::new(&SyntheticCache { flipped: false, ..SyntheticCache::default() });
    place.sweep("[[method]]\nname = \"ncm\"\n", "runs");
    let output = place.run(&["export", "runs", "--best", "--device", "cpu", "--out", "head"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let of_cache = place.run(&["predict", "--head", "head", "--cache", "cache"]);
    // A shard is a file of features.
    let of_file =
        place.run(&["predict", "--head", "head", "--features", "cache/test.clean/00000.safetensors"]);
    assert!(of_file.status.success(), "{}", stderr(&of_file));
    assert_eq!(stdout(&of_cache), stdout(&of_file));
    assert!(stdout(&of_file).lines().count() > 10);
}

#[test]
fn what_has_no_best_head_says_why() {
    let place = Workplace::new(&SyntheticCache { val_per_class: 0, ..SyntheticCache::default() });
    place.sweep("[[method]]\nname = \"stage1\"\n", "runs");
    let refused = |arguments: &[&str]| {
        let output = place.run(&[&["export", "runs", "--best", "--out", "head"], arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    insta::assert_snapshot!(refused(&[]), @"
    error: `runs` has no best run: `last` chooses nothing
    hint: name a run with `--run ID`: the cache has no validation split to choose by
    ");
    insta::assert_snapshot!(refused(&["--method", "lort"]), @"
    error: `runs` has no best run: no run is of `lort`
    hint: `retrainer report RUNS` lists the methods
    ");
    assert!(!place.path("head").exists());
}

/// Forms that fold and forms that do not: the exported head reads raw features and is as good as its record says.
#[test]
fn heads_of_normalised_features_are_exported_for_raw_ones() {
    let place = Workplace::new(&SyntheticCache { flipped: false, ..SyntheticCache::default() });
    let grid = "epochs = 2\nbatch_size = 16\nlr = 1e-2\n[[method]]\nname = \"ce\"\n[[method]]\nname = \"cosine\"\n[[method]]\nname = \"gda\"\n\
        [[method]]\nname = \"ncm\"\ndistance = [\"l2\", \"cl2n\"]\n[[method]]\nname = \"disalign\"\n[[method]]\nname = \"stage1\"\n";
    let plain = place.sweep(grid, "none");
    assert!(plain.status.success(), "{}", stderr(&plain));
    for how in ["l2", "standardise"] {
        let output = place.sweep_command(grid, how).args(["--normalise", how]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains("stage-1 head: features are normalised; "), "{}", stderr(&output));
        let records = place.records(how);
        assert!(records.keys().all(|id| !place.records("none").contains_key(id)));
        for (id, record) in records {
            let export =
                ["export", how, "--run", &id, "--device", "cpu", "--select", "last", "--out", "head"];
            let output = place.run(&export);
            assert!(output.status.success(), "{}", stderr(&output));
            let evaluated =
                place.run(&["evaluate", "--head", "head", "--cache", "cache", "--format", "json"]);
            let evaluated: serde_json::Value = serde_json::from_str(&stdout(&evaluated)).unwrap();
            let got = evaluated["top1.all"].as_f64().unwrap();
            let expected = record["metrics"]["last"]["top1.all"].as_f64().unwrap();
            assert!((got - expected).abs() < 1e-9, "{how} {}: {got} {expected}", record["method"]);
        }
    }
}

/// `nn.Linear(D, C).load_state_dict(load_file(HEAD))`, then `softmax(linear(features))`: only `weight` and `bias` of the file, `W f + b`.
#[test]
fn an_exported_linear_head_is_an_nn_linear() {
    let place = Workplace::new(&SyntheticCache { flipped: false, ..SyntheticCache::default() });
    place
        .sweep_command("[[method]]\nname = \"ridge\"\n", "runs")
        .args(["--normalise", "standardise"])
        .output()
        .unwrap();
    let output =
        place.run(&["export", "runs", "--best", "--method", "ridge", "--device", "cpu", "--out", "head"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let bytes = std::fs::read(place.path("head")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(names, ["bias", "weight"]);
    let numbers = |name: &str| -> Vec<f64> {
        let data = tensors.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect()
    };
    let (weight, bias) = (numbers("weight"), numbers("bias"));
    assert_eq!(tensors.tensor("weight").unwrap().shape(), [5, 12]);
    let cache = cache::FeatureCache::open(&place.path("cache")).unwrap();
    let view = cache.view(cache::Split::Test, cache::View::Clean).unwrap();
    let output = place.run(&["predict", "--head", "head", "--cache", "cache"]);
    for (row, line) in stdout(&output).lines().skip(1).enumerate() {
        let mut features = vec![0.0_f32; 12];
        view.read_rows(row..row + 1, &mut features).unwrap();
        let logits: Vec<f64> = (0..5)
            .map(|class| {
                bias[class] + (0..12).map(|d| weight[class * 12 + d] * f64::from(features[d])).sum::<f64>()
            })
            .collect();
        let best = (0..5).max_by(|&one, &two| logits[one].total_cmp(&logits[two])).unwrap();
        let probability = 1.0 / logits.iter().map(|logit| (logit - logits[best]).exp()).sum::<f64>();
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[1], cache.manifest().class_names[best]);
        assert!((cells[2].parse::<f64>().unwrap() - probability).abs() < 1e-5, "{line} {probability}");
    }
}

/// An output that is an input, by whatever name, or lies in a cache, is refused before anything is written.
#[test]
fn what_a_command_reads_is_not_written_over() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = "epochs = 1\nbatch_size = 16\n[[method]]\nname = \"ncm\"\n";
    assert!(place.sweep(grid, "runs").status.success());
    assert!(place.run(&["export", "runs", "--best", "--out", "head"]).status.success());
    let head = std::fs::read(place.path("head")).unwrap();
    std::os::unix::fs::symlink("head", place.path("link")).unwrap();
    for (arguments, said) in [
        ("predict --head head --cache cache --out head", "is read by this command"),
        ("predict --head head --cache cache --out link", "is read by this command"),
        ("predict --head head --cache cache --out cache/manifest.json", "is in a feature cache"),
        ("export runs --best --out cache/manifest.json", "is in a feature cache"),
    ] {
        let output = place.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(stderr(&output).contains(said), "{arguments}: {}", stderr(&output));
    }
    assert!(std::fs::read(place.path("head")).unwrap() == head);
    assert!(place.sweep(grid, "runs").status.success(), "the cache is whole");
}
