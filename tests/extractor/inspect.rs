//! `extractor inspect`.

use crate::{import::write_safetensors, program::Workplace};

#[test]
fn the_summary_names_everything_that_matters() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.ok(
        "import --train train.safetensors --test test.safetensors --name toys --backbone vit --out cache",
    );
    let filters = vec![(r"[0-9a-f]{64}", "[DIGEST]"), (r"extractor \S+ \([^)]*\)", "extractor [VERSION]")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(place.ok("inspect cache").stdout, @r#"
        cache                cache
        cache key            [DIGEST]
        dataset              toys (imported)
        train samples        10 in 3 classes
        class counts         4 … 3 (imbalance ratio 1.33)
        class groups         0 many / 0 medium / 3 few
        features             6 x f32, batch norm eval
        backbone             vit
        recipe               {"source":"import","head_digest":null}
        stage-1 head         none
        transform clean      imported
        transform flipped    imported
        written by           extractor [VERSION]
        train.clean          10 rows, 688 B, 1 shard
        train.flipped        10 rows, 688 B, 1 shard
        test.clean           4 rows, 416 B, 1 shard
        total                1.75 KiB
        "#);
    });
}

#[test]
fn json_holds_the_manifest_and_what_follows_from_it() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.ok("import --train train.safetensors --test test.safetensors --out cache");
    let text = place.ok("inspect cache --format json").stdout;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("cache/manifest.json")).unwrap()).unwrap();
    assert!(manifest.as_object_mut().unwrap().remove("manifest_blake3").is_some());
    assert_eq!(document["manifest"], manifest);
    assert_eq!(document["train_samples"], 10);
    assert_eq!(document["shots"]["few"], 3);
    assert_eq!(document["cache_key"], cache::FeatureCache::open(&place.path("cache")).unwrap().cache_key());
}

#[test]
fn lists_name_every_dataset_and_backbone() {
    let place = Workplace::new();
    insta::assert_snapshot!(place.ok("datasets").stdout, @"
    cifar10        CIFAR-10, binary version: data_batch_1.bin … data_batch_5.bin, test_batch.bin, batches.meta.txt
    cifar100       CIFAR-100, binary version: train.bin, test.bin, fine_label_names.txt
    imagenet-lt    ImageNet-LT: ImageNet_LT_train.txt, ImageNet_LT_val.txt, ImageNet_LT_test.txt (or --train-list …) and the images
    places-lt      Places-LT: Places_LT_train.txt, Places_LT_val.txt, Places_LT_test.txt (or --train-list …) and the images
    inaturalist18  iNaturalist 2018: train2018.json, val2018.json, which is the test (or --train-list, --test-list) and the images
    list           any images with lists `relative/path.jpg label`: --train-list, --test-list or --test-fraction, and --val-list or --val-fraction
    folder         a folder of images for each class: below train/, test/ (and val/), or with --test-fraction or --split-file; --val-fraction where there is no val/; --test-split val and the like name other folders
    ");
    let backbones = place.ok("backbones").stdout;
    for kind in extractor::backbones::all() {
        assert!(
            backbones.lines().any(|line| line.starts_with(kind.name) && line.contains(kind.about)),
            "{backbones}"
        );
    }
}
