//! The command line, as typed.

use crate::{
    commands::{
        End,
        bench::{self, BenchArgs},
        evaluate::{self, EvaluateArgs},
        export::{self, ExportArgs},
        manual::{self, CompletionsArgs, ManArgs},
        methods::{self, MethodsArgs},
        predict::{self, PredictArgs},
        report::{self, ReportArgs},
        status::{self, StatusArgs},
        sweep::{self, SweepArgs},
    },
    error::RetrainError,
};
use clap::{CommandFactory, Parser, Subcommand};

/// Sweeps classifier re-training methods over cached features.
#[derive(Debug, Parser)]
#[command(
    name = "retrainer",
    version,
    about = "Sweeps classifier re-training methods over cached features: many methods, hyper-parameters and seeds at once",
    after_help = "Example:\n  retrainer sweep --cache caches/cifar100-lt --preset table1 --out runs/table1\n  retrainer report runs/table1"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train every head of a grid over the cached features; finished heads are never repeated
    Sweep(SweepArgs),
    /// Say how far the sweeps of a RUNS folder are, and which parts of an array are left
    Status(StatusArgs),
    /// Turn run records into a table
    Report(ReportArgs),
    /// List the methods with their parameters, defaults and sources
    Methods(MethodsArgs),
    /// Write the weights of one run, as PyTorch loads them
    Export(ExportArgs),
    /// Measure an exported head on a cache
    Evaluate(EvaluateArgs),
    /// Write what an exported head says of features: labels with probabilities
    Predict(PredictArgs),
    /// Measure how near training is to the matrix products that it cannot do without
    Bench(BenchArgs),
    /// Print the completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// [`RetrainError`] when it could not run.
    pub fn run(self) -> Result<End, RetrainError> {
        match self {
            Self::Sweep(args) => sweep::run(&args),
            Self::Status(args) => status::run(&args),
            Self::Report(args) => Ok(report::run(&args).map(|()| End::Done)?),
            Self::Methods(args) => methods::run(&args),
            Self::Export(args) => export::run(&args),
            Self::Evaluate(args) => evaluate::run(&args),
            Self::Predict(args) => predict::run(&args),
            Self::Bench(args) => bench::run(&args),
            Self::Completions(args) => manual::completions(Cli::command(), &args),
            Self::Man(args) => manual::man(Cli::command(), &args),
        }
    }
}
