//! Data sets of image files: what is a split and what a class, what is left out, what is in two splits, and what it is called.

use crate::{
    import::{rows, safetensors},
    photographs::{jpeg, lists},
    program::{Run, Workplace},
};
use cache::{FeatureCache, Manifest};

/// A module that takes images of 32 × 32 pixels.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/backbones/logits.torchscript");

pub(crate) fn dump_line(data: &str, out: &str) -> String {
    format!("dump --torchscript {MODULE} {data} --device cpu --threads 1 --resize 36 --crop 32 --out {out}")
}

fn manifest(place: &Workplace, out: &str) -> Manifest {
    FeatureCache::open(&place.path(out)).unwrap().manifest().clone()
}

/// Images of classes in folders, each another one: `("train/ant", 3)` …
pub(crate) fn folders(place: &Workplace, root: &str, layout: &[(&str, u32)]) {
    for (index, (folder, images)) in (0..).zip(layout) {
        for number in 0..*images {
            place.write(&format!("{root}/{folder}/{number}.jpg"), jpeg(index % 3, 10 * index + number));
        }
    }
}

fn refused(place: &Workplace, data: &str) -> String {
    let message = place
        .refused(&dump_line(data, "refused"))
        .replace("device: cpu (libtorch has no CUDA backend here)\n", "");
    assert!(!place.path("refused").exists(), "refused before anything is written");
    message
}

