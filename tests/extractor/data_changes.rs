//! Image files that break, and are got again or left out, between two runs of the same command.

use crate::{
    data_sets::{dump_line, folders},
    photographs::jpeg,
    program::{Workplace, cache_files},
};
use std::time::SystemTime;

const DATA: &str = "--dataset folder --data photos";
const SHARDS: &str = "--dataset folder --data photos --shard-rows 2 --batch-size 2";

/// A PNG with a right beginning and end whose pixels are damaged: found by decoding it alone.
fn damaged_within() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let grain = |x: u32, y: u32| image::Rgb([x * y, x + y, x].map(|v| u8::try_from(v % 251).unwrap()));
    image::RgbImage::from_fn(40, 40, grain).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let mut bytes = bytes.into_inner();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    bytes
}

/// Two classes, four training and four test images each; the last test image is damaged.
fn photos() -> Workplace {
    let place = Workplace::new();
    folders(&place, "photos", &[("train/ant", 4), ("train/bee", 4), ("test/ant", 4), ("test/bee", 4)]);
    place.write("photos/test/bee/3.jpg", damaged_within());
    place
}

/// The dump ends at the damaged image, after the training view and most of the test view.
fn stopped(place: &Workplace) -> SystemTime {
    let run = place.run(&dump_line(SHARDS, "cache"));
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("test/bee/3.jpg"), "{}", run.stderr);
    assert!(!place.path("cache/manifest.json").exists());
    first_shard(place)
}

fn first_shard(place: &Workplace) -> SystemTime {
    std::fs::metadata(place.path("cache/train.clean/00000.safetensors")).unwrap().modified().unwrap()
}

/// The cache has the bytes of a dump that never stopped.
fn is_as_new(place: &Workplace, data: &str) {
    place.ok(&dump_line(data, "new"));
    assert!(cache_files(&place.path("cache")) == cache_files(&place.path("new")), "the caches differ");
    std::fs::remove_dir_all(place.path("new")).unwrap();
    place.ok("verify cache");
}

#[test]
fn a_dump_goes_on_without_the_broken_image_and_then_with_it() {
    let place = photos();
    let before = stopped(&place);
    let skip = format!("{SHARDS} --skip-broken");
    let run = place.ok(&dump_line(&skip, "cache"));
    assert!(
        run.stderr.contains("left out: 1 image that could not be read (test/bee/3.jpg)"),
        "{}",
        run.stderr
    );
    assert_eq!(first_shard(&place), before, "a shard of whole images is not computed again");
    is_as_new(&place, &skip);
    // Finished without it, and then it comes back.
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    place.ok(&dump_line(SHARDS, "cache"));
    assert_eq!(first_shard(&place), before);
    is_as_new(&place, SHARDS);
}

#[test]
fn a_dump_goes_on_with_the_image_that_was_got_again() {
    let place = photos();
    let before = stopped(&place);
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    place.ok(&dump_line(SHARDS, "cache"));
    assert_eq!(first_shard(&place), before);
    is_as_new(&place, SHARDS);
}

/// A shard is never taken for one of other images: training images that change meanwhile are computed again.
#[test]
fn shards_of_images_that_changed_are_computed_again() {
    let place = photos();
    let before = stopped(&place);
    place.write("photos/train/ant/1.jpg", jpeg(2, 50));
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    place.ok(&dump_line(SHARDS, "cache"));
    assert_ne!(first_shard(&place), before);
    is_as_new(&place, SHARDS);
}

#[test]
fn a_training_image_that_is_left_out_moves_the_rows_behind_it() {
    let place = photos();
    place.write("photos/train/bee/2.jpg", damaged_within());
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    assert_eq!(place.run(&dump_line(SHARDS, "cache")).code, Some(2));
    let before = first_shard(&place);
    let skip = format!("{SHARDS} --skip-broken");
    place.ok(&dump_line(&skip, "cache"));
    assert_eq!(first_shard(&place), before);
    is_as_new(&place, &skip);
}

