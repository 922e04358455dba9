//! `extractor bench`: images per second of everything that takes time.

use super::{
    Outcome, install_interrupt,
    output::{print, say},
};
use crate::{
    ExtractError,
    bench::{Bench, BenchSettings, Peer, Rate, TASKS, Task, measure},
    device,
    settings::BenchRun,
    stage1::Recipe,
    threads,
    weights::Layout,
};
use indicatif::{HumanBytes, HumanCount};
use std::{num::NonZeroU32, time::Duration};
use tch::Device;

pub(super) fn run(run: BenchRun) -> Result<Outcome, ExtractError> {
    let BenchRun { device, threads, recipe, images, rounds, round, peer, files } = run;
    threads::restart_with_settings(threads);
    let interrupt = install_interrupt()?;
    let chosen = device::choose(device)?;
    let threads = threads::set_threads(Some(threads::decide(threads)));
    if let Some(reason) = &chosen.reason {
        say(reason);
    }
    let mut bench = Bench::new(BenchSettings { recipe, images, device: chosen.device }, interrupt)?;
    let mut peer = peer.map(|python| Peer::start(&python, &bench, threads)).transpose()?;
    // First, for it is the peak of the process.
    let memory = bench.memory(files)?;
    print(&title(&bench, threads, rounds, round))?;
    let name = peer.as_ref().map_or("", Peer::version).to_owned();
    print(
        format!(
            "{:<14} {:>10} {name:>16} {:>7}",
            "images/s",
            "extractor",
            if peer.is_some() { "ratio" } else { "" }
        )
        .trim_end(),
    )?;
    for task in TASKS {
        print(&row(task, measure(&mut bench, task, peer.as_mut(), rounds.get(), round)?))?;
    }
    print(&memory.map_or_else(
        || "peak memory: this system does not tell".to_owned(),
        |[one, four]| {
            format!(
                "peak memory: {} after a dump of {} image files, {} after {}",
                HumanBytes(one),
                HumanCount(files as u64),
                HumanBytes(four),
                HumanCount(4 * files as u64)
            )
        },
    ))?;
    Ok(Outcome::Done)
}

fn title(bench: &Bench, threads: u32, rounds: NonZeroU32, round: Duration) -> String {
    let BenchSettings { recipe, device, .. } = bench.settings();
    let Recipe { backbone, width, batch_size, layout, .. } = recipe;
    let device = match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    };
    let layout = match layout {
        Layout::ChannelsFirst => "channels first",
        Layout::ChannelsLast => "channels last",
    };
    format!(
        "{backbone} x{width}, {side}×{side} pixels, batch {batch_size}, {device}, threads {threads}, {layout}; \
         the fastest of {} rounds of {:.2} s",
        rounds,
        round.as_secs_f64(),
        side = bench.side(),
    )
}

/// A task in one line; a dump is compared with the forward pass that it is made of.
fn row(task: Task, Rate { ours, other }: Rate) -> String {
    let name = task.to_string();
    let compared = other.map_or(String::new(), |other| format!(" {other:>16.1} {:>7.3}", ours / other));
    let note = if matches!(task, Task::Dump(_)) { "  of the forward pass" } else { "" };
    format!("{name:<14} {ours:>10.1}{compared}{note}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Precision;

    #[test]
    fn rows_line_up_and_carry_their_ratio() {
        let rows = [
            row(Task::Decode, Rate { ours: 612.0, other: Some(540.0) }),
            row(Task::Step(Precision::Bf16), Rate { ours: 1234.56, other: None }),
            row(Task::Dump(Precision::F32), Rate { ours: 1980.0, other: Some(2000.0) }),
        ];
        insta::assert_snapshot!(rows.join("\n"), @"
        decode              612.0            540.0   1.133
        step bf16          1234.6
        dump f32           1980.0           2000.0   0.990  of the forward pass
        ");
    }
}
