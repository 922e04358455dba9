//! Which folders of a root are splits: `train`, `val` and `test`, as people call them.

use super::SourceFiles;
use crate::ExtractError;
use cache::Split;
use std::path::Path;

/// Names of a split's folder, in lower case; the first one is what the messages call it.
const NAMES: [(Split, &[&str]); 3] = [
    (Split::Train, &["train", "training"]),
    (Split::Val, &["val", "valid", "validation", "dev"]),
    (Split::Test, &["test", "testing"]),
];

/// What follows a split's name without changing it: `train_images`, `val2017`, `test-set`, `Training Data`.
const SUFFIXES: [&str; 6] = ["images", "image", "imgs", "set", "data", "split"];

/// The split that a folder of this name holds.
fn split_of(name: &str) -> Option<Split> {
    let name = name.to_lowercase();
    let mut stem = name.as_str();
    loop {
        if let Some(split) = split_called(stem) {
            return Some(split);
        }
        let shorter =
            stem.trim_end_matches(|letter: char| letter.is_ascii_digit() || "_-. ".contains(letter));
        let shorter = SUFFIXES.iter().find_map(|suffix| shorter.strip_suffix(suffix)).unwrap_or(shorter);
        if shorter.len() == stem.len() {
            return None;
        }
        stem = shorter;
    }
}

/// The split of a name in lower case that is one to the letter.
fn split_called(name: &str) -> Option<Split> {
    NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(split, _)| *split)
}

/// The folders of a root that are splits, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SplitFolders {
    pub(super) train: String,
    pub(super) val: Option<String>,
    pub(super) test: String,
}

/// Finds the splits among the folders of a root.
///
/// # Errors
/// [`ExtractError::NotFound`] names the folder that is missing; [`ExtractError::InvalidSetting`] for two folders of one split,
/// and for a root without splits.
pub(super) fn find(files: &SourceFiles, folders: &[String]) -> Result<SplitFolders, ExtractError> {
    let asked = [&files.train_split, &files.val_split, &files.test_split].map(Option::as_deref);
    for (name, asked) in OPTIONS.into_iter().zip(asked) {
        check_asked(files, folders, name, asked)?;
    }
    let [train, val, test] = [0, 1, 2].map(|index| choose(folders, index, asked));
    let (train, val, test) = (train?, val?, test?);
    match (train, test) {
        (Some(train), Some(test)) => Ok(SplitFolders { train, val, test }),
        (Some(train), None) => Err(missing_test(files, &train, val.as_deref())),
        (None, _) if val.is_some() || folders.iter().any(|name| split_of(name).is_some()) => {
            Err(ExtractError::NotFound {
                path: files.root.join("train"),
                expected: format!("a folder of training images beside {}", quoted(&split_names(folders))),
                hint: "`--train-split NAME` takes another folder".to_owned(),
            })
        }
        (None, _) => Err(no_splits(files, folders)),
    }
}

const OPTIONS: [&str; 3] = ["--train-split", "--val-split", "--test-split"];

fn check_asked(
    files: &SourceFiles,
    folders: &[String],
    name: &'static str,
    asked: Option<&str>,
) -> Result<(), ExtractError> {
    let Some(asked) = asked.filter(|asked| !folders.iter().any(|folder| folder == asked)) else {
        return Ok(());
    };
    Err(ExtractError::InvalidSetting {
        name,
        expected: format!("a folder in `{}`: {}", files.root.display(), quoted(folders)),
        got: format!("`{asked}`"),
        hint: "it is a name, not a path".to_owned(),
    })
}

/// The folder of a split: the one asked for, else the only one of its names that no other split was asked to take.
fn choose(
    folders: &[String],
    index: usize,
    asked: [Option<&str>; 3],
) -> Result<Option<String>, ExtractError> {
    if let Some(name) = asked.get(index).copied().flatten() {
        return match asked.iter().filter(|other| **other == Some(name)).count() {
            1 => Ok(Some(name.to_owned())),
            _ => Err(ExtractError::InvalidSetting {
                name: OPTIONS.get(index).copied().unwrap_or_default(),
                expected: "a folder of its own for each split".to_owned(),
                got: format!("`{name}` twice"),
                hint: "what is trained on or chosen by must not be tested on".to_owned(),
            }),
        };
    }
    let split = NAMES.get(index).map(|(split, _)| *split);
    let of_split = |name: &&String| split_of(name) == split && !asked.contains(&Some(name.as_str()));
    let mut found: Vec<&String> = folders.iter().filter(of_split).collect();
    // `train` beside `train_images` is the one.
    if found.iter().filter(|name| split_called(&name.to_lowercase()).is_some()).count() == 1 {
        found.retain(|name| split_called(&name.to_lowercase()).is_some());
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some((*one).clone())),
        [first, ..] => Err(ExtractError::InvalidSetting {
            name: OPTIONS.get(index).copied().unwrap_or_default(),
            expected: "the name of one folder".to_owned(),
            got: format!("nothing, where {} are there", quoted(&found)),
            hint: format!("`{} {first}` takes that one", OPTIONS.get(index).copied().unwrap_or_default()),
        }),
    }
}

