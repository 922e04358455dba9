//! Figures: SVG text for the page and for files, PNG for papers and slides.
//!
//! ```text
//! Results + RunStore ─▶ FigureInput ─▶ FIGURES: what to draw ─▶ Figure { svg } ─▶ page, file, png()
//! ```
//!
//! A figure is one file and one line of [`FIGURES`]. It draws what the protocol selected, as the leaderboard does, and is
//! absent where the runs lack what it needs. Of several caches it shows the first long-tailed one that has it, and its words
//! name the cache. The same records give the same bytes.

mod axes;
mod class_size;
mod confusion;
mod input;
mod label_smooth;
mod labels;
mod logit_distributions;
mod magnitude;
mod panels;
mod perturbation;
mod png;
mod points;
mod predictors;
mod rate_and_decay;
mod reliability;
mod svg;
mod training_curves;

pub use input::FigureInput;
pub use png::png;

/// A drawing with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Name on the command line and of files.
    pub name: &'static str,
    /// Heading.
    pub title: String,
    /// What is seen, and how it was chosen.
    pub caption: String,
    /// A whole SVG document, to be written to a file or put into a page.
    pub svg: String,
}

/// A figure to make of the results of one cache.
#[derive(Clone, Copy, Debug)]
pub struct FigureKind {
    /// Name on the command line.
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// Makes the figure; `None` where the runs lack what it needs.
    pub build: fn(&FigureInput<'_>) -> Option<Figure>,
}

impl FigureKind {
    /// The figure of the first cache whose runs have what it needs.
    pub fn draw(&self, caches: &[FigureInput<'_>]) -> Option<Figure> {
        caches.iter().find_map(self.build)
    }
}

/// Every figure, in the order of the report.
pub const FIGURES: &[FigureKind] = &[
    logit_distributions::FIGURE,
    magnitude::FIGURE_2A,
    magnitude::FIGURE_2B,
    perturbation::FIGURE,
    label_smooth::FIGURE,
    rate_and_decay::FIGURE,
    training_curves::FIGURE,
    class_size::FIGURE,
    confusion::FIGURE,
    reliability::FIGURE,
    predictors::FIGURE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = FIGURES.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), FIGURES.len());
    }
}
