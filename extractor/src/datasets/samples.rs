//! What splits are drawn from.

use cache::ClassId;

/// The samples to draw from.
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    /// Class of each `[N]`.
    pub(crate) labels: &'a [ClassId],
    /// Id of each `[N]`, each once.
    pub(crate) sample_ids: &'a [i64],
    /// What a group file may call each `[N]` beside its id; empty where they have no names.
    pub(crate) names: Vec<&'a str>,
    /// Number of classes C.
    pub(crate) classes: usize,
}
