//! Bad lists, annotations, folders and images: each gets what was expected, what was found, and a hint.

use crate::{
    photographs::{jpeg, lists},
    program::Workplace,
};

const TRAIN: &str =
    "train --device cpu --threads 1 --backbone resnet32 --epochs 1 --resize 36 --crop 32 --out base";

fn refused(place: &Workplace, arguments: &str) -> String {
    place.refused(&format!("{TRAIN} {arguments}"))
}

const LISTS: &str = "--dataset imagenet-lt --data images";

/// The message for a training list with these lines beside sound ones.
fn refused_lines(lines: &str) -> String {
    let place = Workplace::new();
    lists(&place);
    let list = std::fs::read_to_string(place.path("images/ImageNet_LT_train.txt")).unwrap();
    place.write("images/ImageNet_LT_train.txt", list + lines);
    let message = refused(&place, LISTS);
    assert!(!place.path("base").exists(), "refused before anything is written");
    message
}

#[test]
fn lines_that_are_no_path_and_label() {
    insta::assert_snapshot!(refused_lines("train/n00/9.JPEG\n"), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected `relative/path.jpg label`, got `train/n00/9.JPEG` in line 13
    hint: labels are whole numbers from 0
    ");
    insta::assert_snapshot!(refused_lines("train/n00/9.JPEG -1\n"), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected `relative/path.jpg label`, got `train/n00/9.JPEG -1` in line 13
    hint: labels are whole numbers from 0
    ");
    insta::assert_snapshot!(refused_lines("\ntrain/n00/9.JPEG 1\n"), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected `relative/path.jpg label`, got `` in line 13
    hint: labels are whole numbers from 0
    ");
}

#[test]
fn labels_outside_the_class_set() {
    insta::assert_snapshot!(refused_lines("train/n00/9.JPEG 4\n"), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected a training image of each of 5 classes, got none of class 3
    hint: classes are counted from 0 without gaps
    ");
    insta::assert_snapshot!(refused_lines("train/n00/9.JPEG 4000000000\n"), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected a training image of each of 4000000001 classes, got none of class 3
    hint: classes are counted from 0 without gaps
    ");
    let place = Workplace::new();
    lists(&place);
    place.write("images/ImageNet_LT_test.txt", "test/n00/0.JPEG 0\ntest/n01/0.JPEG 3\n");
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/ImageNet_LT_test.txt`: expected labels from 0 to 2, the classes of the training images, got label 3 in line 2
    hint: the lists are of different data sets, or count classes from 1
    ");
}

#[test]
fn images_that_are_listed_twice() {
    insta::assert_snapshot!(refused_lines("train/n00/0.JPEG 0\n"), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected each image once, got `train/n00/0.JPEG` of line 1 again in line 13
    hint: remove one of the two
    ");
    insta::assert_snapshot!(refused_lines("test/n00/0.JPEG 0\n"), @"
    exit 2
    error: `images/ImageNet_LT_test.txt`: expected each image once, got `test/n00/0.JPEG` of line 13 of `images/ImageNet_LT_train.txt` again in line 1
    hint: remove one of the two
    ");
}

#[test]
fn lists_that_are_not_there_or_empty() {
    let place = Workplace::new();
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/ImageNet_LT_train.txt` not found: expected a list of images
    hint: check `--data`, or say where it is: `--train-list`, `--val-list`, `--test-list`, `--split-file`
    ");
    insta::assert_snapshot!(refused(&place, "--dataset list --data images"), @"
    exit 2
    error: `--train-list`: expected a list with `relative/path.jpg label` on each line, got nothing
    hint: paths in it are relative to `--data`
    ");
    place.write("images/ImageNet_LT_train.txt", "");
    place.write("images/ImageNet_LT_test.txt", "");
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected images, got none
    hint: check the path
    ");
    place.write("images/ImageNet_LT_train.txt", [0xFF, 0xFE, 0xFF]);
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/ImageNet_LT_train.txt`: expected a list of images, got text in UTF-16
    hint: save it as UTF-8
    ");
}

#[test]
fn images_that_are_missing_empty_cut_or_no_images() {
    let place = Workplace::new();
    lists(&place);
    let name = "images/train/n01/2.JPEG";
    std::fs::remove_file(place.path(name)).unwrap();
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/train/n01/2.JPEG` not found: expected an image
    hint: check `--data`; `--skip-broken` leaves such images out
    ");
    place.write(name, "");
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/train/n01/2.JPEG`: expected an image, got an empty file
    hint: get the file again; `--skip-broken` leaves such images out
    ");
    let whole = jpeg(0, 0);
    place.write(name, &whole[..whole.len() / 2]);
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/train/n01/2.JPEG`: expected an image, got a JPEG file that ends early
    hint: get the file again; `--skip-broken` leaves such images out
    ");
    place.write(name, "<html>404</html>");
    insta::assert_snapshot!(refused(&place, LISTS), @"
    exit 2
    error: `images/train/n01/2.JPEG`: expected an image, got an HTML page and no image
    hint: get the file again; `--skip-broken` leaves such images out
    ");
}

#[test]
fn annotations_that_do_not_fit_together() {
    let refused = |train: &str| {
        let place = Workplace::new();
        place.write("images/train2018.json", train);
        refused(&place, "--dataset inaturalist18 --data images")
    };
    insta::assert_snapshot!(refused("{"), @"
    exit 2
    error: `images/train2018.json`: expected JSON with `images` (`id`, `file_name`), `annotations` (`image_id`, `category_id`) and `categories` (`id`, `name`), got EOF while parsing an object at line 1 column 1
    hint: get the annotations of the 2018 competition again
    ");
    insta::assert_snapshot!(refused(r#"{"images": [], "annotations": []}"#), @"
    exit 2
    error: `images/train2018.json`: expected JSON with `images` (`id`, `file_name`), `annotations` (`image_id`, `category_id`) and `categories` (`id`, `name`), got missing field `categories` at line 1 column 33
    hint: get the annotations of the 2018 competition again
    ");
    let document = |images: &str, annotations: &str| {
        refused(&format!(
            r#"{{"images": [{images}], "annotations": [{annotations}], "categories": [{{"id": 0, "name": "a"}}]}}"#
        ))
    };
    let image = r#"{"id": 7, "file_name": "a.jpg"}"#;
    insta::assert_snapshot!(document(&format!("{image}, {image}"), ""), @"
    exit 2
    error: `images/train2018.json`: expected images with different ids, got 7 twice
    hint: get the annotations of the 2018 competition again
    ");
    insta::assert_snapshot!(document(image, ""), @"
    exit 2
    error: `images/train2018.json`: expected an annotation of every image, got none of image 7
    hint: get the annotations of the 2018 competition again
    ");
    insta::assert_snapshot!(document(image, r#"{"image_id": 7, "category_id": 3}"#), @"
    exit 2
    error: `images/train2018.json`: expected a category of the training annotations, got category 3 in annotation 1
    hint: the file is damaged, or of another data set
    ");
    insta::assert_snapshot!(document(image, r#"{"image_id": 8, "category_id": 0}"#), @"
    exit 2
    error: `images/train2018.json`: expected an image of `images` that has no annotation yet, got image 8 in annotation 1
    hint: the file is damaged, or of another data set
    ");
    let annotation = r#"{"image_id": 7, "category_id": 0}"#;
    insta::assert_snapshot!(document(image, &format!("{annotation}, {annotation}")), @"
    exit 2
    error: `images/train2018.json`: expected an image of `images` that has no annotation yet, got image 7 in annotation 2
    hint: the file is damaged, or of another data set
    ");
}

#[test]
fn folders_and_splits_that_do_not_fit() {
    let place = Workplace::new();
    place.write("photos/ant/0.jpg", jpeg(0, 0));
    place.write("photos/bee/0.jpg", jpeg(1, 0));
    place.write("photos/bee/1.jpg", jpeg(1, 1));
    let folder = "--dataset folder --data photos";
    insta::assert_snapshot!(refused(&place, folder), @"
    exit 2
    error: `--test-fraction`: expected a fraction, a `--split-file`, or the folders `train` and `test`, got none of them for `photos`
    hint: `--test-fraction 0.2` keeps a fifth of each class for the test
    ");
    insta::assert_snapshot!(refused(&place, &format!("{folder} --test-fraction 1.5")), @"
    exit 2
    error: `--test-fraction`: expected a number between 0 and 1, got 1.5
    hint: 0.2 keeps a fifth of each class for the test
    ");
    place.write("split.txt", "bee/0.jpg train\nbee/2.jpg test\n");
    insta::assert_snapshot!(refused(&place, &format!("{folder} --split-file split.txt")), @"
    exit 2
    error: `split.txt`: expected an image in the folder of its class, got `bee/2.jpg test` in line 2
    hint: paths are relative to `--data`, one image a line
    ");
    place.write("split.txt", "bee/0.jpg train\nbee/1.jpg dev\n");
    insta::assert_snapshot!(refused(&place, &format!("{folder} --split-file split.txt")), @"
    exit 2
    error: `split.txt`: expected `relative/path train|val|test`, got `bee/1.jpg dev` in line 2
    hint: paths are relative to `--data`, one image a line
    ");
    place.write("split.txt", "bee/0.jpg train\nbee/0.jpg test\n");
    insta::assert_snapshot!(refused(&place, &format!("{folder} --split-file split.txt")), @"
    exit 2
    error: `split.txt`: expected each image once, got `bee/0.jpg test` in line 2
    hint: paths are relative to `--data`, one image a line
    ");
    place.write("empty/class/notes.txt", "");
    insta::assert_snapshot!(refused(&place, "--dataset folder --data empty --test-fraction 0.5"), @"
    exit 2
    error: `empty/class`: expected training images of the class `class` (jpg, jpeg, png, webp, bmp, ppm, pgm, pbm, pnm, tif, tiff), got only `notes.txt`
    hint: put images there, or remove the folder
    ");
}

#[test]
fn arguments_of_other_data_sets() {
    let place = Workplace::new();
    insta::assert_snapshot!(place.refused("train --dataset cifar10 --data . --train-list a.txt --out base"), @"
    exit 2
    device: cpu (libtorch has no CUDA backend here)
    error: `--train-list`: expected a data set that takes it, not `cifar10`, got a value
    hint: leave it out; `extractor datasets` says what each needs
    ");
    insta::assert_snapshot!(place.refused("train --dataset cifar10 --data . --crop 28 --out base"), @"
    exit 2
    error: `--crop`: expected photographs, got `cifar10`, whose images have one size
    hint: leave it out
    ");
    insta::assert_snapshot!(place.refused("train --dataset list --data . --resize 100 --out base"), @"
    exit 2
    error: `--resize`: expected at least 224, the side that the backbone sees, got 100
    hint: give `--resize` and `--crop` together; ImageNet's are 256 and 224
    ");
    insta::assert_snapshot!(place.refused("train --dataset list --data . --crop 300 --out base"), @"
    exit 2
    error: `--crop`: expected at most 256, the shorter side before the crop, got 300
    hint: give `--resize` and `--crop` together; ImageNet's are 256 and 224
    ");
    insta::assert_snapshot!(refused(&place, &format!("{LISTS} --test-split dev")), @"
    exit 2
    error: `--test-split`: expected a data set that takes it, not `imagenet-lt`, got a value
    hint: leave it out; `extractor datasets` says what each needs
    ");
}