/// Running statistics that other images have moved decide every view.
#[test]
fn passes_of_other_images_are_not_gone_on_from() {
    let place = photos();
    place.ok(&format!("train {DATA} --device cpu --threads 1 --resize 36 --crop 32 --backbone imagenet-resnet10 --epochs 1 --batch-size 4 --skip-broken --out base"));
    let line = |data: &str, out: &str| {
        format!(
            "dump --checkpoint base --batch-norm train --train-batch-size 4 {data} --device cpu --threads 1 --out {out}"
        )
    };
    assert_eq!(place.run(&line(SHARDS, "cache")).code, Some(2));
    assert!(place.path("cache/batch_norm.safetensors").exists(), "the pass has ended");
    place.write("photos/train/ant/1.jpg", jpeg(2, 50));
    let skip = format!("{SHARDS} --skip-broken");
    place.ok(&line(&skip, "cache"));
    place.ok(&line(&skip, "new"));
    assert!(cache_files(&place.path("cache")) == cache_files(&place.path("new")), "the caches differ");
}

#[test]
fn what_else_differs_is_refused_by_the_name_of_the_setting() {
    let place = photos();
    stopped(&place);
    let refused = |data: &str| {
        let message = place.refused(&dump_line(data, "cache"));
        message.lines().find(|line| line.starts_with("error")).unwrap().to_owned()
    };
    insta::assert_snapshot!(refused(&format!("{SHARDS} --skip-broken --dtype f32")), @r#"error: `cache` holds a dump with other settings: `--skip-broken` (images that could not be read) is none there, ["test/bee/3.jpg"] here"#);
    insta::assert_snapshot!(refused(&format!("{SHARDS} --skip-broken --imbalance-ratio 2")), @r#"error: `cache` holds a dump with other settings: `--subset` is "all" there, "first-n" here"#);
    place.write("photos/test/bee/4.jpg", jpeg(1, 98));
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    insta::assert_snapshot!(refused(SHARDS), @"error: `cache` holds a dump with other settings: the data set has other files, by names, labels, sizes or contents");
    std::fs::remove_file(place.path("photos/test/bee/4.jpg")).unwrap();
    place.ok(&dump_line(SHARDS, "cache"));
    // Finished, and whole: nothing replaces it.
    place.write("photos/test/bee/3.jpg", damaged_within());
    insta::assert_snapshot!(refused(&format!("{SHARDS} --skip-broken")), @r#"error: `cache` holds a dump with other settings: `--skip-broken` (images that could not be read) is none there, ["test/bee/3.jpg"] here"#);
    place.write("photos/test/bee/3.jpg", jpeg(0, 97));
    insta::assert_snapshot!(refused(SHARDS), @"error: `cache` holds a dump with other settings: the data set has other files, by names, labels, sizes or contents");
}

#[test]
fn a_dump_keeps_the_shards_that_it_was_begun_with() {
    let place = photos();
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    place.ok(&dump_line(SHARDS, "cache"));
    let run = place.ok(&dump_line(DATA, "cache"));
    assert!(run.stderr.contains("finished already"), "{}", run.stderr);
}

#[test]
fn training_goes_on_after_either_hint() {
    let place = photos();
    let train = |more: &str, out: &str| {
        format!(
            "train {DATA} {more} --device cpu --threads 1 --resize 36 --crop 32 --backbone imagenet-resnet10 --epochs 2 --batch-size 4 --out {out}"
        )
    };
    // Stopped after its first epoch by the test image.
    assert_eq!(place.run(&train("", "skipped")).code, Some(2));
    place.ok(&train("--skip-broken", "skipped"));
    // A checkpoint of the run that left it out goes on, or is finished, with the image, too.
    place.write("photos/test/bee/3.jpg", jpeg(1, 99));
    let run = place.ok(&train("", "skipped"));
    assert!(run.stderr.contains("finished before"), "{}", run.stderr);
    // Other images are another training.
    place.write("photos/train/bee/9.jpg", jpeg(1, 98));
    let message = place.refused(&train("", "skipped"));
    assert!(
        message.contains("other files of the data set, by names, labels, sizes or contents"),
        "{message}"
    );
}
