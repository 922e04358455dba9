//! Image files of any size: decoded as torchvision's loader does, trained on and dumped from lists, annotations and folders.

use crate::{
    program::{Workplace, cache_files},
    stop::{Stop, stop_when},
};
use cache::{FeatureCache, Split};
use extractor::{images, transform::Photo};
use std::{fmt::Write, path::Path, sync::OnceLock};

const MACHINE: &str = "--device cpu --threads 1 --resize 36 --crop 32";

/// A JPEG whose colours depend on its class and number, of a size of its own.
pub(crate) fn jpeg(class: u32, number: u32) -> Vec<u8> {
    let (width, height) = (40 + 3 * number, 48 + 5 * class);
    let pixel = |x: u32, y: u32| {
        let value = |i: u32| {
            u8::try_from((class * 60 + i * 40 + (x * (class + 1) + y + number * 7) % 64) % 256).unwrap()
        };
        image::Rgb([value(0), value(1), value(2)])
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(width, height, pixel).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// Training images of each of the three classes.
const TRAIN: [u32; 3] = [6, 4, 2];

/// Number of a split's first image: no image is in two splits.
fn first_number(split: &str) -> u32 {
    match split {
        "train" => 0,
        "val" => 10,
        _ => 20,
    }
}

/// A list of a split with its images: `images/SPLIT/…` by class; training images by `TRAIN`, two of each class otherwise.
fn split(place: &Workplace, split: &str) -> String {
    let mut list = String::new();
    for class in 0..3 {
        for number in 0..if split == "train" { TRAIN[class as usize] } else { 2 } {
            let name = format!("{split}/n0{class}/{number}.JPEG");
            place.write(&format!("images/{name}"), jpeg(class, number + first_number(split)));
            writeln!(list, "{name} {class}").unwrap();
        }
    }
    list
}

/// An ImageNet-LT-style folder `images/`.
pub(crate) fn lists(place: &Workplace) {
    for name in ["train", "val", "test"] {
        let list = split(place, name);
        place.write(&format!("images/ImageNet_LT_{name}.txt"), list);
    }
}

fn train(place: &Workplace, data: &str, out: &str) {
    place.ok(&format!("train {data} {MACHINE} --backbone resnet32 --epochs 2 --batch-size 5 --out {out}"));
}

/// A folder with lists, images and a backbone `base/` trained on them.
fn trained() -> &'static Workplace {
    static PLACE: OnceLock<Workplace> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Workplace::new();
        lists(&place);
        train(&place, "--dataset imagenet-lt --data images", "base");
        place
    })
}

fn dump(more: &str, out: &str) -> String {
    format!("dump --checkpoint base --dataset imagenet-lt --data images {MACHINE} {more} --out {out}")
}

/// Mean absolute difference at most 1/255 of torchvision's evaluation pixels, on every file of `fixtures/images/files`.
#[test]
fn evaluation_pixels_are_torchvisions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/images");
    let mut names: Vec<_> =
        std::fs::read_dir(folder.join("files")).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let compressed = std::fs::read(folder.join("expected.bin.zst")).unwrap();
    let expected = zstd::decode_all(&*compressed).unwrap();
    let photo = Photo::new(128, 112);
    assert_eq!(expected.len(), names.len() * 112 * 112 * 3);
    let mut table = Vec::new();
    for (path, expected) in names.iter().zip(expected.chunks_exact(112 * 112 * 3)) {
        let pixels = photo.clean(&images::read(path, images::MaxPixels::default()).unwrap()).unwrap();
        let sum: u64 = pixels.iter().zip(expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let largest = pixels.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        table.push((name, sum as f64 / pixels.len() as f64, largest));
    }
    println!("{table:#?}");
    assert!(table.iter().all(|(_, mean, _)| *mean <= 1.0), "{table:#?}");
    // Lossless formats decode to the same bytes; the resampler rounds its fixed-point weights otherwise than Pillow: one level.
    let lossless =
        |name: &str| Path::new(name).extension().is_some_and(|e| e == "png") || name == "lossless.webp";
    assert!(
        table.iter().filter(|(name, ..)| lossless(name)).all(|(_, _, largest)| *largest <= 1),
        "{table:#?}"
    );
}

