//! `dump --layer` and `--pooling`: other features of the same network, and a manifest that says so.

use crate::dump::{DATA, MACHINE, features, trained};
use cache::{FeatureCache, Split, View};

fn dump(more: &str, out: &str) -> String {
    format!("dump --checkpoint base {DATA} --data data {MACHINE} --dtype f32 {more} --out {out}")
}

fn cache(name: &str) -> FeatureCache {
    FeatureCache::open(&trained().path(name)).unwrap()
}

#[test]
fn every_stage_and_pooling_is_a_cache_of_its_own() {
    let place = trained();
    let (mut keys, mut seen) = (Vec::new(), Vec::new());
    // Channels of torchvision's stages, times 0.25.
    for (layer, pooling, dim) in [
        ("stage1", "average", 16),
        ("stage2", "max", 32),
        ("stage3", "average", 64),
        ("penultimate", "max", 128),
    ] {
        let name = format!("read-{layer}-{pooling}");
        let run = place.ok(&dump(&format!("--layer {layer} --pooling {pooling}"), &name));
        assert!(run.stderr.contains("the cache gets no stage-1 head"), "{}", run.stderr);
        place.ok(&format!("verify {name}"));
        let cache = cache(&name);
        assert_eq!((cache.dim(), cache.stage1_head()), (dim, None));
        let backbone = &cache.manifest().backbone;
        assert_eq!(backbone.layer.as_deref(), Some(layer).filter(|layer| *layer != "penultimate"));
        assert_eq!(backbone.pooling.as_deref(), Some(pooling).filter(|pooling| *pooling != "average"));
        keys.push(cache.cache_key());
        seen.push(features(&place.path(&name), Split::Test, View::Clean));
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
    // ReLU at the end of every block.
    assert!(seen.iter().flatten().all(|number| *number >= 0.0));
}

/// Caches that were dumped before these options existed keep their keys: the manifest at the default has no new field.
#[test]
fn the_default_leaves_manifest_and_key_as_they_were() {
    let place = trained();
    place.ok(&dump("", "read-as-ever"));
    place.ok(&dump("--layer stage4 --pooling average", "read-last-stage"));
    let (ever, last) = (cache("read-as-ever"), cache("read-last-stage"));
    assert_eq!(ever.cache_key(), last.cache_key());
    assert!(ever.stage1_head().is_some());
    let text = std::fs::read_to_string(place.path("read-as-ever/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let fields: Vec<&str> = manifest["backbone"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["architecture", "weights_digest", "recipe"]);
    let run = place.ok("inspect read-last-stage");
    assert!(!run.stdout.contains("read at"), "{}", run.stdout);
}

#[test]
fn other_layers_of_one_folder_and_layers_that_are_not_there_are_refused() {
    let place = trained();
    place.ok(&dump("--layer stage3", "read-once"));
    let shown = place.ok("inspect read-once").stdout;
    assert!(shown.contains("resnet18 x0.25, read at stage3\n"), "{shown}");
    insta::assert_snapshot!(place.refused(&dump("--layer stage3 --pooling max", "read-once")), @r#"
    exit 2
    the head reads other features than these: the cache gets no stage-1 head
    error: `read-once` holds a dump with other settings: `--pooling` is none there, "max" here
    hint: choose another `--out`, or remove the folder first
    "#);
    insta::assert_snapshot!(place.refused(&dump("--layer stage5", "read-nowhere")), @"
    exit 2
    error: `--layer`: expected penultimate or stage1 to stage4 for resnet18 x0.25, got stage5
    ");
    let untrained =
        dump("--layer stage4 --backbone resnet32", "read-nowhere").replace("--checkpoint base", "");
    insta::assert_snapshot!(place.refused(&untrained), @"
    exit 2
    error: `--layer`: expected penultimate or stage1 to stage3 for resnet32, got stage4
    ");
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/backbones/logits.torchscript");
    place.write("read.pt", std::fs::read(module).unwrap());
    for (option, snapshot) in [("--layer stage1", "--layer"), ("--pooling max", "--pooling")] {
        let run =
            place.run(&dump(option, "read-nowhere").replace("--checkpoint base", "--torchscript read.pt"));
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        let error = format!("error: `{snapshot}`: expected ");
        assert!(run.stderr.contains(&error) && run.stderr.contains("for torchscript"), "{}", run.stderr);
    }
    assert!(!place.path("read-nowhere").exists() && !place.path("read-nowhere.checkpoint").exists());
}
