//! What a head file says of itself: which classes, pixels and network it is for.

use crate::{ExtractError, transform::Transform};
use cache::{BackboneInfo, Dtype, SaidBackbone, head_file::HeadFile};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, path::Path};

/// What predictions on new images need to know of a head beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Names of the classes `[C]`.
    pub class_names: Vec<String>,
    /// From images to the network's input.
    pub transform: Transform,
    /// The network whose features it reads.
    pub backbone: BackboneInfo,
    /// Number format that features were rounded to before the head read them.
    pub dtype: Dtype,
    /// Whether its logits are the mean of those of an image and of the mirrored image.
    pub test_time_augmentation: bool,
}

impl About {
    /// Reads the metadata of a head of `retrainer export`.
    ///
    /// # Errors
    /// Those of [`HeadFile::read`]; [`ExtractError::Malformed`] for a head that does not say all of it, and for one over other
    /// features than those of a dump.
    pub fn read(path: &Path) -> Result<Self, ExtractError> {
        let file = HeadFile::read(path)?;
        let transforms: BTreeMap<String, String> = json(path, &file, "transform")?;
        let clean = transforms.get("clean").map_or("", String::as_str);
        let transform = Transform::from_clean(clean).ok_or_else(|| ExtractError::Malformed {
            path: path.to_owned(),
            expected: "a head over features of `extractor dump`, with their transform".to_owned(),
            got: format!("`{clean}`"),
            hint: "for features of another program: `retrainer predict --features FILE`".to_owned(),
        })?;
        Ok(Self {
            class_names: json(path, &file, "class_names")?,
            transform,
            backbone: json::<SaidBackbone>(path, &file, "backbone")?.0,
            dtype: json(path, &file, "dtype")?,
            test_time_augmentation: json(path, &file, "test_time_augmentation")?,
        })
    }
}

/// The value of a key of the metadata.
fn json<T: DeserializeOwned>(path: &Path, file: &HeadFile, key: &str) -> Result<T, ExtractError> {
    let missing = |got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected: "a head that says its classes, transform and backbone".to_owned(),
        got,
        hint: hint.to_owned(),
    };
    let text = file.metadata(key);
    let text = text.ok_or_else(|| missing(format!("no `{key}`"), "`retrainer export` writes such a head"))?;
    serde_json::from_str(text)
        .map_err(|error| missing(format!("`{key}` that is no JSON of it ({error})"), "export it again"))
}
