//! How features are normalised before every head of a sweep.

use clap::ValueEnum;

/// What features go through before every head of a sweep reads them; part of a run's identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Normalise {
    /// Nothing.
    #[default]
    None,
    /// To length 1.
    L2,
    /// Each feature less its mean and divided by its standard deviation over the training samples.
    Standardise,
}

impl Normalise {
    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::L2 => "l2",
            Self::Standardise => "standardise",
        }
    }

    /// The normalisation of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|normalise| normalise.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_read_back() {
        for &normalise in Normalise::value_variants() {
            assert_eq!(normalise.to_possible_value().unwrap().get_name(), normalise.name());
            assert_eq!(Normalise::find(normalise.name()), Some(normalise));
        }
    }
}
