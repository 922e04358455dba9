//! All runs of a RUNS folder, merged and compact.

use super::{
    caches::{self, CacheSummary},
    error::{RecordError, Warning},
    lines,
    params::Params,
    record::{Added, RunMetrics, RunRecord, Status},
    revision,
};
use serde::de::IgnoredAny;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map, hash_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
};

/// One run without its per-class numbers: about a kilobyte, so that 100,000 of them fit everywhere.
#[derive(Clone, Debug)]
pub struct Run {
    /// Name of the run.
    pub run_id: Box<str>,
    /// Key of the feature cache.
    pub cache_key: Arc<str>,
    /// Where the cache was, a hint for people.
    pub cache: Arc<str>,
    /// Name of the method, with the revision where its arithmetic is another one today.
    pub method: Arc<str>,
    /// All hyper-parameters.
    pub params: Arc<Params>,
    /// Seed of initialisation and sample order.
    pub seed: u64,
    /// Why it is there, where no grid names it.
    pub added: Option<Added>,
    /// How the run ended.
    pub status: Status,
    /// Scores of the weight states.
    pub metrics: RunMetrics,
    /// Share of this head in the time of its group, seconds.
    pub seconds: f64,
    file: usize,
    line: u64,
    /// Files and lines of later records that have states which this one lacks.
    also: Vec<(usize, u64)>,
}

/// The merged runs of a folder, in order of file name and line.
///
/// Of several records of a run the first `ok` one counts, else the first, with the weight states that only later ones have; the others are counted as duplicates.
#[derive(Debug)]
pub struct RunStore {
    path: PathBuf,
    files: Vec<PathBuf>,
    runs: Vec<Run>,
    index: HashMap<Box<str>, usize>,
    caches: BTreeMap<String, CacheSummary>,
    duplicates: u64,
    warnings: Vec<Warning>,
}

impl RunStore {
    /// Reads every `*.jsonl` and `*.jsonl.zst` of a folder, or one such file; a folder without any is an empty store.
    ///
    /// # Errors
    /// [`RecordError::NotFound`] without the folder, [`RecordError::Io`] when it cannot be read. Torn and corrupt lines
    /// are [`RunStore::warnings`].
    pub fn open(runs: &Path) -> Result<Self, RecordError> {
        let mut warnings = Vec::new();
        let files = lines::files(runs, &mut warnings)?;
        let mut store = Self {
            path: runs.to_owned(),
            files: Vec::new(),
            runs: Vec::new(),
            index: HashMap::new(),
            caches: BTreeMap::new(),
            duplicates: 0,
            warnings,
        };
        let mut intern = Interner::default();
        for (file, path) in files.iter().enumerate() {
            let mut warnings = Vec::new();
            lines::for_each(
                path,
                &mut warnings,
                |_| true,
                |line, record| {
                    store.insert(intern.run(record, file, line));
                },
            )?;
            store.warnings.append(&mut warnings);
        }
        store.files = files;
        store.caches = caches::read(runs, &mut store.warnings);
        Ok(store)
    }

    fn insert(&mut self, run: Run) {
        match self.index.entry(run.run_id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(self.runs.len());
                self.runs.push(run);
            }
            Entry::Occupied(entry) => {
                self.duplicates += 1;
                let Some(known) = self.runs.get_mut(*entry.get()) else { return };
                match (known.status, run.status) {
                    (Status::Diverged, Status::Ok) => *known = run,
                    (Status::Ok, Status::Ok) => {
                        let completed = known.metrics.merge(run.metrics);
                        known.also.extend(completed.then_some((run.file, run.line)));
                    }
                    _ => (),
                }
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every run once.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// What is known of the caches, by key; records of older programs come without.
    pub fn caches(&self) -> &BTreeMap<String, CacheSummary> {
        &self.caches
    }

    /// Records beyond the first of their run.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Lines that were skipped.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The run with exactly that id.
    pub fn get(&self, run_id: &str) -> Option<&Run> {
        self.runs.get(*self.index.get(run_id)?)
    }

    /// The run with that id, or whose id alone starts so.
    ///
    /// # Errors
    /// [`RecordError::UnknownRun`] and [`RecordError::AmbiguousRun`].
    pub fn find(&self, id: &str) -> Result<&Run, RecordError> {
        const SHOWN: usize = 3;
        let matches: Vec<&Run> = self.runs.iter().filter(|run| run.run_id.starts_with(id)).collect();
        match matches.as_slice() {
            [run] => Ok(run),
            [] => Err(self.unknown(id)),
            several => Err(RecordError::AmbiguousRun {
                id: id.to_owned(),
                matches: several.len(),
                some: several
                    .iter()
                    .take(SHOWN)
                    .map(|run| format!("`{}` ({})", run.run_id, run.method))
                    .collect(),
            }),
        }
    }

    fn unknown(&self, id: &str) -> RecordError {
        /// Ids are random digits: only one that shares nearly all of them is meant.
        const ALIKE: f64 = 0.8;
        let likeness = |run: &Run| {
            let beginning: String = run.run_id.chars().take(id.chars().count()).collect();
            strsim::normalized_levenshtein(id, &beginning)
        };
        let alike =
            self.runs.iter().map(|run| (likeness(run), run)).filter(|(likeness, _)| *likeness >= ALIKE);
        let nearest = alike.max_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, run)| run.run_id.to_string());
        RecordError::UnknownRun { id: id.to_owned(), path: self.path.clone(), nearest }
    }