#[test]
fn splits_are_found_by_their_usual_names_and_never_become_classes() {
    let place = Workplace::new();
    folders(
        &place,
        "usual",
        &[
            ("Training/ant", 3),
            ("Training/bee", 2),
            ("VALID/ant", 1),
            ("VALID/bee", 1),
            ("Test/ant", 1),
            ("Test/bee", 1),
        ],
    );
    place.ok(&dump_line("--dataset folder --data usual", "usual-cache"));
    let usual = manifest(&place, "usual-cache");
    assert_eq!(usual.class_names, ["ant", "bee"]);
    let views: Vec<String> = usual.views.keys().map(ToString::to_string).collect();
    assert_eq!(views, ["train.clean", "val.clean", "val.flipped", "test.clean", "test.flipped"]);

    folders(&place, "imagenet", &[("train/ant", 3), ("train/bee", 2), ("val/ant", 1), ("val/bee", 1)]);
    insta::assert_snapshot!(refused(&place, "--dataset folder --data imagenet"), @"
    exit 2
    error: `imagenet/test` not found: expected a folder of test images beside `train`
    hint: `--test-split val` tests on `val`, and nothing is chosen by it; `--data imagenet/train --test-fraction 0.2` keeps a fifth of each class of `train` for the test
    ");
    insta::assert_snapshot!(refused(&place, "--dataset folder --data imagenet --test-fraction 0.2"), @"
    exit 2
    error: `imagenet`: expected a folder of images for each class, got `train` and `val`, which are splits of a data set
    hint: give `--test-split val` in place of `--test-fraction`, or one folder alone: `--data imagenet/train`
    ");
    place.ok(&dump_line("--dataset folder --data imagenet --test-split val", "imagenet-cache"));
    let imagenet = manifest(&place, "imagenet-cache");
    assert_eq!((imagenet.class_names, imagenet.views.len()), (vec!["ant".to_owned(), "bee".to_owned()], 3));
    place.ok(&dump_line("--dataset folder --data imagenet/train --test-fraction 0.2", "half-cache"));
    assert_eq!(manifest(&place, "half-cache").class_names, ["ant", "bee"]);
    // What `verify --repair` is given must read the same splits.
    std::fs::remove_file(place.path("imagenet-cache/test.clean/00000.safetensors")).unwrap();
    place.ok(&format!("verify imagenet-cache --repair --torchscript {MODULE} --data imagenet --test-split val --device cpu --threads 1"));
}

#[test]
fn folders_that_are_no_splits_of_one_data_set_are_named() {
    let place = Workplace::new();
    folders(&place, "two", &[("train/ant", 2), ("test/ant", 1), ("val/ant", 1), ("valid/ant", 1)]);
    insta::assert_snapshot!(refused(&place, "--dataset folder --data two"), @"
    exit 2
    error: `--val-split`: expected the name of one folder, got nothing, where `val` and `valid` are there
    hint: `--val-split val` takes that one
    ");
    place.ok(&dump_line("--dataset folder --data two --val-split valid", "two-cache"));
    insta::assert_snapshot!(refused(&place, "--dataset folder --data two --val-split test --test-split test"), @"
    exit 2
    error: `--val-split`: expected a folder of its own for each split, got `test` twice
    hint: what is trained on or chosen by must not be tested on
    ");
    insta::assert_snapshot!(refused(&place, "--dataset folder --data two --test-split tset"), @"
    exit 2
    error: `--test-split`: expected a folder in `two`: `test`, `train`, `val` and `valid`, got `tset`
    hint: it is a name, not a path
    ");
    folders(&place, "held", &[("val/ant", 2), ("test/ant", 1)]);
    insta::assert_snapshot!(refused(&place, "--dataset folder --data held"), @"
    exit 2
    error: `held/train` not found: expected a folder of training images beside `test` and `val`
    hint: `--train-split NAME` takes another folder
    ");
    folders(&place, "outer/inner", &[("train/ant", 2), ("test/ant", 1)]);
    insta::assert_snapshot!(refused(&place, "--dataset folder --data outer"), @"
    exit 2
    error: `--test-fraction`: expected a fraction, a `--split-file`, or the folders `train` and `test`, got none of them for `outer`
    hint: did you mean `--data outer/inner`?
    ");
    folders(&place, "kaggle", &[("train/ant", 2), ("train/bee", 2)]);
    place.write("kaggle/test/0.jpg", jpeg(0, 0));
    insta::assert_snapshot!(refused(&place, "--dataset folder --data kaggle --test-fraction 0.5"), @"
    exit 2
    error: `kaggle`: expected a folder of images for each class, got `test` and `train`, which are splits of a data set
    hint: leave out `--test-fraction` and `--split-file`, or give one folder alone: `--data kaggle/train`
    ");
    // A train is a vehicle, too.
    folders(&place, "vehicles", &[("bus", 4), ("train", 4)]);
    place.ok(&dump_line("--dataset folder --data vehicles --test-fraction 0.5", "vehicles-cache"));
    assert_eq!(manifest(&place, "vehicles-cache").class_names, ["bus", "train"]);
}

#[test]
fn byte_order_marks_and_carriage_returns_are_no_part_of_names() {
    let place = Workplace::new();
    lists(&place);
    for list in ["train", "val", "test"] {
        let path = format!("images/ImageNet_LT_{list}.txt");
        let text = std::fs::read_to_string(place.path(&path)).unwrap().replace('\n', "\r\n");
        place.write(&path, format!("\u{feff}{text}"));
    }
    let run = place.ok(&dump_line("--dataset imagenet-lt --data images --skip-broken", "cache"));
    assert!(!run.stderr.contains("left out"), "{}", run.stderr);
    assert_eq!(manifest(&place, "cache").train_class_counts.counts(), [6, 4, 2]);
    folders(&place, "photos", &[("ant", 2), ("bee", 2)]);
    place.write(
        "split.txt",
        "\u{feff}ant/0.jpg train\r\n./ant//1.jpg test\r\nbee/0.jpg train\r\nbee/1.jpg test\r\n",
    );
    place.ok(&dump_line("--dataset folder --data photos --split-file split.txt", "split-cache"));
    place.write("split.txt", [0xFF, 0xFE, b'a', 0]);
    insta::assert_snapshot!(refused(&place, "--dataset folder --data photos --split-file split.txt"), @"
    exit 2
    error: `split.txt`: expected a list of images, got text in UTF-16
    hint: save it as UTF-8
    ");
}

#[test]
fn a_file_is_in_one_split_however_it_is_spelt_or_linked() {
    let place = Workplace::new();
    for number in 0..6 {
        place.write(&format!("im/{number}.jpg"), jpeg(0, number));
    }
    place.write("train.txt", "im/0.jpg 0\nim/1.jpg 1\n");
    let data = "--dataset list --data . --train-list train.txt --val-list val.txt --test-list test.txt";
    let refused = |val: &str, test: &str| {
        place.write("val.txt", val);
        place.write("test.txt", test);
        refused(&place, data)
    };
    insta::assert_snapshot!(refused("im/2.jpg 0\n", "./im//1.jpg 1\n"), @"
    exit 2
    error: `test.txt`: expected each image once, got `./im//1.jpg` of line 2 of `train.txt` again in line 1
    hint: remove one of the two
    ");
    insta::assert_snapshot!(refused("im/2.jpg 0\n", "im/3.jpg 0\nim/x/../2.jpg 0\n"), @"
    exit 2
    error: `test.txt`: expected each image once, got `im/x/../2.jpg` of line 1 of `val.txt` again in line 2
    hint: remove one of the two
    ");
    std::os::unix::fs::symlink("0.jpg", place.path("im/link.jpg")).unwrap();
    insta::assert_snapshot!(refused("im/2.jpg 0\n", "im/link.jpg 0\n"), @"
    exit 2
    error: `test.txt`: expected each file in one split, got `im/link.jpg`, the same file as `im/0.jpg`, in line 1
    hint: remove one of the two
    ");
    std::fs::hard_link(place.path("im/2.jpg"), place.path("im/hard.jpg")).unwrap();
    insta::assert_snapshot!(refused("im/2.jpg 0\n", "im/hard.jpg 0\n"), @"
    exit 2
    error: `test.txt`: expected each file in one split, got `im/hard.jpg`, the same file as `im/2.jpg`, in line 1
    hint: remove one of the two
    ");
}

#[test]
fn a_file_is_of_one_class() {
    let place = Workplace::new();
    folders(&place, "photos", &[("train/ant", 2), ("train/bee", 2), ("test/ant", 1), ("test/bee", 1)]);
    std::os::unix::fs::symlink("../ant/1.jpg", place.path("photos/train/bee/7.jpg")).unwrap();
    insta::assert_snapshot!(refused(&place, "--dataset folder --data photos"), @"
    exit 2
    error: `photos/train`: expected each file in one class, got `train/bee/7.jpg`, the same file as `train/ant/1.jpg`, in image 5
    hint: remove one of the two
    ");
}

#[test]
fn copies_in_two_splits_are_a_caution_wherever_numbers_are() {
    let place = Workplace::new();
    folders(&place, "photos", &[("train/ant", 3), ("train/bee", 3), ("test/ant", 3), ("test/bee", 3)]);
    std::fs::copy(place.path("photos/train/ant/1.jpg"), place.path("photos/test/bee/0.jpg")).unwrap();
    let Run { stderr, .. } = place.ok(&dump_line("--dataset folder --data photos", "cache"));
    let caution = "1 of 6 test samples are training samples, too (test/bee/0.jpg)";
    assert!(stderr.contains(&format!("warning: {caution}\n")), "{stderr}");
    let shown = place.ok("inspect cache").stdout;
    assert!(shown.contains(&format!("caution              {caution}\n")), "{shown}");
    // It is no part of the features' identity.
    let mut without = manifest(&place, "cache");
    let key = without.cache_key();
    without.dataset.overlaps.clear();
    assert_eq!(without.cache_key(), key);
}

#[test]
fn nothing_is_left_out_in_silence() {
    let place = Workplace::new();
    folders(
        &place,
        "photos",
        &[("train/ant", 2), ("train/bee", 2), ("test/ant", 1), ("test/bee", 1), ("extra/ant", 1)],
    );
    for other in ["train/ant/notes.txt", "train/ant/.DS_Store", "train/list.csv", "README.md"] {
        place.write(&format!("photos/{other}"), "x");
    }
    std::os::unix::fs::symlink("..", place.path("photos/train/bee/up")).unwrap();
    place.write("photos/train/bee/9.jpg", "no image");
    let run = place.ok(&dump_line("--dataset folder --data photos --skip-broken", "cache"));
    let line = run.stderr.lines().find(|line| line.starts_with("left out: ")).unwrap();
    for part in [
        "1 image that could not be read (train/bee/9.jpg)",
        "1 file whose ending is of no image (train/ant/notes.txt)",
        "1 file hidden by a leading dot (train/ant/.DS_Store)",
        "1 file outside of the class folders (train/list.csv)",
        "1 folder beside the splits (extra)",
        "1 file beside the splits (README.md)",
    ] {
        assert!(line.contains(part), "{part}\n{line}");
        let shown = place.ok("inspect cache").stdout;
        assert!(shown.contains(&format!("left out             {part}\n")), "{part}\n{shown}");
    }
    assert!(line.contains("1 link to a folder around them (train/bee/up)"), "{line}");
    assert_eq!(manifest(&place, "cache").train_class_counts.counts(), [2, 2]);
}

#[test]
fn splits_and_classes_without_images_are_named() {
    let place = Workplace::new();
    folders(&place, "photos", &[("train/ant", 2), ("train/bee", 1), ("test/ant", 1), ("test/bee", 1)]);
    place.write("photos/train/cat/notes.txt", "x");
    insta::assert_snapshot!(refused(&place, "--dataset folder --data photos"), @"
    exit 2
    error: `photos/train/cat`: expected training images of the class `cat` (jpg, jpeg, png, webp, bmp, ppm, pgm, pbm, pnm, tif, tiff), got only `notes.txt`
    hint: put images there, or remove the folder
    ");
    std::fs::remove_dir_all(place.path("photos/train/cat")).unwrap();
    place.write("photos/train/bee/0.jpg", "no image");
    insta::assert_snapshot!(refused(&place, "--dataset folder --data photos --skip-broken"), @"
    exit 2
    check photos/train: 3/3 in 0.0 s
    error: `photos/train`: expected a training image of class `bee`, got none that can be read: `train/bee/0.jpg` left out
    hint: get these files again, or remove them from the data set
    ");
    place.write("photos/train/bee/0.jpg", jpeg(1, 7));
    for class in ["ant", "bee"] {
        place.write(&format!("photos/test/{class}/0.jpg"), "");
    }
    insta::assert_snapshot!(refused(&place, "--dataset folder --data photos --skip-broken"), @"
    exit 2
    check photos/train: 3/3 in 0.0 s
    check photos/test: 2/2 in 0.0 s
    error: `photos/test`: expected images, got none that can be read: `test/ant/0.jpg`, `test/bee/0.jpg` left out
    hint: get these files again, or remove them from the data set
    ");
    insta::assert_snapshot!(refused(&place, "--dataset folder --data photos"), @"
    exit 2
    error: `photos/test/ant/0.jpg`: expected an image, got an empty file (1 more of this split cannot be read: `test/bee/0.jpg`)
    hint: get the file again; `--skip-broken` leaves such images out
    ");
}

#[test]
fn classes_keep_the_names_of_their_folders_or_of_a_file() {
    let place = Workplace::new();
    lists(&place);
    let data = "--dataset imagenet-lt --data images";
    place.ok(&dump_line(data, "cache"));
    assert_eq!(manifest(&place, "cache").class_names, ["n00", "n01", "n02"]);
    place.write("names.txt", "tench\ngoldfish\nshark\n");
    place.ok(&dump_line(&format!("{data} --class-names names.txt"), "named"));
    assert_eq!(manifest(&place, "named").class_names, ["tench", "goldfish", "shark"]);
    place.write("names.txt", "tench\ngoldfish\n");
    insta::assert_snapshot!(refused(&place, &format!("{data} --class-names names.txt")), @"
    exit 2
    error: `names.txt`: expected 3 names of classes, one a line or as JSON, in the order of the labels, got 2 names
    hint: the training labels, or the head, decide the number of classes
    ");
}

#[test]
fn the_cache_says_which_file_each_row_is_of() {
    let place = Workplace::new();
    lists(&place);
    let data = "--dataset imagenet-lt --data images";
    place.ok(&dump_line(data, "cache"));
    let listing = zstd::decode_all(&*std::fs::read(place.path("cache/images.tsv.zst")).unwrap()).unwrap();
    let listing = String::from_utf8(listing).unwrap();
    let lines: Vec<Vec<&str>> = listing.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 1 + 12 + 6 + 6);
    assert_eq!(lines[0], ["split", "sample_id", "label", "bytes", "path"]);
    let size = std::fs::metadata(place.path("images/train/n00/1.JPEG")).unwrap().len().to_string();
    assert_eq!(lines[2], ["train", "1", "0", &size, "train/n00/1.JPEG"]);
    assert_eq!(lines[24][4], "test/n02/1.JPEG");
    // It travels with the cache, and is verified and repaired as every other file.
    place.ok("pack cache cache.tar.zst");
    place.ok("unpack cache.tar.zst again");
    assert_eq!(
        std::fs::read(place.path("again/images.tsv.zst")).unwrap(),
        std::fs::read(place.path("cache/images.tsv.zst")).unwrap()
    );
    let whole = std::fs::read(place.path("cache/images.tsv.zst")).unwrap();
    place.write("cache/images.tsv.zst", &whole[1..]);
    assert_eq!(place.run("verify cache").code, Some(1));
    place.ok(&format!("verify cache --repair --torchscript {MODULE} --data images --device cpu --threads 1"));
    assert_eq!(std::fs::read(place.path("cache/images.tsv.zst")).unwrap(), whole);
}

#[test]
fn imported_splits_that_share_rows_are_refused_or_a_caution() {
    let place = Workplace::new();
    place.write("train.safetensors", safetensors(&rows(12, 0), None, None));
    place.write("test.safetensors", safetensors(&rows(6, 100), None, None));
    place.write("names.txt", "ant\nbee\ncat\n");
    let run = place.ok(
        "import --train train.safetensors --val test.safetensors --test test.safetensors --class-names names.txt --out cache",
    );
    let caution = "all 6 test samples are the same as validation samples (row 0, row 1, row 2 …)";
    assert!(run.stderr.contains(&format!("warning: {caution}\n")), "{}", run.stderr);
    assert!(place.ok("inspect cache").stdout.contains(caution));
    assert_eq!(manifest(&place, "cache").class_names, ["ant", "bee", "cat"]);
    let refused = |line: &str| {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line}");
        run.stderr
    };
    let same = refused("import --train train.safetensors --test train.safetensors --out same");
    assert!(same.contains("the same features in all 12 rows as in `train.safetensors`"), "{same}");
    // Eight of these rows, but not all, are training rows.
    let mut mixed = rows(9, 0);
    mixed.features[48..].iter_mut().for_each(|feature| *feature += 1000.0);
    place.write("mixed.safetensors", safetensors(&mixed, None, None));
    let run = place.ok("import --train train.safetensors --test mixed.safetensors --out mixed");
    assert!(
        run.stderr.contains("warning: 8 of 9 test samples are training samples, too (row 0"),
        "{}",
        run.stderr
    );
    place.write("empty.safetensors", safetensors(&rows(0, 0), None, None));
    let empty = refused("import --train train.safetensors --test empty.safetensors --out empty");
    assert!(empty.contains("`empty.safetensors`"), "{empty}");
}
