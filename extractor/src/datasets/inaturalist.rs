//! iNaturalist's own annotation files, in the JSON layout of COCO.
//!
//! # Source
//! Van Horn et al. 2018 (arXiv 1707.06642); `train2018.json` and `val2018.json` of the 2018 competition. Its validation
//! images are what long-tail papers test on.

use super::{
    DatasetKind, SourceFiles, SourceImages,
    assemble::assemble,
    entries::{Entry, List, Lists},
    left_out::LeftOuts,
    list::content,
    source_files::LISTS,
};
use crate::{ExtractError, transform::Transform};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// 8,142 classes of 1,000 … 2 images; 437,513 in all.
pub(super) const INATURALIST18: DatasetKind = DatasetKind {
    name: "inaturalist18",
    about: "iNaturalist 2018: train2018.json, val2018.json, which is the test (or --train-list, --test-list) and the images",
    transform: Transform::INATURALIST18,
    takes: LISTS,
    load,
};

#[derive(Deserialize)]
struct Document {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: Box<str>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// Classes by their id in the files: the class number, and the name.
type Classes = BTreeMap<u64, (u32, String)>;

fn load(files: &SourceFiles) -> Result<SourceImages, ExtractError> {
    let usual = |name: &str| files.root.join(name);
    let train_path = files.train_list.clone().unwrap_or_else(|| usual("train2018.json"));
    let test_path = files.test_list.clone().unwrap_or_else(|| usual("val2018.json"));
    let document = parse(&train_path)?;
    let classes = classes(&train_path, &document.categories)?;
    let train = list(&train_path, document, &classes)?;
    // A test split that is drawn needs no annotations; those that lie there are refused beside a fraction.
    let drawn = files.fractions.test.is_some() && files.test_list.is_none() && !test_path.exists();
    let test = if drawn { None } else { Some(list(&test_path, parse(&test_path)?, &classes)?) };
    let val = files.val_list.as_ref().map(|path| list(path, parse(path)?, &classes)).transpose()?;
    let class_names = Some(classes.into_values().map(|(_, name)| name).collect());
    let left_out = LeftOuts::default();
    assemble(Lists { root: files.root.clone(), train, val, test, class_names, left_out }, files)
}

fn parse(path: &Path) -> Result<Document, ExtractError> {
    serde_json::from_str(&content(path)?).map_err(|error| {
        malformed(
            path,
            "JSON with `images` (`id`, `file_name`), `annotations` (`image_id`, `category_id`) and `categories` (`id`, `name`)",
            error.to_string(),
        )
    })
}

fn classes(path: &Path, categories: &[Category]) -> Result<Classes, ExtractError> {
    let mut classes = Classes::new();
    for category in categories {
        if classes.insert(category.id, (0, category.name.clone())).is_some() {
            return Err(malformed(path, "categories with different ids", format!("{} twice", category.id)));
        }
    }
    classes.values_mut().zip(0_u32..).for_each(|((class, _), number)| *class = number);
    Ok(classes)
}

/// The images in the order of the annotations.
fn list(path: &Path, document: Document, classes: &Classes) -> Result<List, ExtractError> {
    let mut names = HashMap::with_capacity(document.images.len());
    for image in document.images {
        if names.insert(image.id, image.file_name).is_some() {
            return Err(malformed(path, "images with different ids", format!("{} twice", image.id)));
        }
    }
    let mut list = List { path: path.to_owned(), unit: "annotation", entries: Vec::new() };
    for (row, annotation) in document.annotations.into_iter().enumerate() {
        let hint = "the file is damaged, or of another data set";
        let Some((class, _)) = classes.get(&annotation.category_id) else {
            let got = format!("category {}", annotation.category_id);
            return Err(list.malformed(row, "a category of the training annotations", &got, hint));
        };
        // Removed, so that a second annotation of an image finds none.
        let Some(name) = names.remove(&annotation.image_id) else {
            let got = format!("image {}", annotation.image_id);
            return Err(list.malformed(row, "an image of `images` that has no annotation yet", &got, hint));
        };
        list.entries.push(Entry { name, label: *class, row });
    }
    if let Some(id) = names.keys().min() {
        return Err(malformed(path, "an annotation of every image", format!("none of image {id}")));
    }
    Ok(list)
}

fn malformed(path: &Path, expected: &str, got: String) -> ExtractError {
    ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: "get the annotations of the 2018 competition again".to_owned(),
    }
}
