//! Bad inputs: each gets what was expected, what was found, and a hint.

use crate::{
    images::{cifar10, cifar100},
    import::{npy, rows, safetensors, write_safetensors},
    program::Workplace,
};

const TRAIN: &str = "train --device cpu --backbone resnet32 --epochs 1 --out base";

fn refused_data(place: &Workplace, arguments: &str) -> String {
    let message = place.refused(&format!("{TRAIN} {arguments}"));
    assert!(!place.path("base").exists(), "refused before anything is written");
    message
}

#[test]
fn names_that_no_list_holds() {
    let place = Workplace::new();
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar-100 --data ."), @"
    exit 2
    error: unknown dataset `cifar-100`: known are cifar10, cifar100, imagenet-lt, places-lt, inaturalist18, list, folder
    hint: did you mean `cifar100`?
    ");
}

#[test]
fn folders_without_the_files() {
    let place = Workplace::new();
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar100 --data nowhere"), @"
    exit 2
    error: `nowhere/test.bin` not found: expected train.bin, test.bin, fine_label_names.txt
    hint: the folder itself does not exist: check `--data`
    ");
    cifar100(&place, "data/cifar-100-binary", 1, 1);
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar100 --data data"), @"
    exit 2
    error: `data/test.bin` not found: expected train.bin, test.bin, fine_label_names.txt
    hint: did you mean `--data data/cifar-100-binary`?
    ");
    place.write("python/train", "pickle");
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar100 --data python"), @"
    exit 2
    error: `python/test.bin` not found: expected train.bin, test.bin, fine_label_names.txt
    hint: this is the Python version; the binary version unpacks to `cifar-100-binary`
    ");
    std::fs::remove_file(place.path("data/cifar-100-binary/fine_label_names.txt")).unwrap();
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar100 --data data/cifar-100-binary"), @"
    exit 2
    error: `data/cifar-100-binary/fine_label_names.txt` not found: expected train.bin, test.bin, fine_label_names.txt
    hint: the binary version from https://www.cs.toronto.edu/~kriz/cifar.html unpacks to `cifar-100-binary`
    ");
}