fn missing_test(files: &SourceFiles, train: &str, val: Option<&str>) -> ExtractError {
    let root = files.root.display();
    let fraction = format!(
        "`--data {root}/{train} --test-fraction 0.2` keeps a fifth of each class of `{train}` for the test"
    );
    ExtractError::NotFound {
        path: files.root.join("test"),
        expected: format!("a folder of test images beside `{train}`"),
        hint: match val {
            Some(val) => {
                format!("`--test-split {val}` tests on `{val}`, and nothing is chosen by it; {fraction}")
            }
            None => format!("`--test-split NAME` takes another folder; {fraction}"),
        },
    }
}

fn no_splits(files: &SourceFiles, folders: &[String]) -> ExtractError {
    let inside = |folder: &&String| {
        super::folders::folders(&files.root.join(folder))
            .is_ok_and(|inner| inner.iter().any(|name| split_of(name) == Some(Split::Train)))
    };
    let hint = match folders.iter().find(inside) {
        Some(folder) => format!("did you mean `--data {}`?", files.root.join(folder).display()),
        None => "`--test-fraction 0.2` keeps a fifth of each class for the test".to_owned(),
    };
    ExtractError::InvalidSetting {
        name: "--test-fraction",
        expected: "a fraction, a `--split-file`, or the folders `train` and `test`".to_owned(),
        got: format!("none of them for `{}`", files.root.display()),
        hint,
    }
}

fn split_names(folders: &[String]) -> Vec<&String> {
    folders.iter().filter(|name| split_of(name).is_some()).collect()
}

/// `` `a`, `b` and `c` ``
fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().take(8).map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some(_) if names.len() > 8 => format!("{} …", quoted.join(", ")),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Refuses class folders that are splits, or hold several: `train`, `val` … never become classes.
///
/// A class may be called `train`, the vehicle, where images lie directly in it and no other split is beside it.
///
/// # Errors
/// [`ExtractError::Malformed`], with what reads the folders as splits.
pub(super) fn refuse_as_classes(folder: &Path, classes: &[String]) -> Result<(), ExtractError> {
    let inside = |name: &str| super::folders::folders(&folder.join(name));
    let a_class = |name: &str| {
        split_called(&name.to_lowercase()) == Some(Split::Train)
            && inside(name).is_ok_and(|inner| inner.is_empty())
    };
    match split_names(classes).as_slice() {
        [] => {}
        [only] if a_class(only) && classes.len() > 1 => {}
        splits => return Err(are_splits(folder, splits, false)),
    }
    for class in classes {
        // What cannot be listed is the reader's to refuse.
        let inner = inside(class).unwrap_or_default();
        let splits = split_names(&inner);
        let first = splits.first().and_then(|name| split_of(name));
        if splits.iter().any(|name| split_of(name) != first) {
            return Err(are_splits(&folder.join(class), &splits, true));
        }
    }
    Ok(())
}

