//! A dump that was stopped ends like one that was not.

use cache::synthetic::SyntheticCache;
use cache::{CacheError, CacheWriter, Dump, FeatureCache, Manifest, ShardStore, ViewPlan};
use std::{fs, path::Path};

fn manifest(cache: &Path) -> Manifest {
    Manifest {
        views: Default::default(),
        stage1_head: None,
        batch_norm_statistics: None,
        ..FeatureCache::open(cache).unwrap().manifest().clone()
    }
}

/// What was asked for when a cache was written.
fn plans(cache: &Path) -> Vec<ViewPlan> {
    let cache = FeatureCache::open(cache).unwrap();
    let plan = |(id, view): (&cache::ViewId, &cache::ViewInfo)| ViewPlan {
        id: *id,
        labels: cache.labels(id.split).to_vec(),
        sample_ids: cache.sample_ids(id.split),
        shard_rows: usize::try_from(view.shards[0].rows).unwrap(),
    };
    cache.manifest().views.iter().map(plan).collect()
}

fn begun(path: &Path, manifest: Manifest, plans: &[ViewPlan]) -> CacheWriter {
    let Dump::Unfinished(writer) = Dump::begin(path, manifest, plans).unwrap() else { panic!("finished") };
    writer
}

#[test]
fn a_stopped_dump_goes_on_at_the_first_missing_shard() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let synthetic = SyntheticCache { class_counts: vec![150, 150], ..SyntheticCache::default() };
    synthetic.write(&whole).unwrap();
    let settings = manifest(&whole);
    let writer = begun(&stopped, settings.clone(), &plans(&whole));
    drop(writer);
    assert!(matches!(FeatureCache::open(&stopped), Err(CacheError::UnfinishedDump { .. })));
    // Some shards are there, one as a torn temporary file.
    fs::create_dir(stopped.join("train.clean")).unwrap();
    fs::copy(whole.join("train.clean/00001.safetensors"), stopped.join("train.clean/00001.safetensors"))
        .unwrap();
    fs::write(stopped.join("train.clean/.longtail-torn0shard00.tmp"), b"half a shard").unwrap();
    let modified =
        || fs::metadata(stopped.join("train.clean/00001.safetensors")).unwrap().modified().unwrap();
    let before = modified();
    synthetic.write(&stopped).unwrap();
    assert_eq!(modified(), before, "a whole shard is not written again");
    let (one, two) = (FeatureCache::open(&whole).unwrap(), FeatureCache::open(&stopped).unwrap());
    assert_eq!(one.cache_key(), two.cache_key());
    assert!(!stopped.join("train.clean/.longtail-torn0shard00.tmp").exists());
    assert!(!stopped.join("manifest.partial.json").exists());
}

#[test]
fn another_dump_in_the_same_folder_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    SyntheticCache::default().write(&path).unwrap();
    let settings = manifest(&path);
    assert!(matches!(Dump::begin(&path, settings.clone(), &plans(&path)).unwrap(), Dump::Finished(_)));
    let mut other = settings.clone();
    other.dataset.seed = Some(7);
    let refused = Dump::begin(&path, other, &plans(&path));
    let Err(CacheError::OtherDump { difference, .. }) = refused else { panic!() };
    insta::assert_snapshot!(difference, @"`dataset.seed` is 0 there, 7 here");
    let mut cut_otherwise = plans(&path);
    cut_otherwise[0].shard_rows -= 1;
    cut_otherwise.pop();
    let refused = Dump::begin(&path, settings, &cut_otherwise);
    let Err(CacheError::OtherDump { difference, .. }) = refused else { panic!() };
    insta::assert_snapshot!(difference, @"`train.clean` has shards of other rows there; `test.flipped` is there, and not asked for");
}

#[test]
fn a_folder_with_foreign_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    SyntheticCache::default().write(&path).unwrap();
    let settings = manifest(&path);
    fs::write(folder.path().join("thesis.tex"), b"do not touch").unwrap();
    assert!(matches!(Dump::begin(folder.path(), settings, &plans(&path)), Err(CacheError::NotEmpty { .. })));
}