#[test]
fn a_list_trains_and_dumps_every_view() {
    let place = trained();
    place.ok(&dump("--augmented 2", "cache"));
    place.ok("verify cache");
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!(cache.class_counts().counts(), [6, 4, 2]);
    assert_eq!(cache.sample_ids(Split::Train), (0..12).collect::<Vec<_>>());
    assert_eq!(cache.manifest().views.len(), 7); // Validation and test come flipped, too.
    let transforms = &cache.manifest().transforms;
    let normalise = "normalise(0.485 0.456 0.406,0.229 0.224 0.225)";
    assert_eq!(transforms["clean"].to_string(), format!("resize(36)|centre-crop(32)|{normalise}"));
    assert_eq!(transforms["flipped"].to_string(), format!("resize(36)|centre-crop(32)|flip|{normalise}"));
    assert_eq!(
        transforms["augmented"].to_string(),
        format!(
            "seed(0)|random-resized-crop(32,scale=0.08 1,ratio=3/4 4/3)|flip(0.5)|colour-jitter(0.4 0.4 0.4)|{normalise}"
        )
    );
}

#[test]
fn views_of_files_do_not_depend_on_shards_or_batches() {
    let place = trained();
    place.ok(&dump("--augmented 2 --dtype f32", "whole"));
    place.ok(&dump("--augmented 2 --dtype f32 --batch-size 5 --shard-rows 5", "cut"));
    let features = |cache: &str, view| crate::dump::features(&place.path(cache), Split::Train, view);
    for view in [cache::View::Clean, cache::View::Augmented(0), cache::View::Augmented(1)] {
        let (whole, cut) = (features("whole", view), features("cut", view));
        assert!(whole.iter().zip(&cut).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1.0)), "{view}");
    }
    assert_ne!(features("whole", cache::View::Augmented(0)), features("whole", cache::View::Augmented(1)));
}

#[test]
fn a_killed_dump_of_files_ends_with_the_same_bytes() {
    let place = trained();
    let more = "--augmented 6 --batch-size 4 --shard-rows 4";
    place.ok(&dump(more, "never-stopped"));
    let shard = place.path("stopped/train.augmented-00/00002.safetensors");
    stop_when(place, &dump(more, "stopped"), Stop::Kill, || shard.exists());
    assert!(!place.path("stopped/manifest.json").exists(), "stopped in the middle");
    place.ok(&dump(more, "stopped"));
    let (whole, stopped) = (cache_files(&place.path("never-stopped")), cache_files(&place.path("stopped")));
    assert!(whole == stopped, "the caches differ");
}

#[test]
fn training_on_files_repeats_itself_to_the_bit() {
    let place = trained();
    train(place, "--dataset imagenet-lt --data images", "again");
    let bytes = |folder: &str| std::fs::read(place.path(folder).join("checkpoint.safetensors")).unwrap();
    assert!(bytes("base") == bytes("again"), "checkpoints differ");
}

#[test]
fn inaturalists_annotations_train_and_dump() {
    let place = Workplace::new();
    for (name, split) in [("train2018", "train"), ("val2018", "test")] {
        let list = self::split(&place, split);
        let rows: Vec<(usize, &str, &str)> = list
            .lines()
            .enumerate()
            .map(|(id, line)| (id + 100, line.split_once(' ').unwrap()))
            .map(|(id, (n, c))| (id, n, c))
            .collect();
        let images: Vec<_> = rows
            .iter()
            .rev()
            .map(|(id, name, _)| serde_json::json!({"id": id, "file_name": name, "width": 40}))
            .collect();
        let annotations: Vec<_> = rows
            .iter()
            .map(|(id, _, class)| serde_json::json!({"id": id, "image_id": id, "category_id": class.parse::<u32>().unwrap() * 5}))
            .collect();
        let categories: Vec<_> = ["Rosa", "Bombus", "Larus"]
            .iter()
            .enumerate()
            .map(|(class, name)| serde_json::json!({"id": class * 5, "name": name, "supercategory": "x"}))
            .collect();
        let document = serde_json::json!({"info": {}, "images": images, "annotations": annotations, "categories": categories});
        place.write(&format!("images/{name}.json"), document.to_string());
    }
    let data = "--dataset inaturalist18 --data images";
    train(&place, data, "base");
    place.ok(&format!("dump --checkpoint base {data} {MACHINE} --out cache"));
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!(cache.class_counts().counts(), [6, 4, 2]);
    assert_eq!(cache.manifest().class_names, ["Rosa", "Bombus", "Larus"]);
    assert_eq!(cache.labels(Split::Test).len(), 6);
}