/// The error of splits in `folder` that would become classes; `deeper` where `--data` names the folder above.
fn are_splits(folder: &Path, splits: &[&String], deeper: bool) -> ExtractError {
    let of = |split| splits.iter().find(|name| split_of(name) == Some(split)).map(|name| name.as_str());
    let (train, val, test) = (of(Split::Train), of(Split::Val), of(Split::Test));
    let first = train.or_else(|| splits.first().map(|name| name.as_str())).unwrap_or_default();
    let within = format!("`--data {}`", folder.join(first).display());
    let here = if deeper { format!("give `--data {}`: ", folder.display()) } else { String::new() };
    let hint = match (train, test, val) {
        (Some(_), Some(_), _) => {
            format!(
                "{here}leave out `--test-fraction` and `--split-file`, or give one folder alone: {within}"
            )
        }
        (Some(_), None, Some(val)) => format!(
            "{here}give `--test-split {val}` in place of `--test-fraction`, or one folder alone: {within}"
        ),
        _ => format!("give one folder alone: {within}; or rename it, where it is a class"),
    };
    ExtractError::Malformed {
        path: folder.to_owned(),
        expected: "a folder of images for each class".to_owned(),
        got: format!(
            "{}, which {} of a data set",
            quoted(splits),
            if splits.len() == 1 { "is a split" } else { "are splits" }
        ),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folders: &[&str], test: Option<&str>) -> Result<SplitFolders, ExtractError> {
        let files = SourceFiles { test_split: test.map(str::to_owned), ..SourceFiles::from("root") };
        find(&files, &folders.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn splits_are_found_under_every_usual_name() {
        let parts = |train: &str, val: Option<&str>, test: &str| SplitFolders {
            train: train.to_owned(),
            val: val.map(str::to_owned),
            test: test.to_owned(),
        };
        assert_eq!(found(&["test", "train"], None).unwrap(), parts("train", None, "test"));
        assert_eq!(
            found(&["Test", "Training", "VALID", "x"], None).unwrap(),
            parts("Training", Some("VALID"), "Test")
        );
        assert_eq!(found(&["train", "val"], Some("val")).unwrap(), parts("train", None, "val"));
        assert_eq!(
            found(&["train", "test", "val", "other"], Some("other")).unwrap(),
            parts("train", Some("val"), "other")
        );
    }

    #[test]
    fn a_year_and_words_for_images_do_not_hide_a_split() {
        for (name, split) in [
            ("train2017", Some(Split::Train)),
            ("Train_Images", Some(Split::Train)),
            ("training_set", Some(Split::Train)),
            ("trainset", Some(Split::Train)),
            ("training-data", Some(Split::Train)),
            ("train_images_2019", Some(Split::Train)),
            ("val2017", Some(Split::Val)),
            ("validation_set", Some(Split::Val)),
            ("devset", Some(Split::Val)),
            ("test-images", Some(Split::Test)),
            ("test_split", Some(Split::Test)),
            ("trainer", None),
            ("bullet train", None),
            ("images", None),
            ("2017", None),
            ("", None),
        ] {
            assert_eq!(split_of(name), split, "{name}");
        }
        let both = found(&["train", "train_images", "test2017"], None).unwrap();
        assert_eq!((both.train.as_str(), both.test.as_str()), ("train", "test2017"));
        assert!(found(&["train2014", "train2017", "test"], None).is_err());
    }

    #[test]
    fn splits_never_become_classes_one_folder_deeper_either() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["coco/train2017", "coco/val2017", "deep/images/train", "deep/images/val", "deep/x"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for folder in ["both/x/train_set", "both/x/test_set", "parts/ant/train", "parts/ant/1", "parts/train"]
        {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let refused = |name: &str| {
            let folder = root.path().join(name);
            let classes = super::super::folders::folders(&folder).unwrap();
            refuse_as_classes(&folder, &classes).err().map(|error| {
                let text = format!("{error}; {}", files::Hint::hint(&error).unwrap_or_default());
                text.replace(&root.path().display().to_string(), "root")
            })
        };
        insta::assert_snapshot!(refused("coco").unwrap(), @"`root/coco`: expected a folder of images for each class, got `train2017` and `val2017`, which are splits of a data set; give `--test-split val2017` in place of `--test-fraction`, or one folder alone: `--data root/coco/train2017`");
        insta::assert_snapshot!(refused("deep").unwrap(), @"`root/deep/images`: expected a folder of images for each class, got `train` and `val`, which are splits of a data set; give `--data root/deep/images`: give `--test-split val` in place of `--test-fraction`, or one folder alone: `--data root/deep/images/train`");
        insta::assert_snapshot!(refused("both").unwrap(), @"`root/both/x`: expected a folder of images for each class, got `test_set` and `train_set`, which are splits of a data set; give `--data root/both/x`: leave out `--test-fraction` and `--split-file`, or give one folder alone: `--data root/both/x/train_set`");
        // `train` is a class here, and a class with one folder called `train` stays one.
        assert_eq!(refused("parts"), None);
    }

    #[test]
    fn what_is_missing_or_there_twice_is_named() {
        let text = |folders: &[&str], test| found(folders, test).unwrap_err().to_string();
        assert!(text(&["train", "val"], None).starts_with("`root/test` not found"));
        assert!(text(&["val", "test"], None).starts_with("`root/train` not found"));
        assert!(text(&["train", "test", "val", "valid"], None).contains("`val` and `valid` are there"));
        assert!(text(&["train", "test"], Some("tset")).contains("got `tset`"));
        assert!(text(&["ant", "bee"], None).starts_with("`--test-fraction`"));
    }
}