#[test]
fn files_that_are_not_what_their_names_say() {
    let place = Workplace::new();
    cifar100(&place, "cut", 1, 1);
    let cut = std::fs::read(place.path("cut/test.bin")).unwrap();
    place.write("cut/test.bin", &cut[..cut.len() - 1]);
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar100 --data cut"), @"
    exit 2
    error: `cut/test.bin`: expected whole records of 3074 bytes, got 307399 bytes
    hint: the file is incomplete or of another data set: download it again
    ");

    cifar10(&place, "label", 5, 1);
    let mut label = std::fs::read(place.path("label/data_batch_3.bin")).unwrap();
    label[2 * 3073] = 10;
    place.write("label/data_batch_3.bin", label);
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar10 --data label"), @"
    exit 2
    error: `label/data_batch_3.bin`: expected labels below 10, got 10 in record 2
    hint: the file is damaged or of another data set: download it again
    ");

    cifar100(&place, "names", 1, 1);
    place.write("names/fine_label_names.txt", "apple\nbear\n");
    insta::assert_snapshot!(refused_data(&place, "--dataset cifar100 --data names"), @"
    exit 2
    error: `names/fine_label_names.txt`: expected 100 class names, one a line, got 2
    hint: take the file from the data set's archive
    ");
}

#[test]
fn subsets_that_the_data_does_not_have() {
    let place = Workplace::new();
    cifar10(&place, "data", 20, 1);
    let refused =
        |arguments: &str| refused_data(&place, &format!("--dataset cifar10 --data data {arguments}"));
    insta::assert_snapshot!(refused("--imbalance-ratio 0.5"), @"
    exit 2
    error: `--imbalance-ratio`: expected a number of at least 1, got 0.5
    hint: 100 is the usual benchmark
    ");
    insta::assert_snapshot!(refused("--imbalance-ratio 100"), @"
    exit 2
    error: `--imbalance-ratio`: expected at least one image of every class, got none of class 6
    hint: give a smaller ratio or a larger `--n-max`
    ");
    insta::assert_snapshot!(refused("--imbalance-ratio 2 --n-max 30"), @"
    exit 2
    error: `--n-max`: expected at most the 20 training images of class 0, got 30
    hint: give a smaller `--n-max`
    ");
    insta::assert_snapshot!(refused("--imbalance-ratio 2 --val-per-class 2"), @"
    exit 2
    error: `--val-per-class`: expected enough images that training does not use, got class 0 has 0 images beside the 20 for training
    hint: `--n-max N` leaves the images of a class beyond N over; image files are validation images by `--val-list`, a folder `val`, or `--split-file`; `--val-fraction 0.1` takes a tenth of each class
    ");
    insta::assert_snapshot!(refused("--imbalance-ratio 2 --n-max 19 --val-per-class 2"), @"
    exit 2
    error: `--val-per-class`: expected enough images that training does not use, got class 0 has 1 images beside the 19 for training
    hint: `--n-max N` leaves the images of a class beyond N over; image files are validation images by `--val-list`, a folder `val`, or `--split-file`; `--val-fraction 0.1` takes a tenth of each class
    ");
    insta::assert_snapshot!(refused("--rounding round"), @"
    exit 2
    error: `--rounding`: expected `--imbalance-ratio` or `--n-max`, got the whole training set
    hint: leave it out: it would change nothing
    ");
    insta::assert_snapshot!(refused("--subset index-file"), @"
    exit 2
    error: `--index-file`: expected a file with the training indices, got nothing
    hint: `--subset index-file` reads it
    ");
    place.write("rows.txt", "0 1 2 200");
    insta::assert_snapshot!(refused("--subset index-file --index-file rows.txt"), @"
    exit 2
    error: `rows.txt`: expected different row numbers from 0 to 199, as a JSON list or one a line, got 200
    hint: rows are counted from 0 in the order of the training files
    ");
    insta::assert_snapshot!(refused("--subset index-file --index-file rows.txt --imbalance-ratio 2"), @"
    exit 2
    error: `--subset`: expected class counts from one place, got an index file and a ratio
    hint: leave out `--imbalance-ratio` and `--n-max`
    ");
    insta::assert_snapshot!(refused("--index-file rows.txt"), @"
    exit 2
    error: `--index-file`: expected `--subset index-file`, got `rows.txt` with `--subset first-n`
    hint: give `--subset index-file`, or no index file
    ");
}

#[test]
fn imports_that_do_not_fit_together() {
    let place = Workplace::new();
    write_safetensors(&place);
    let refused = |arguments: &str| {
        let message = place.refused(&format!("import --test test.safetensors --out cache {arguments}"));
        assert!(!place.path("cache").exists(), "refused before anything is written");
        message
    };
    insta::assert_snapshot!(refused("--train absent.safetensors"), @"
    exit 2
    error: could not read `absent.safetensors`
    cause: No such file or directory (os error 2)
    hint: check the path
    ");
    place.write("text.safetensors", "no safetensors file at all");
    insta::assert_snapshot!(refused("--train text.safetensors"), @"
    exit 2
    error: `text.safetensors`: expected a safetensors file or a NumPy archive (npz), got another file
    hint: the file is damaged, or none of these: save it again
    ");
    let mut short = rows(10, 0);
    short.labels[4] = -1;
    place.write("negative.safetensors", safetensors(&short, None, None));
    insta::assert_snapshot!(refused("--train negative.safetensors"), @"
    exit 2
    error: `negative.safetensors`: expected labels counted from 0, got -1 in row 4
    hint: leave out samples without a class
    ");

    place.write("x.npy", npy("<f4", "(2, 3)", &[0; 24]));
    place.write("y.npy", npy("<i8", "(3,)", &[0; 24]));
    place.write("y2.npy", npy("<i8", "(2,)", &[0; 16]));
    place.write("x-complex.npy", npy("<c8", "(2, 3)", &[0; 48]));
    place.write("x-cut.npy", npy("<f4", "(2, 3)", &[0; 23]));
    insta::assert_snapshot!(refused("--train-features x.npy --train-labels y.npy"), @"
    exit 2
    error: `y.npy`: expected 2 labels, one for each row of features, got 3
    hint: save features and labels of the same samples, in the same order
    ");
    insta::assert_snapshot!(refused("--train-features x.npy --train-labels y2.npy"), @"
    exit 2
    error: `test.safetensors`: expected 3 features, as in training, got 6
    hint: all splits come from one backbone
    ");
    insta::assert_snapshot!(refused("--train-features x.npy --train-labels x.npy"), @"
    exit 2
    error: `x.npy`: expected labels [N] of whole numbers, got f32 [2, 3]
    hint: one number a row; of one-hot rows, in NumPy: `labels.argmax(1)`
    ");
    insta::assert_snapshot!(refused("--train-features x-complex.npy --train-labels y2.npy"), @"
    exit 2
    error: `x-complex.npy`: expected an array of floating-point or whole numbers, got '<c8'
    hint: convert it with `array.astype`
    ");
    insta::assert_snapshot!(refused("--train-features x-cut.npy --train-labels y2.npy"), @"
    exit 2
    error: `x-cut.npy`: expected 24 bytes for shape [2, 3], got 23
    hint: the file is incomplete: save it again
    ");

    let mut huge = rows(10, 0);
    huge.labels[4] = i64::from(u32::MAX);
    place.write("huge.safetensors", safetensors(&huge, None, None));
    insta::assert_snapshot!(refused("--train huge.safetensors"), @"
    exit 2
    error: `huge.safetensors`: expected labels below 100000, got 4294967295 in row 4
    hint: number the classes from 0 without gaps
    ");

    let mut large = rows(4, 0);
    large.labels[3] = 7;
    place.write("large.safetensors", safetensors(&large, None, None));
    insta::assert_snapshot!(
        place.refused("import --train train.safetensors --test large.safetensors --out cache"),
        @"
    exit 2
    error: `large.safetensors`: expected labels below 3, got 7 in row 3
    hint: the head, or else the training labels, decide the number of classes
    "
    );
}
