//! The number format of the matrix products of training.

use clap::ValueEnum;

/// What the two wide products of a step read. Their sums, and weights, momentum, logits, losses and measurements, are f32
/// always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Precision {
    /// f32, a mantissa of 24 bits.
    #[default]
    F32,
    /// f32 whose products a CUDA device rounds to 11 bits; a CPU does not have it.
    Tf32,
    /// bf16, 8 bits: half the memory traffic of features and weights.
    Bf16,
}

impl Precision {
    /// The name on the command line, in grids and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }

    /// The precision of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|precision| precision.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_read_back() {
        for &precision in Precision::value_variants() {
            assert_eq!(precision.to_possible_value().unwrap().get_name(), precision.name());
            assert_eq!(Precision::find(precision.name()), Some(precision));
        }
        assert_eq!(Precision::find("f16"), None);
    }
}
