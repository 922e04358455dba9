//! What heads say of the features that they are for, in the sentences of version 1.

use crate::{manifest::BackboneInfo, version_1};
use serde::Deserialize;
use serde_json::{Value, json};

/// A network as version 1 has it, which heads hold.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub struct SaidBackbone(pub BackboneInfo);

impl TryFrom<Value> for SaidBackbone {
    type Error = serde_json::Error;

    fn try_from(said: Value) -> Result<Self, Self::Error> {
        let mut manifest = json!({ "backbone": said });
        version_1::read(&mut manifest);
        BackboneInfo::deserialize(&manifest["backbone"]).map(Self)
    }
}
