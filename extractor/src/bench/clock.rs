//! Time and memory.

use crate::ExtractError;
use std::time::{Duration, Instant};

/// Calls before the clock starts: memory is allocated, kernels are chosen.
const WARM_UP: u32 = 2;

/// Images per second of `batch`, which returns how many it did, called again and again for about `time`.
pub(super) fn rate(
    time: Duration,
    mut batch: impl FnMut() -> Result<usize, ExtractError>,
    wait: impl Fn(),
) -> Result<f64, ExtractError> {
    for _ in 0..WARM_UP {
        batch()?;
    }
    wait();
    let started = Instant::now();
    let mut images = 0;
    while images == 0 || started.elapsed() < time {
        images += batch()?;
    }
    wait();
    Ok(images as f64 / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_images_for_as_long_as_asked() {
        let mut calls = 0;
        let batch = || {
            calls += 1;
            std::thread::sleep(Duration::from_millis(2));
            Ok(10)
        };
        let rate = rate(Duration::from_millis(20), batch, || ()).unwrap();
        // Sleeping takes 2 ms at least.
        assert!(calls > 2 && rate > 0.0 && rate <= 5_000.0, "{calls} calls, {rate} images/s");
    }
}
