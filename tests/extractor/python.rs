//! A shard is a plain safetensors file: Python's public reader sees the same numbers.

use crate::{import::write_safetensors, program::Workplace};
use cache::{FeatureCache, Split, View};
use std::process::Command;

/// Reads every shard of a view with NumPy and prints labels, ids and features as JSON.
const SCRIPT: &str = r#"
import json, pathlib, sys
from safetensors.numpy import load_file
view = pathlib.Path(sys.argv[1])
index = json.loads((view / "features.safetensors.index.json").read_text())
shards = [load_file(view / name) for name in index["metadata"]["shards"]]
assert sorted(set(index["weight_map"].values())) == index["metadata"]["shards"]
for shard in shards:
    assert shard["features"].dtype == sys.argv[2] and shard["labels"].dtype == "int64"
print(json.dumps([sum((shard[name].tolist() for shard in shards), []) for name in ("labels", "sample_ids", "features")]))
"#;

#[test]
fn python_reads_the_same_numbers() {
    let Some(python) = std::env::var_os("PYTHON_WITH_SAFETENSORS") else {
        println!("skipped: PYTHON_WITH_SAFETENSORS is not set");
        return;
    };
    let place = Workplace::new();
    write_safetensors(&place);
    for (dtype, numpy) in [("f16", "float16"), ("f32", "float32")] {
        let out = format!("cache-{dtype}");
        place.ok(&format!(
            "import --train train.safetensors --test test.safetensors --shard-rows 4 --dtype {dtype} --out {out}"
        ));
        let folder = place.path(&out);
        let output = Command::new(&python)
            .args(["-c", SCRIPT])
            .arg(folder.join("train.flipped"))
            .arg(numpy)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (labels, ids, features): (Vec<u32>, Vec<i64>, Vec<Vec<f32>>) =
            serde_json::from_slice(&output.stdout).unwrap();
        let cache = FeatureCache::open(&folder).unwrap();
        assert_eq!(labels, cache.labels(Split::Train).iter().map(|label| label.0).collect::<Vec<_>>());
        assert_eq!(ids, cache.sample_ids(Split::Train));
        let view = cache.view(Split::Train, View::Flipped).unwrap();
        let mut numbers = vec![0.0; view.rows() * view.dim()];
        view.read_rows(0..view.rows(), &mut numbers).unwrap();
        assert_eq!(features.concat(), numbers);
    }
}
