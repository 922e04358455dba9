//! The folder of `report --all`: its files, and what an earlier report left in it.
//!
//! Runs change, and a figure that the earlier ones had may be one that these lack. A reader would take the old file for part of
//! the new report. The page names its figures, so the page of the earlier report tells which files were written beside it:
//! those go. Another file with the name of one of ours may be somebody's own: it stays and is told of.

use super::{
    FORMATS, Format, ReportError, TABLES,
    figures::FIGURES,
    page::{PAGE, figures_in},
};
use files::{
    FileError,
    output::{self, Output},
    regular,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Formats that every table is written in.
pub fn table_formats() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|format| format.in_folder)
}

/// Extensions of every figure.
const FIGURE_EXTENSIONS: [&str; 2] = ["svg", "png"];

/// A page of ours is smaller: what is larger is none.
const LONGEST_PAGE: u64 = 1 << 28;

/// A folder that is being written.
#[derive(Debug)]
pub struct ReportFolder {
    path: PathBuf,
    page: Output,
    /// Figures of the report that was there before.
    earlier: Vec<&'static str>,
    written: BTreeSet<String>,
}

impl ReportFolder {
    /// Makes the folder where it is not there, and opens the page: a folder that cannot be written to is known before the
    /// records are read.
    ///
    /// # Errors
    /// [`ReportError::File`].
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        fs::create_dir_all(path).map_err(|source| FileError::io("create", path, source))?;
        let page = path.join(PAGE);
        let earlier = earlier_figures(&page);
        let page = Output::open(Some(&page))?;
        Ok(Self { path: path.to_owned(), page, earlier, written: BTreeSet::new() })
    }

    /// Writes a file of the report.
    ///
    /// # Errors
    /// [`ReportError::File`].
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
        output::write(&self.path.join(name), bytes)?;
        self.written.insert(name.to_owned());
        Ok(())
    }

    /// Removes figures of the earlier report that this one lacks, and writes the page; the names of files that look like some
    /// of a report and are of neither.
    ///
    /// # Errors
    /// [`ReportError::File`].
    pub fn finish(self, page: &str) -> Result<Vec<String>, ReportError> {
        let mut strange = Vec::new();
        for (kind, name) in names().into_iter().filter(|(_, name)| !self.written.contains(name)) {
            let path = self.path.join(&name);
            let Ok(there) = fs::symlink_metadata(&path) else { continue };
            if there.is_file() && self.earlier.contains(&kind) {
                fs::remove_file(&path).map_err(|source| FileError::io("remove", &path, source))?;
            } else {
                strange.push(name);
            }
        }
        // Last: a report that is stopped before leaves the page that tells of its figures.
        self.page.write(page.as_bytes())?;
        Ok(strange)
    }
}

/// Every file but the page that a report may have, with the name of its table or figure.
fn names() -> Vec<(&'static str, String)> {
    let tables = table_formats().flat_map(|format| TABLES.iter().map(|table| (table.name, format.extension)));
    let figures =
        FIGURES.iter().flat_map(|figure| FIGURE_EXTENSIONS.map(|extension| (figure.name, extension)));
    tables.chain(figures).map(|(name, extension)| (name, format!("{name}.{extension}"))).collect()
}

/// The figures of a page that is there; none of what is no page.
fn earlier_figures(page: &Path) -> Vec<&'static str> {
    let html = regular::read_at_most(page, LONGEST_PAGE).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    html.map(|html| figures_in(&html)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{figures::Figure, page};

    fn page_of(name: &'static str) -> String {
        let figure =
            Figure { name, title: String::new(), caption: String::new(), svg: "<svg></svg>".to_owned() };
        page::page(&page::Page { results: &[], tables: Vec::new(), figures: vec![figure] })
    }

    #[test]
    fn figures_of_an_earlier_report_go_and_files_of_others_stay_and_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let report = |name: &'static str| {
            let mut report = ReportFolder::open(folder.path()).unwrap();
            report.write(&format!("{name}.svg"), b"drawing").unwrap();
            report.write(&format!("{name}.png"), b"image").unwrap();
            report.finish(&page_of(name)).unwrap()
        };
        fs::write(at("fig5.png"), "somebody's own").unwrap();
        fs::write(at("notes.md"), "of no name of ours").unwrap();
        assert_eq!(report("fig4"), ["fig5.png"]);
        assert_eq!(report("fig1"), ["fig5.png"]);
        assert!(!at("fig4.svg").exists() && !at("fig4.png").exists());
        assert!(at("fig1.svg").exists() && at("fig5.png").exists() && at("notes.md").exists());
        // A page of somebody else tells nothing.
        fs::write(at("page.html"), "<p>fig1</p>").unwrap();
        assert_eq!(report("fig3"), ["fig1.svg", "fig1.png", "fig5.png"]);
    }
}
