//! PyTorch at the same work, in a process of its own that answers one line for each line.

use super::{Bench, Task};
use crate::{ExtractError, weights::Layout};
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};
use tch::Device;

/// The script that the peer runs.
pub const PEER_SCRIPT: &str = include_str!("../../benches/peer.py");

/// A running peer; it ends when it is dropped.
#[derive(Debug)]
pub struct Peer {
    python: PathBuf,
    child: Child,
    /// `None` once it is told to end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    version: String,
}

impl Peer {
    /// Starts it with the settings of a bench.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for a program that is no Python with PyTorch.
    pub fn start(python: &Path, bench: &Bench, threads: u32) -> Result<Self, ExtractError> {
        let settings = bench.settings();
        let device = match settings.device {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".to_owned(),
        };
        let arguments = serde_json::json!({
            "backbone": settings.recipe.backbone,
            "width": settings.recipe.width,
            "batch_size": settings.recipe.batch_size,
            "side": bench.side(),
            "threads": threads,
            "device": device,
            "channels_last": settings.recipe.layout == Layout::ChannelsLast,
            "images": bench.photographs().0,
        });
        let mut child = Command::new(python)
            .args(["-c", PEER_SCRIPT])
            .arg(arguments.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| no_peer(python, &error.to_string()))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(no_peer(python, "no pipes to it"));
        };
        let answers = BufReader::new(answers);
        let mut peer = Self {
            python: python.to_owned(),
            child,
            requests: Some(requests),
            answers,
            version: String::new(),
        };
        peer.version = peer.answer()?;
        Ok(peer)
    }

    /// Its name and version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Images per second of a task, measured for about `time`; `None` for one that it cannot do.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for a peer that gives no number.
    pub fn rate(&mut self, task: Task, time: Duration) -> Result<Option<f64>, ExtractError> {
        if let Some(requests) = &mut self.requests {
            writeln!(requests, "{task} {}", time.as_secs_f64())
                .map_err(|error| no_peer(&self.python, &error.to_string()))?;
        }
        let answer = self.answer()?;
        match answer.as_str() {
            "-" => Ok(None),
            number => number.parse().map(Some).map_err(|_| no_peer(&self.python, &format!("`{number}`"))),
        }
    }

    fn answer(&mut self) -> Result<String, ExtractError> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(1..) => Ok(line.trim().to_owned()),
            Ok(0) => Err(no_peer(&self.python, "no answer")),
            Err(error) => Err(no_peer(&self.python, &error.to_string())),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input is the request to end.
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn no_peer(python: &Path, got: &str) -> ExtractError {
    ExtractError::InvalidSetting {
        name: "--peer",
        expected: "a Python with PyTorch".to_owned(),
        got: format!("`{}`: {got}", python.display()),
        hint: "`python3 -m pip install torch pillow` in an environment of its own".to_owned(),
    }
}
