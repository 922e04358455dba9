//! NumPy's frozen `RandomState`: the generator behind published long-tailed subsets.
//!
//! # Source
//! Matsumoto and Nishimura 1998 (MT19937); `numpy/random/src/mt19937` and `distributions.c` (`random_interval`).

const STATE: usize = 624;
const SHIFT: usize = 397;

/// `np.random.RandomState(seed)`, as far as `shuffle` needs it.
#[derive(Debug)]
pub(crate) struct RandomState {
    state: [u32; STATE],
    next: usize,
}

impl RandomState {
    /// `np.random.seed(seed)`.
    pub(crate) fn new(seed: u32) -> Self {
        let mut state = [0; STATE];
        let mut word = seed;
        for (slot, position) in state.iter_mut().zip(1_u32..) {
            *slot = word;
            word = 1_812_433_253_u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(position);
        }
        Self { state, next: STATE }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == STATE {
            self.twist();
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..STATE {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % STATE] ^ (y >> 1) ^ odd;
        }
    }

    /// Uniform on `0..=max`: masked draws until one fits.
    fn interval(&mut self, max: u32) -> u32 {
        let mask = u32::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `np.random.shuffle(items)` of a one-dimensional array.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            // A data set's rows are u32: there are never more items.
            let max = u32::try_from(i).unwrap_or(u32::MAX);
            items.swap(i, self.interval(max) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_reference_generator() {
        // First outputs of mt19937ar.c's init_genrand(5489), the standard's default seed; the 10000th is in ISO C++ [rand.predef].
        let mut state = RandomState::new(5489);
        assert_eq!([state.next_u32(), state.next_u32()], [3_499_211_612, 581_869_302]);
        assert_eq!((2..10_000).map(|_| state.next_u32()).last(), Some(4_123_659_995));
    }

    #[test]
    fn shuffles_like_numpy() {
        // a = np.arange(10); np.random.seed(0); np.random.shuffle(a)
        let mut items: Vec<u32> = (0..10).collect();
        RandomState::new(0).shuffle(&mut items);
        assert_eq!(items, [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
    }

    #[test]
    fn empty_and_single_items_draw_nothing() {
        let mut state = RandomState::new(0);
        state.shuffle::<u32>(&mut []);
        state.shuffle(&mut [7]);
        assert_eq!(state.next, STATE);
    }
}
