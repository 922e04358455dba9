//! How far a RUNS folder is: what was asked for, and what is recorded of it.

use super::{
    asked::{Asked, known_numbering},
    error::{RecordError, Warning},
    record::Status,
    store::RunStore,
};
use program::partition::Numbering;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    num::NonZeroUsize,
    path::Path,
    time::SystemTime,
};

/// Heads of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The kind.
    pub name: String,
    /// How many were asked for; those that are recorded and were never asked for count as asked.
    pub asked: usize,
    /// Recorded, all epochs done.
    pub done: usize,
    /// Recorded as diverged: nothing is left to do.
    pub diverged: usize,
    /// Not recorded.
    pub missing: usize,
}

impl Count {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn add(&mut self, status: Option<Status>) {
        self.asked += 1;
        match status {
            Some(Status::Ok) => self.done += 1,
            Some(Status::Diverged) => self.diverged += 1,
            None => self.missing += 1,
        }
    }
}

/// The records of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its file.
    pub file: String,
    /// Seconds since it wrote the last one.
    pub age_seconds: u64,
}

/// How far a RUNS folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// All heads.
    pub total: Count,
    /// By method, by name.
    pub methods: Vec<Count>,
    /// By part, in order; empty where the work is not dealt out.
    pub parts: Vec<Count>,
    /// Record files, the one written last first.
    pub processes: Vec<Process>,
    /// The parts with work left as arrays take them, `1-2,7`; `None` where the work is not dealt out.
    pub left: Option<String>,
    /// Whether a sweep said what it was asked for; RUNS of earlier programs do not tell what is missing.
    pub is_known: bool,
}

impl Standing {
    /// Reads a RUNS folder, with what else was asked for, and to how many parts it would be dealt.
    ///
    /// # Errors
    /// [`RecordError`] where the folder cannot be read.
    pub fn of(
        runs: &Path,
        more: Vec<Asked>,
        parts: Option<NonZeroUsize>,
    ) -> Result<(Self, Vec<Warning>), RecordError> {
        let store = RunStore::open(runs)?;
        let warnings = store.warnings().to_vec();
        let mut asked = Asked::read(runs)?;
        asked.extend(more);
        let processes = processes(runs)?;
        if store.runs().is_empty() && asked.is_empty() && processes.is_empty() {
            return Err(RecordError::NotFound { path: runs.to_owned() });
        }
        let numbering = known_numbering(runs)?.or_else(|| parts.map(Numbering::from_one));
        // Where a head was dealt to a part comes first.
        asked.sort_by_key(|sweep| numbering.is_none_or(|numbering| numbering.of != sweep.parts));
        let mut counted = Counted::new(numbering);
        for sweep in &asked {
            let dealt = numbering.is_some_and(|numbering| numbering.of == sweep.parts);
            for head in &sweep.heads {
                let status = store.get(&head.run_id).map(|run| run.status);
                counted.add(&head.run_id, &head.method, dealt.then_some(head.part), status);
            }
        }
        for run in store.runs() {
            counted.add(&run.run_id, &run.method, None, Some(run.status));
        }
        Ok((counted.standing(numbering, processes, !asked.is_empty()), warnings))
    }
}

/// What has been counted so far.
struct Counted<'a> {
    seen: HashSet<&'a str>,
    total: Count,
    methods: BTreeMap<&'a str, Count>,
    parts: Vec<Count>,
}

impl<'a> Counted<'a> {
    fn new(numbering: Option<Numbering>) -> Self {
        let part = |numbering: Numbering| {
            let name = move |part: usize| format!("{}/{}", part + 1, numbering.of);
            (0..numbering.of.get()).map(move |part| Count::named(&name(part)))
        };
        Self {
            seen: HashSet::new(),
            total: Count::named("all"),
            methods: BTreeMap::new(),
            parts: numbering.into_iter().flat_map(part).collect(),
        }
    }

    /// A head that several sweeps asked for counts once, where it was dealt to a part first.
    fn add(&mut self, run_id: &'a str, method: &'a str, part: Option<usize>, status: Option<Status>) {
        if !self.seen.insert(run_id) {
            return;
        }
        self.total.add(status);
        self.methods.entry(method).or_insert_with(|| Count::named(method)).add(status);
        if let Some(count) = part.and_then(|part| self.parts.get_mut(part)) {
            count.add(status);
        }
    }

    fn standing(self, numbering: Option<Numbering>, processes: Vec<Process>, is_known: bool) -> Standing {
        let left = numbering.map(|numbering| {
            let open = |(part, count): (usize, &Count)| (count.missing > 0).then_some(part);
            numbering.expression(&self.parts.iter().enumerate().filter_map(open).collect::<Vec<_>>())
        });
        Standing {
            total: self.total,
            methods: self.methods.into_values().collect(),
            parts: self.parts,
            processes,
            left,
            is_known,
        }
    }
}

/// The record files of a folder by the age of their last record.
fn processes(runs: &Path) -> Result<Vec<Process>, RecordError> {
    // One record file stands for itself.
    if runs.is_file() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(runs).map_err(RecordError::io("read", runs))?;
    let now = SystemTime::now();
    let mut found: Vec<Process> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jsonl"))
        .filter_map(|entry| {
            let written = entry.metadata().ok()?.modified().ok()?;
            let age_seconds = now.duration_since(written).unwrap_or_default().as_secs();
            Some(Process { file: entry.file_name().to_string_lossy().into_owned(), age_seconds })
        })
        .collect();
    found.sort_by(|one, two| one.age_seconds.cmp(&two.age_seconds).then_with(|| one.file.cmp(&two.file)));
    Ok(found)
}
