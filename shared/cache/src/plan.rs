//! What a dump is going to write: the rows of each view and how they are cut into shards.

use crate::{
    classes::ClassId,
    manifest::{FileInfo, ShardInfo, ViewInfo},
    view::ViewId,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// The rows of one view and how they are cut into shards.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// The view.
    pub id: ViewId,
    /// Label of each row.
    pub labels: Vec<ClassId>,
    /// Row in the source set of each row.
    pub sample_ids: Vec<i64>,
    /// Rows in a shard, at least 1; the last one may hold fewer.
    pub shard_rows: usize,
}

impl ViewPlan {
    /// The rows of each shard; one empty shard for a view without rows.
    pub fn shards(&self) -> Vec<Range<usize>> {
        let step = self.shard_rows.max(1);
        let count = self.labels.len().div_ceil(step).max(1);
        (0..count).map(|index| index * step..((index + 1) * step).min(self.labels.len())).collect()
    }

    pub(crate) fn file(&self, index: usize) -> String {
        format!("{}/{index:05}.safetensors", self.id)
    }

    /// The view as the manifest of an unfinished dump lists it: sizes and digests are not known yet.
    fn announce(&self) -> ViewInfo {
        let shard = |(index, rows): (usize, Range<usize>)| ShardInfo {
            rows: rows.len() as u64,
            file: FileInfo { file: self.file(index), bytes: 0, blake3: String::new() },
        };
        ViewInfo {
            rows: self.labels.len() as u64,
            shards: self.shards().into_iter().enumerate().map(shard).collect(),
        }
    }
}

/// The views of an unfinished dump.
pub(crate) fn announce<'plan>(
    plans: impl IntoIterator<Item = &'plan ViewPlan>,
) -> BTreeMap<ViewId, ViewInfo> {
    plans.into_iter().map(|plan| (plan.id, plan.announce())).collect()
}

/// Where two dumps have other views, or cut them into other shards.
pub(crate) fn differences(
    there: &BTreeMap<ViewId, ViewInfo>,
    here: &BTreeMap<ViewId, ViewInfo>,
) -> Vec<String> {
    let rows = |view: &ViewInfo| view.shards.iter().map(|shard| shard.rows).collect::<Vec<_>>();
    let ids: BTreeSet<&ViewId> = there.keys().chain(here.keys()).collect();
    ids.into_iter()
        .filter_map(|id| match (there.get(id), here.get(id)) {
            (Some(there), Some(here)) if rows(there) == rows(here) => None,
            (Some(_), Some(_)) => Some(format!("`{id}` has shards of other rows there")),
            (Some(_), None) => Some(format!("`{id}` is there, and not asked for")),
            (None, _) => Some(format!("`{id}` is not there")),
        })
        .collect()
}
