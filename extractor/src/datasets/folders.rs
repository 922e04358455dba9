//! What is in a folder.

use crate::ExtractError;
use std::path::Path;

/// Names in a folder, in order.
pub(super) fn children(folder: &Path) -> Result<Vec<String>, ExtractError> {
    let entries = std::fs::read_dir(folder).map_err(ExtractError::io("read", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(ExtractError::io("read", folder))?.file_name();
        let name = name.into_string().map_err(|name| ExtractError::Malformed {
            path: folder.join(&name),
            expected: "a name in UTF-8".to_owned(),
            got: "other bytes".to_owned(),
            hint: "rename it".to_owned(),
        })?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// Names of the folders in a folder, in order, without hidden ones.
pub(super) fn folders(folder: &Path) -> Result<Vec<String>, ExtractError> {
    let is_shown = |name: &String| !name.starts_with('.') && folder.join(name).is_dir();
    Ok(children(folder)?.into_iter().filter(is_shown).collect())
}