    /// The whole record of a run, per-class numbers too, read again from its file.
    ///
    /// # Errors
    /// [`RecordError::UnknownRun`] when it is no longer there, [`RecordError::Damaged`] when its per-class numbers are no
    /// numbers, else as [`RunStore::open`].
    pub fn record(&self, run: &Run) -> Result<RunRecord, RecordError> {
        let unknown = || self.unknown(&run.run_id);
        let path = self.files.get(run.file).ok_or_else(unknown)?;
        let (mut found, mut warnings) = (None, Vec::new());
        lines::for_each(
            path,
            &mut warnings,
            |line| line == run.line,
            |_, record: RunRecord| {
                found = Some(record).filter(|record| *record.run_id == *run.run_id);
            },
        )?;
        found.ok_or_else(|| match warnings.first() {
            Some(warning) => {
                RecordError::Damaged { run_id: run.run_id.to_string(), reason: warning.to_string() }
            }
            None => unknown(),
        })
    }

    /// The whole records of some runs by id, each file read again once; ids without run are left out.
    ///
    /// # Errors
    /// As [`RunStore::open`].
    pub fn records(&self, run_ids: &BTreeSet<&str>) -> Result<BTreeMap<String, RunRecord>, RecordError> {
        let mut places: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        let runs = run_ids.iter().filter_map(|&id| self.index.get(id)).filter_map(|&run| self.runs.get(run));
        for run in runs {
            for (file, line) in std::iter::once((run.file, run.line)).chain(run.also.iter().copied()) {
                places.entry(file).or_default().insert(line);
            }
        }
        let mut records: BTreeMap<String, RunRecord> = BTreeMap::new();
        for (file, lines) in places {
            let Some(path) = self.files.get(file) else { continue };
            lines::for_each(
                path,
                &mut Vec::new(),
                |line| lines.contains(&line),
                |_, record: RunRecord| match records.entry(record.run_id.clone()) {
                    btree_map::Entry::Vacant(entry) => drop(entry.insert(record)),
                    btree_map::Entry::Occupied(mut entry) => entry.get_mut().complete(record),
                },
            )?;
        }
        Ok(records)
    }
}

/// Shares equal strings and equal hyper-parameters between runs.
#[derive(Default)]
struct Interner {
    texts: HashSet<Arc<str>>,
    points: HashMap<String, Arc<Params>>,
}

impl Interner {
    fn text(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.texts.get(text.as_str()) {
            return Arc::clone(known);
        }
        let text = Arc::<str>::from(text);
        self.texts.insert(Arc::clone(&text));
        text
    }

    fn run(&mut self, record: RunRecord<IgnoredAny>, file: usize, line: u64) -> Run {
        let method = revision::label(&record.method, &record.params);
        let params = self.points.entry(record.params.canonical()).or_insert_with(|| Arc::new(record.params));
        Run {
            run_id: record.run_id.into_boxed_str(),
            params: Arc::clone(params),
            cache_key: self.text(record.cache_key),
            cache: self.text(record.cache),
            method: self.text(method),
            seed: record.seed,
            added: record.added,
            status: record.status,
            metrics: record.metrics,
            seconds: record.seconds,
            file,
            line,
            also: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