#[test]
fn a_folder_is_split_by_fraction_by_file_or_by_its_folders() {
    let place = Workplace::new();
    for (class, name) in ["ant", "bee", "cat"].into_iter().enumerate() {
        for number in 0..=TRAIN[class] {
            place.write(&format!("photos/{name}/{number}.jpg"), jpeg(u32::try_from(class).unwrap(), number));
        }
    }
    let counts = |arguments: &str, out: &str| {
        train(&place, arguments, &format!("{out}-base"));
        place.ok(&format!("dump --checkpoint {out}-base {arguments} {MACHINE} --out {out}"));
        let cache = FeatureCache::open(&place.path(out)).unwrap();
        assert_eq!(cache.manifest().class_names, ["ant", "bee", "cat"]);
        (cache.class_counts().counts().to_vec(), cache.sample_ids(Split::Test).clone())
    };
    // 7, 5 and 3 images: 1.75, 1.25 and 0.75 of them, rounded.
    let drawn = counts("--dataset folder --data photos --test-fraction 0.25", "drawn");
    assert_eq!((drawn.0, drawn.1.len()), (vec![5, 4, 2], 4));
    let other = counts("--dataset folder --data photos --test-fraction 0.25 --split-seed 1", "other");
    assert_ne!(drawn.1, other.1);
    let mut split = String::new();
    for (class, name) in ["ant", "bee", "cat"].into_iter().enumerate() {
        for number in 0..=TRAIN[class] {
            let part = if number == 0 { "test" } else { "train" };
            writeln!(split, "{name}/{number}.jpg {part}").unwrap();
            place.write(
                &format!("parts/{part}/{name}/{number}.jpg"),
                jpeg(u32::try_from(class).unwrap(), number),
            );
        }
    }
    place.write("split.txt", split);
    assert_eq!(
        counts("--dataset folder --data photos --split-file split.txt", "listed"),
        (vec![6, 4, 2], vec![0, 7, 12])
    );
    assert_eq!(counts("--dataset folder --data parts", "parts-cache").0, [6, 4, 2]);
}

#[test]
fn broken_images_are_left_out_on_request_and_listed() {
    let place = Workplace::new();
    lists(&place);
    let whole = jpeg(0, 0);
    place.write("images/train/n00/1.JPEG", &whole[..whole.len() / 2]);
    place.write("images/test/n01/0.JPEG", "");
    // 5 kB that claim 65,000 × 65,000 pixels, which would take 13 GB.
    let mut claim = jpeg(0, 3);
    let size = claim.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap() + 5;
    claim[size..size + 4].copy_from_slice(&[0xFD, 0xE8, 0xFD, 0xE8]);
    place.write("images/train/n00/3.JPEG", claim);
    std::fs::remove_file(place.path("images/train/n01/2.JPEG")).unwrap();
    let data = "--dataset imagenet-lt --data images --skip-broken";
    train(&place, data, "base");
    place.ok(&format!("dump --checkpoint base {data} {MACHINE} --out cache"));
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!(cache.class_counts().counts(), [4, 3, 2]);
    assert_eq!(cache.sample_ids(Split::Train), [0, 2, 4, 5, 6, 7, 9, 10, 11]);
    assert_eq!(
        cache.manifest().dataset.skipped,
        ["train/n00/1.JPEG", "train/n00/3.JPEG", "train/n01/2.JPEG", "test/n01/0.JPEG"]
    );
    let refused =
        place.refused(&format!("dump --checkpoint base {data} --max-pixels 100 {MACHINE} --out none"));
    assert!(refused.contains("exit 2") && refused.contains("none that can be read"), "{refused}");
}
