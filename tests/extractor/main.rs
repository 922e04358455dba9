//! Integration tests of `extractor`: the program as a user runs it, on tiny data made here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::too_many_lines, reason = "a table of cases is as long as it has cases")]

mod archive;
mod batch_norm;
mod bench;
mod data_changes;
mod data_sets;
mod dump;
mod errors;
mod fractions;
mod help;
mod image_layouts;
mod imagenet_backbones;
mod images;
mod import;
mod import_npz;
mod inspect;
mod kills;
mod layers;
mod outside;
mod partition;
mod photographs;
mod photographs_refused;
mod predict;
mod program;
mod python;
mod repair;
mod repair_sources;
mod stop;
mod synthesise;
mod train;
mod verify;
mod vision_transformers;
mod weights;

#[path = "../fuzz/src/parts.rs"]
#[allow(unreachable_pub, clippy::expect_used, reason = "the fuzz targets' own file")]
mod parts;
#[path = "../fuzz/replay.rs"]
#[allow(unreachable_pub, clippy::expect_used, reason = "the fuzz targets' own file")]
mod replay;
#[path = "../fuzz/src/extractor_targets.rs"]
#[allow(unreachable_pub, clippy::expect_used, reason = "the fuzz targets' own file")]
mod targets;
