//! What a scheduler tells each task of an array in its environment.

use super::part::{MOST_PARTS, Partition};
use std::{env, fmt, num::NonZeroUsize};

/// Where a number comes from.
enum Source {
    /// It is always this.
    Always(u64),
    /// A variable.
    Variable(&'static str),
}

/// How many tasks an array has.
enum Count {
    /// A variable says it.
    Variable(&'static str),
    /// A variable has the number of the last task.
    Last(&'static str),
    /// The scheduler does not say.
    Unsaid,
}

/// The variables of a scheduler.
struct Scheduler {
    name: &'static str,
    /// The task's number; other values than a number stand for no array.
    number: &'static str,
    /// The number of the first task.
    first: Source,
    /// From one task's number to the next one's.
    step: Source,
    count: Count,
}

/// Arrays first: a launcher of ranks may run within a task of one.
///
/// # Source
/// The manuals of `sbatch` (job arrays), Kubernetes (Indexed Jobs), PBS Pro and OpenPBS (`qsub -J`), TORQUE (`qsub -t`), Grid Engine
/// (`qsub -t`), LSF (`bsub -J "name[1-N]"`), AWS Batch (array jobs), GitLab CI (`parallel`), `torchrun`.
const SCHEDULERS: &[Scheduler] = &[
    Scheduler {
        name: "SLURM",
        number: "SLURM_ARRAY_TASK_ID",
        first: Source::Variable("SLURM_ARRAY_TASK_MIN"),
        step: Source::Variable("SLURM_ARRAY_TASK_STEP"),
        count: Count::Variable("SLURM_ARRAY_TASK_COUNT"),
    },
    Scheduler {
        name: "Kubernetes",
        number: "JOB_COMPLETION_INDEX",
        first: Source::Always(0),
        step: Source::Always(1),
        count: Count::Unsaid,
    },
    Scheduler {
        name: "PBS",
        number: "PBS_ARRAY_INDEX",
        first: Source::Always(1),
        step: Source::Always(1),
        count: Count::Unsaid,
    },
    Scheduler {
        name: "TORQUE",
        number: "PBS_ARRAYID",
        first: Source::Always(1),
        step: Source::Always(1),
        count: Count::Unsaid,
    },
    Scheduler {
        name: "Grid Engine",
        number: "SGE_TASK_ID",
        first: Source::Variable("SGE_TASK_FIRST"),
        step: Source::Variable("SGE_TASK_STEPSIZE"),
        count: Count::Last("SGE_TASK_LAST"),
    },
    Scheduler {
        name: "LSF",
        number: "LSB_JOBINDEX",
        first: Source::Always(1),
        step: Source::Variable("LSB_JOBINDEX_STEP"),
        count: Count::Last("LSB_JOBINDEX_END"),
    },
    Scheduler {
        name: "AWS Batch",
        number: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: Source::Always(0),
        step: Source::Always(1),
        count: Count::Variable("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    Scheduler {
        name: "GitLab CI",
        number: "CI_NODE_INDEX",
        first: Source::Always(1),
        step: Source::Always(1),
        count: Count::Variable("CI_NODE_TOTAL"),
    },
    Scheduler {
        name: "the launcher of ranks",
        number: "RANK",
        first: Source::Always(0),
        step: Source::Always(1),
        count: Count::Variable("WORLD_SIZE"),
    },
];

/// How the tasks of an array are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The number of the first task.
    pub first: u64,
    /// From one task's number to the next one's, at least 1.
    pub step: u64,
    /// How many tasks there are.
    pub of: NonZeroUsize,
}

impl Numbering {
    /// As `--partition I/N` numbers its parts.
    pub fn from_one(of: NonZeroUsize) -> Self {
        Self { first: 1, step: 1, of }
    }

    /// The number of a part.
    pub fn number(&self, index: usize) -> u64 {
        self.first + self.step * index as u64
    }

    /// Numbers as arrays take them, ranges joined: `1-3,7`.
    pub fn expression(&self, parts: &[usize]) -> String {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for number in parts.iter().map(|&part| self.number(part)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        let range = |&(first, last): &(u64, u64)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }
}

/// A task of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Who says so.
    pub scheduler: &'static str,
    /// The variable with its number.
    pub variable: &'static str,
    /// Its number.
    pub number: u64,
    first: u64,
    step: u64,
    /// How many tasks the array has. That of an array that was submitted again for what was left is smaller than the first one's.
    pub count: Option<NonZeroUsize>,
}

impl Task {
    /// The task that this process is, by its environment.
    ///
    /// # Errors
    /// [`UnknownTask::None`] where no scheduler says anything.
    pub fn of_environment() -> Result<Self, UnknownTask> {
        Self::find(|name| env::var(name).ok())
    }

    /// The same with other variables.
    fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Self, UnknownTask> {
        let number = |name: &str| variable(name)?.trim().parse::<u64>().ok();
        let source = |source: &Source, otherwise| match *source {
            Source::Always(value) => value,
            Source::Variable(name) => number(name).unwrap_or(otherwise),
        };
        for scheduler in SCHEDULERS {
            let Some(own) = number(scheduler.number) else { continue };
            // LSF says 0 to a job that is no array.
            if own == 0 && scheduler.name == "LSF" {
                continue;
            }
            let first = source(&scheduler.first, 0);
            let step = source(&scheduler.step, 1).max(1);
            let count = match scheduler.count {
                Count::Variable(name) => number(name),
                Count::Last(name) => number(name).map(|last| last.saturating_sub(first) / step + 1),
                Count::Unsaid => None,
            };
            let count = count.and_then(|count| NonZeroUsize::new(usize::try_from(count).ok()?));
            return Ok(Self {
                scheduler: scheduler.name,
                variable: scheduler.number,
                number: own,
                first,
                step,
                count,
            });
        }
        Err(UnknownTask::None)
    }

    /// How this array is numbered, of as many parts as are named where the scheduler does not say it.
    ///
    /// # Errors
    /// [`UnknownTask::Unsaid`] where neither says how many there are.
    pub fn numbering(&self, named: Option<NonZeroUsize>) -> Result<Numbering, UnknownTask> {
        let few = |of: &NonZeroUsize| of.get() <= MOST_PARTS;
        let of = named.or(self.count).filter(few).ok_or(UnknownTask::Unsaid { task: *self })?;
        Ok(Numbering { first: self.first, step: self.step, of })
    }

    /// The part of this task in work whose parts were numbered when it began.
    ///
    /// # Errors
    /// [`UnknownTask::Outside`] for a number that is not one of them.
    pub fn part(&self, numbering: Numbering) -> Result<Partition, UnknownTask> {
        let outside = UnknownTask::Outside { task: *self, numbering };
        let Some(offset) = self.number.checked_sub(numbering.first) else { return Err(outside) };
        if !offset.is_multiple_of(numbering.step) {
            return Err(outside);
        }
        let index = usize::try_from(offset / numbering.step).unwrap_or(usize::MAX);
        Partition::new(index, numbering.of).ok_or(outside)
    }
}

/// Why a process does not know which part is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTask {
    /// No variable of a scheduler is there.
    None,
    /// The scheduler says which task it is, and not of how many.
    Unsaid {
        /// The task.
        task: Task,
    },
    /// A number that the work's parts do not have.
    Outside {
        /// The task.
        task: Task,
        /// The parts.
        numbering: Numbering,
    },
}

impl fmt::Display for UnknownTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "`--partition auto`: no scheduler says which task of an array this is"),
            Self::Unsaid { task } => write!(
                f,
                "`--partition auto`: {} says that this is task {} ({}), and not of how many",
                task.scheduler, task.number, task.variable
            ),
            Self::Outside { task, numbering } => write!(
                f,
                "`--partition auto`: this is task {} ({}), and the work was dealt to {} parts, numbered {}",
                task.number,
                task.variable,
                numbering.of,
                numbering.expression(&(0..numbering.of.get()).collect::<Vec<_>>())
            ),
        }
    }
}

