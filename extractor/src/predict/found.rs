//! The images that paths lead to.

use crate::{ExtractError, datasets::images_below};
use cache::LeftOut;
use std::path::PathBuf;

/// Images to predict, and what folders hold beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Files, in the order of the paths, and below a folder in name order.
    pub images: Vec<PathBuf>,
    /// What is no image by its name.
    pub left_out: Vec<LeftOut>,
}

/// The images at paths: files as they are, folders with all that is below them.
///
/// # Errors
/// [`ExtractError::NotFound`] for a path that leads nowhere and for folders without images; [`ExtractError::File`].
pub fn find(paths: &[PathBuf]) -> Result<Found, ExtractError> {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            let (names, left_out) = images_below(path)?;
            found.images.extend(names.iter().map(|name| path.join(name)));
            found.left_out.extend(left_out);
        } else if path.exists() {
            found.images.push(path.clone());
        } else {
            return Err(not_found(path, "an image, or a folder of images"));
        }
    }
    match (found.images.is_empty(), paths.first()) {
        (true, Some(first)) => Err(not_found(first, "images below it")),
        _ => Ok(found),
    }
}

fn not_found(path: &std::path::Path, expected: &str) -> ExtractError {
    ExtractError::NotFound {
        path: path.to_owned(),
        expected: expected.to_owned(),
        hint: "check the path".to_owned(),
    }
}
