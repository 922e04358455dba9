//! Which folders of a root are splits: `train`, `val` and `test`, as people call them.

use super::SourceFiles;
use crate::ExtractError;
use shared::Split;
use std::path::Path;

/// Names of a split's folder, in lower case; the first one is what the messages call it.
const NAMES: [(Split, &[&str]); 3] = [
    (Split::Train, &["train", "training", "trainset", "train_set"]),
    (Split::Val, &["val", "valid", "validation", "dev", "valset", "val_set"]),
    (Split::Test, &["test", "testing", "testset", "test_set"]),
];

/// The split that a folder of this name holds.
fn split_of(name: &str) -> Option<Split> {
    let name = name.to_lowercase();
    NAMES.iter().find(|(_, names)| names.contains(&&*name)).map(|(split, _)| *split)
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
    let found: Vec<&String> = folders.iter().filter(of_split).collect();
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
        super::folder::folders(&files.root.join(folder))
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

/// Refuses class folders that are splits: `train`, `val` … never become classes.
///
/// A class may be called `train`, the vehicle, where images lie directly in it and no other split is beside it.
///
/// # Errors
/// [`ExtractError::Malformed`], with what reads the folders as splits.
pub(super) fn refuse_as_classes(folder: &Path, classes: &[String]) -> Result<(), ExtractError> {
    let splits = split_names(classes);
    let a_class = |name: &str| {
        split_of(name) == Some(Split::Train)
            && super::folder::folders(&folder.join(name)).is_ok_and(|inner| inner.is_empty())
    };
    match splits.as_slice() {
        [] => Ok(()),
        [only] if a_class(only) && classes.len() > 1 => Ok(()),
        [first, ..] => {
            let of = |split| splits.iter().find(|name| split_of(name) == Some(split));
            let (has, first) = (|split| of(split).is_some(), of(Split::Train).unwrap_or(first));
            let val = of(Split::Val);
            let within = format!("`--data {}`", folder.join(first.as_str()).display());
            let hint = match (has(Split::Train), has(Split::Test), val) {
                (true, true, _) => format!(
                    "leave out `--test-fraction` and `--split-file`, or give one folder alone: {within}"
                ),
                (true, false, Some(val)) => {
                    format!(
                        "give `--test-split {val}` in place of `--test-fraction`, or one folder alone: {within}"
                    )
                }
                _ => format!("give one folder alone: {within}; or rename it, where it is a class"),
            };
            Err(ExtractError::Malformed {
                path: folder.to_owned(),
                expected: "a folder of images for each class".to_owned(),
                got: format!(
                    "{}, which {} of a data set",
                    quoted(&splits),
                    if splits.len() == 1 { "is a split" } else { "are splits" }
                ),
                hint,
            })
        }
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
    fn what_is_missing_or_there_twice_is_named() {
        let text = |folders: &[&str], test| found(folders, test).unwrap_err().to_string();
        assert!(text(&["train", "val"], None).starts_with("`root/test` not found"));
        assert!(text(&["val", "test"], None).starts_with("`root/train` not found"));
        assert!(text(&["train", "test", "val", "valid"], None).contains("`val` and `valid` are there"));
        assert!(text(&["train", "test"], Some("tset")).contains("got `tset`"));
        assert!(text(&["ant", "bee"], None).starts_with("`--test-fraction`"));
    }
}