impl std::error::Error for UnknownTask {}

impl UnknownTask {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::None => {
                let known: Vec<&str> = SCHEDULERS.iter().map(|scheduler| scheduler.number).collect();
                format!("within an array one of {} is set; elsewhere give `--partition I/N`", known.join(", "))
            }
            Self::Unsaid { .. } => "say it: `--partition auto/N`".to_owned(),
            Self::Outside { .. } => {
                "submit the array with these numbers, or with some of them; for another deal take another RUNS folder".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(variables: &[(&str, &str)]) -> Result<Task, UnknownTask> {
        Task::find(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    /// The part that a fresh start takes.
    fn part(variables: &[(&str, &str)], named: Option<usize>) -> Result<String, UnknownTask> {
        let task = task(variables)?;
        let numbering = task.numbering(named.and_then(NonZeroUsize::new))?;
        task.part(numbering).map(|part| part.to_string())
    }

    #[test]
    fn each_scheduler_says_which_part_is_the_task_s() {
        let slurm = |id, min, count, step| {
            [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_STEP", step),
            ]
        };
        assert_eq!(part(&slurm("3", "0", "8", "1"), None).unwrap(), "4/8");
        assert_eq!(part(&slurm("3", "1", "8", "1"), None).unwrap(), "3/8");
        assert_eq!(part(&slurm("7", "1", "4", "2"), None).unwrap(), "4/4");
        assert_eq!(part(&[("JOB_COMPLETION_INDEX", "0")], Some(5)).unwrap(), "1/5");
        assert_eq!(part(&[("PBS_ARRAY_INDEX", "5")], Some(5)).unwrap(), "5/5");
        assert_eq!(part(&[("PBS_ARRAYID", "1")], Some(5)).unwrap(), "1/5");
        let grid_engine = [
            ("SGE_TASK_ID", "5"),
            ("SGE_TASK_FIRST", "1"),
            ("SGE_TASK_LAST", "8"),
            ("SGE_TASK_STEPSIZE", "2"),
        ];
        assert_eq!(part(&grid_engine, None).unwrap(), "3/4");
        assert_eq!(part(&[("LSB_JOBINDEX", "2"), ("LSB_JOBINDEX_END", "3")], None).unwrap(), "2/3");
        let batch = [("AWS_BATCH_JOB_ARRAY_INDEX", "9"), ("AWS_BATCH_JOB_ARRAY_SIZE", "10")];
        assert_eq!(part(&batch, None).unwrap(), "10/10");
        assert_eq!(part(&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")], None).unwrap(), "1/2");
        assert_eq!(part(&[("RANK", "1"), ("WORLD_SIZE", "2")], None).unwrap(), "2/2");
        // An array's task that launches ranks is a task of the array.
        let both = [&slurm("3", "0", "8", "1")[..], &[("RANK", "0"), ("WORLD_SIZE", "1")]].concat();
        assert_eq!(part(&both, None).unwrap(), "4/8");
    }

    #[test]
    fn a_task_that_knows_one_number_of_two_is_refused() {
        for variable in
            ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "PBS_ARRAY_INDEX", "RANK", "SGE_TASK_ID"]
        {
            let error = part(&[(variable, "1")], None).unwrap_err();
            assert!(matches!(error, UnknownTask::Unsaid { .. }), "{variable}");
            assert!(error.hint().contains("auto/N"));
        }
        assert_eq!(part(&[("SLURM_ARRAY_TASK_COUNT", "3")], None).unwrap_err(), UnknownTask::None);
        // Jobs that are no arrays.
        assert_eq!(
            part(&[("SGE_TASK_ID", "undefined"), ("LSB_JOBINDEX", "0")], None).unwrap_err(),
            UnknownTask::None
        );
        let outside = part(&[("PBS_ARRAY_INDEX", "0")], Some(4)).unwrap_err();
        insta::assert_snapshot!(outside, @"`--partition auto`: this is task 0 (PBS_ARRAY_INDEX), and the work was dealt to 4 parts, numbered 1-4");
    }

    /// The tasks of an array that was submitted again for parts 1, 2 and 7 of eight: SLURM counts three and begins elsewhere.
    #[test]
    fn a_part_of_an_array_that_is_submitted_again_keeps_its_numbers() {
        let first = task(&[
            ("SLURM_ARRAY_TASK_ID", "2"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "8"),
        ]);
        let numbering = first.unwrap().numbering(None).unwrap();
        let again = task(&[
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ]);
        assert_eq!(again.unwrap().part(numbering).unwrap().to_string(), "7/8");
        assert_eq!(numbering.expression(&[0, 1, 6]), "1-2,7");
        assert_eq!(numbering.expression(&[]), "");
        let steps = Numbering { first: 0, step: 2, of: NonZeroUsize::new(4).unwrap() };
        assert_eq!(steps.expression(&[0, 1, 3]), "0,2,6");
    }
}