#[test]
fn the_cache_key_is_of_what_decides_the_bytes_not_of_paths_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seed| {
        let path = folder.path().join(name);
        SyntheticCache { seed, ..SyntheticCache::default() }.write(&path).unwrap();
        FeatureCache::open(&path).unwrap().manifest().clone()
    };
    let (one, same, other) = (write("one", 0), write("same", 0), write("other", 1));
    let later = Manifest { created_unix: one.created_unix + 1000, ..same };
    assert_eq!(one.cache_key(), later.cache_key());
    assert_ne!(one.cache_key(), other.cache_key());
}

#[test]
fn of_many_processes_that_begin_a_dump_one_announces_it_and_all_may_write() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, shared_by_all) = (folder.path().join("whole"), folder.path().join("shared"));
    SyntheticCache::default().write(&whole).unwrap();
    let (settings, plans) = (manifest(&whole), plans(&whole));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let writer = begun(&shared_by_all, settings.clone(), &plans);
                assert!(writer.missing_shards(&plans[0]).unwrap().contains(&0));
            });
        }
    });
    let names: Vec<String> = fs::read_dir(&shared_by_all)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("manifest") || name.ends_with(".tmp"))
        .collect();
    assert_eq!(names, ["manifest.partial.json"]);
}

#[test]
fn of_two_that_write_the_same_shard_the_first_stays_and_a_damaged_one_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, again) = (folder.path().join("whole"), folder.path().join("again"));
    SyntheticCache::default().write(&whole).unwrap();
    let plans = plans(&whole);
    let writer = begun(&again, manifest(&whole), &plans);
    let shard = again.join(format!("{}/00000.safetensors", plans[0].id));
    let write = |number: f32| {
        assert_eq!(writer.missing_shards(&plans[0]).unwrap()[0], 0);
        let mut shard = writer.shard(&plans[0], 0).unwrap();
        let numbers = plans[0].shards()[0].len() * writer.manifest().feature_dim;
        shard.push(&vec![number; numbers]).unwrap();
        shard
    };
    let (mine, theirs) = (write(1.0), write(2.0));
    theirs.finish().unwrap();
    let bytes = fs::read(&shard).unwrap();
    mine.finish().unwrap();
    assert!(fs::read(&shard).unwrap() == bytes, "the first stays");
    fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    write(2.0).finish().unwrap();
    assert!(fs::read(&shard).unwrap() == bytes, "the damaged one is written again");
}

/// The digest is of what was written, not of what the disk made of it: `verify` finds a shard that changed before the end.
#[test]
fn a_shard_that_changes_before_the_manifest_is_written_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = (folder.path().join("whole"), folder.path().join("cache"));
    SyntheticCache::default().write(&whole).unwrap();
    let plans = plans(&whole);
    let writer = begun(&path, manifest(&whole), &plans);
    let cache = FeatureCache::open(&whole).unwrap();
    for plan in &plans {
        let view = cache.view(plan.id.split, plan.id.view).unwrap();
        for index in writer.missing_shards(plan).unwrap() {
            let rows = plan.shards()[index].clone();
            let mut features = vec![0.0; rows.len() * cache.dim()];
            view.read_rows(rows, &mut features).unwrap();
            let mut shard = writer.shard(plan, index).unwrap();
            shard.push(&features).unwrap();
            shard.finish().unwrap();
        }
    }
    let shard = path.join("train.clean/00000.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, &bytes).unwrap();
    let written = writer.finish().unwrap();
    let shards = |manifest: &Manifest| -> Vec<String> {
        manifest.views.values().flat_map(|view| &view.shards).map(|shard| shard.file.blake3.clone()).collect()
    };
    assert_eq!(shards(&written), shards(cache.manifest()));
    let damages = FeatureCache::verify(&path, |_| ()).unwrap();
    let files: Vec<&str> = damages.iter().map(|damage| damage.file.file.as_str()).collect();
    assert_eq!(files, ["train.clean/00000.safetensors"]);
}
