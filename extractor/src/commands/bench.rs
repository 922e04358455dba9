//! `extractor bench`: images per second of everything that takes time.

use super::{
    Outcome, install_interrupt,
    output::{print, say},
};
use crate::{
    ExtractError,
    bench::{Bench, BenchSettings, Peer, Rate, TASKS, Task, measure},
    cli::BenchArgs,
    device, threads,
    weights::Layout,
};
use indicatif::{HumanBytes, HumanCount};
use std::time::Duration;
use tch::Device;

pub(super) fn run(args: &BenchArgs) -> Result<Outcome, ExtractError> {
    let round = round(args)?;
    threads::restart_with_settings(args.threads);
    let interrupt = install_interrupt()?;
    let chosen = device::choose(args.device)?;
    let threads = threads::set_threads(Some(threads::decide(args.threads)));
    if let Some(reason) = &chosen.reason {
        say(reason);
    }
    let settings = BenchSettings {
        backbone: args.backbone.clone(),
        width: args.width,
        batch_size: args.batch_size,
        device: chosen.device,
        layout: args.channels_last.layout(),
    };
    let mut bench = Bench::new(settings, interrupt)?;
    let mut peer = args.peer.as_ref().map(|python| Peer::start(python, &bench, threads)).transpose()?;
    // First, for it is the peak of the process.
    let images = args.images.get();
    let memory = bench.memory(images)?;
    print(&title(args, &bench, threads, round))?;
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
        print(&row(task, measure(&mut bench, task, peer.as_mut(), args.rounds.get(), round)?))?;
    }
    print(&memory.map_or_else(
        || "peak memory: this system does not tell".to_owned(),
        |[one, four]| {
            format!(
                "peak memory: {} after a dump of {} image files, {} after {}",
                HumanBytes(one),
                HumanCount(images as u64),
                HumanBytes(four),
                HumanCount(4 * images as u64)
            )
        },
    ))?;
    Ok(Outcome::Done)
}

/// The length of a round.
fn round(args: &BenchArgs) -> Result<Duration, ExtractError> {
    let seconds = args.seconds / f64::from(args.rounds.get());
    Duration::try_from_secs_f64(seconds).ok().filter(|round| !round.is_zero()).ok_or_else(|| {
        ExtractError::InvalidSetting {
            name: "--seconds",
            expected: "a positive number".to_owned(),
            got: args.seconds.to_string(),
            hint: "6 is enough on a machine that does nothing else".to_owned(),
        }
    })
}

fn title(args: &BenchArgs, bench: &Bench, threads: u32, round: Duration) -> String {
    let BenchSettings { backbone, width, batch_size, device, layout } = bench.settings();
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
        args.rounds,
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
