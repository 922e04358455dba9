//! Scales with round ticks.

/// From values to 0..1, with labelled ticks.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    map: fn(f64) -> f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Equal steps over all finite values, with about `count` round ticks; the ends are ticks.
    pub(super) fn linear(values: impl IntoIterator<Item = f64>, count: usize) -> Self {
        let (low, high) = range(values);
        let step = round_step((high - low) / count.max(1) as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let digits = decimals(step);
        let mut ticks = Vec::new();
        let mut tick = first;
        while tick <= last {
            ticks.push((tick * step, format!("{:.digits$}", tick * step + 0.0)));
            tick += 1.0;
        }
        Self { low: first * step, high: last * step, map: |x| x, ticks }
    }

    /// Equal steps without room at the ends, for figures whose first value must touch the frame.
    pub(super) fn tight(low: f64, high: f64, count: usize) -> Self {
        let round = Self::linear([low, high], count);
        let ticks = round.ticks.into_iter().filter(|&(at, _)| at >= low && at <= high).collect();
        Self { low, high: if high > low { high } else { low + 1.0 }, map: |x| x, ticks }
    }

    /// Equal steps of `map(value)` with ticks at the given values.
    pub(super) fn mapped(map: fn(f64) -> f64, low: f64, high: f64, ticks: Vec<(f64, String)>) -> Self {
        let (low, high) = (map(low), map(high));
        Self { low, high: if high > low { high } else { low + 1.0 }, map, ticks }
    }

    /// Equal factors; ticks at 1, 2, 5 of every decade.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = (low.clamp(1e-9, LARGEST), high.clamp(1e-9, LARGEST));
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(low.log10().floor());
        while decade <= high {
            let inside = [1.0, 2.0, 5.0].map(|digit| digit * decade);
            ticks.extend(
                inside.into_iter().filter(|&at| at >= low && at <= high).map(|at| (at, format!("{at}"))),
            );
            decade *= 10.0;
        }
        Self::mapped(f64::log10, low, high, ticks)
    }

    /// Whether the value lies between the ends.
    pub(super) fn covers(&self, value: f64) -> bool {
        (0.0..=1.0).contains(&self.place(value))
    }

    /// Where a value lies, from 0 at the low end to 1 at the high one.
    pub(super) fn place(&self, value: f64) -> f64 {
        ((self.map)(value) - self.low) / (self.high - self.low)
    }
}

/// Larger numbers are no measurements; the difference of smaller ones is finite.
const LARGEST: f64 = 1e100;

/// The ends of what is to be seen, so far apart that ticks between them are numbers of their own.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let shown = values.into_iter().filter(|value| value.abs() <= LARGEST);
    let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    if low > high {
        return (0.0, 1.0);
    }
    let least = (1e-9 * low.abs().max(high.abs())).max(1e-200);
    if high - low > least {
        return (low, high);
    }
    let margin = least.max(0.5);
    (low - margin, high + margin)
}

/// The next larger of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let decade = 10_f64.powf(step.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * decade >= step * 0.999_999).unwrap_or(10.0);
    digit * decade
}

fn decimals(step: f64) -> usize {
    (0..9)
        .find(|&digits| step * 10_f64.powi(digits) >= 0.999)
        .map_or(9, |digits| digits.unsigned_abs() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let labels = |scale: &Scale| scale.ticks.iter().map(|(_, label)| label.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&Scale::linear([0.03, 0.97], 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::linear([-7.0, 12.0], 4)), ["-10", "-5", "0", "5", "10", "15"]);
        assert_eq!(labels(&Scale::logarithmic(4.0, 500.0)), ["5", "10", "20", "50", "100", "200", "500"]);
        assert_eq!(labels(&Scale::linear([], 2)), ["0.0", "0.5", "1.0"]);
    }

    #[test]
    fn a_single_value_has_room_on_both_sides() {
        let scale = Scale::linear([3.0], 2);
        assert!(scale.place(3.0) > 0.2 && scale.place(3.0) < 0.8);
    }

    #[test]
    fn ticks_of_any_numbers_are_few() {
        let (max, min) = (f64::MAX, f64::MIN_POSITIVE);
        for values in
            [vec![1e300], vec![min, max], vec![-max, max], vec![1e16, 1e16 + 2.0], vec![5e-324, 0.0]]
        {
            let scale = Scale::linear(values.iter().copied(), 4);
            assert!((2..20).contains(&scale.ticks.len()), "{values:?}: {}", scale.ticks.len());
            assert!(scale.high > scale.low && (scale.high - scale.low).is_finite(), "{values:?}");
        }
        assert!(Scale::logarithmic(min, f64::INFINITY).ticks.len() < 400);
    }
}
