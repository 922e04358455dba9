//! `retrainer report`: run records to tables and figures.

use super::asked_protocol;
use cache::MANIFEST_FILE;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use experiment::{
    records::RunStore,
    report::{
        ClassSet, FORMATS, Format, GroupRule, ReportError, Results, Style, TABLES, Table, TableKind,
        figures::{FIGURES, Figure, FigureInput, FigureKind, png},
        folder::{self, ReportFolder},
        page::{Page, page},
    },
    select::Protocol,
};
use files::{content::Content, output::Output, regular};
use program::console;
use std::{
    ffi::OsStr,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

/// Arguments of `retrainer report`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  retrainer report runs/table1\n  \
    retrainer report runs/table1 --table table1 --select best-on-test --out table1.md\n  \
    retrainer report runs/fig4 --figure fig4 --out fig4.png\n  \
    retrainer report runs/table1 --table classes --method lort --out classes.csv\n  \
    retrainer report runs/table1 --out page.html\n  \
    retrainer report runs/table1 --all --out report")]
pub struct ReportArgs {
    /// Folder of run records (RUNS of `sweep --out`), or one record file
    pub runs: PathBuf,
    /// How epoch and hyper-parameters are chosen [default: val where all runs have validation scores, else last]
    #[arg(long, value_enum, value_name = "PROTOCOL")]
    pub select: Option<Protocol>,
    /// Choose on the validation split by this score
    #[arg(long, value_parser = super::select_by(), value_name = "SCORE")]
    pub select_by: Option<Protocol>,
    /// Format of the report [default: by the extension of --out, else terminal]
    #[arg(long, value_parser = format_parser())]
    pub format: Option<&'static Format>,
    /// File to write instead of stdout; with --all a folder
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Everything into the folder --out: the page, and every table and figure as files
    #[arg(long, requires = "out", conflicts_with_all = ["table", "format"])]
    pub all: bool,
    /// Which table [default: leaderboard; a page of HTML has all]
    #[arg(long, value_parser = table_parser())]
    pub table: Option<&'static TableKind>,
    /// A figure instead of a table: SVG, or PNG where --out ends in .png
    #[arg(long, value_parser = figure_parser(), conflicts_with_all = ["table", "format", "all"])]
    pub figure: Option<&'static FigureKind>,
    /// Method that gains are measured against [default: stage1, else ce]
    #[arg(long, value_name = "METHOD")]
    pub baseline: Option<String>,
    /// Show only this method; may be given several times
    #[arg(long = "method", value_name = "METHOD")]
    pub methods: Vec<String>,
    /// Groups of classes by training samples instead of many, medium and few: thresholds (`100,20` are these) or `quantiles:4`
    #[arg(long, value_name = "RULE")]
    pub groups: Option<GroupRule>,
    /// A column for some classes: a name, and class names, numbers or ranges; may be given several times
    #[arg(long = "classes", value_name = "NAME=CLASSES")]
    pub classes: Vec<ClassSet>,
}

fn format_parser() -> impl TypedValueParser<Value = &'static Format> {
    let names = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name));
    names.try_map(|name| FORMATS.iter().find(|format| format.name == name).ok_or("no such format"))
}

fn table_parser() -> impl TypedValueParser<Value = &'static TableKind> {
    let names = PossibleValuesParser::new(TABLES.iter().map(|table| table.name));
    names.try_map(|name| TABLES.iter().find(|table| table.name == name).ok_or("no such table"))
}

fn figure_parser() -> impl TypedValueParser<Value = &'static FigureKind> {
    let names = PossibleValuesParser::new(FIGURES.iter().map(|figure| figure.name));
    names.try_map(|name| FIGURES.iter().find(|figure| figure.name == name).ok_or("no such figure"))
}

/// Reads the runs, selects, and writes the tables or the figure to `--out` or stdout; warnings go to stderr.
///
/// # Errors
/// [`ReportError`] when there are no runs, the protocol cannot choose, or the output cannot be written; the output is
/// opened before the records are read.
pub fn run(args: &ReportArgs) -> Result<(), ReportError> {
    if args.all {
        return everything(args);
    }
    if let Some(kind) = args.figure {
        return figure(args, kind);
    }
    let format = resolve_format(args)?;
    let output = Output::open(args.out.as_deref())?;
    let store = open(&args.runs)?;
    let results = results(args, &store)?;
    if format.whole && args.table.is_none() {
        let page = whole_page(&results, tables(&results), figures(&store, &results)?);
        output.write(page.as_bytes())?;
        say(&store);
        return Ok(());
    }
    let kind = args.table.or(TABLES.first()).into_iter();
    let tables: Vec<_> = kind.flat_map(|kind| (kind.build)(&results)).collect();
    let text = (format.render)(&tables, style(&output))?;
    output.write(text.as_bytes())?;
    say(&store);
    if !format.cautions {
        warn(tables.into_iter().flat_map(|table| table.cautions));
    }
    Ok(())
}

/// What the protocol selects of each cache, with the groups of classes that are asked for.
fn results(args: &ReportArgs, store: &RunStore) -> Result<Vec<Results>, ReportError> {
    let protocol = asked_protocol(args.select, args.select_by)?;
    let results = Results::of_store(store, protocol, args.baseline.as_deref(), &args.methods)?;
    let grouped = |results: Results| Ok(results.grouped(args.groups.as_ref(), &args.classes)?);
    results.into_iter().map(grouped).collect()
}

/// The records of a folder that has some.
pub(super) fn open(runs: &Path) -> Result<RunStore, ReportError> {
    let store = RunStore::open(runs)?;
    if store.runs().is_empty() {
        let got = other_than_runs(runs);
        if got.is_none() {
            warn(store.warnings().iter().map(ToString::to_string));
        }
        return Err(ReportError::NoRuns { path: runs.to_owned(), got });
    }
    Ok(store)
}

/// What a path without runs is, where its first bytes tell.
fn other_than_runs(path: &Path) -> Option<String> {
    if path.join(MANIFEST_FILE).is_file() {
        return Some("a feature cache".to_owned());
    }
    let mut start = Vec::new();
    regular::open(path).ok()?.take(4096).read_to_end(&mut start).ok()?;
    let header = start.get(8..).is_some_and(|rest| rest.starts_with(b"{") && start.contains(&0));
    let name = match Content::of(&start) {
        Some(Content::Json) if path.file_name() == Some(OsStr::new(MANIFEST_FILE)) => {
            "the manifest of a feature cache"
        }
        // Records are JSON, too: their warnings say what is wrong with them.
        Some(Content::Json | Content::Empty) => return None,
        Some(content) => content.name(),
        None if header => "a safetensors file",
        None => return None,
    };
    Some(name.to_owned())
}

/// Says what the records lack.
pub(super) fn say(store: &RunStore) {
    warn(store.warnings().iter().map(ToString::to_string));
    if store.duplicates() > 0 {
        warn([format!("{} records repeat a run; the first finished one of each counts", store.duplicates())]);
    }
}

/// Every table of every kind.
fn tables(results: &[Results]) -> Vec<(&'static TableKind, Vec<Table>)> {
    TABLES.iter().map(|kind| (kind, (kind.build)(results))).collect()
}

fn whole_page(
    results: &[Results],
    mut tables: Vec<(&'static TableKind, Vec<Table>)>,
    figures: Vec<Figure>,
) -> String {
    tables.retain(|(kind, _)| kind.on_page);
    page(&Page { results, tables, figures })
}

/// Every figure that the runs have what it needs for.
fn figures(store: &RunStore, results: &[Results]) -> Result<Vec<Figure>, ReportError> {
    let (caches, warnings) = FigureInput::read_all(store, results)?;
    warn(warnings);
    Ok(FIGURES.iter().filter_map(|kind| kind.draw(&caches)).collect())
}

/// Writes the figure of the first cache whose runs have what it needs.
fn figure(args: &ReportArgs, kind: &FigureKind) -> Result<(), ReportError> {
    let to_png = match args.out.as_deref().map(|path| (path, path.extension().and_then(OsStr::to_str))) {
        None | Some((_, Some("svg"))) => false,
        Some((_, Some("png"))) => true,
        Some((path, _)) => return Err(ReportError::UnknownImage { path: path.to_owned() }),
    };
    let output = Output::open(args.out.as_deref())?;
    let store = open(&args.runs)?;
    let results = results(args, &store)?;
    say(&store);
    let (caches, warnings) = FigureInput::read_all(&store, &results)?;
    warn(warnings);
    let figure = kind.draw(&caches);
    let Figure { svg, .. } = figure.ok_or(ReportError::NoFigure { figure: kind.name, about: kind.about })?;
    Ok(output.write(&if to_png { png(&svg)? } else { svg.into_bytes() })?)
}

/// `page.html`, `TABLE.md|csv|tex` and `FIGURE.svg|png`; the same records give the same bytes.
fn everything(args: &ReportArgs) -> Result<(), ReportError> {
    let mut folder = ReportFolder::open(args.out.as_deref().unwrap_or(Path::new("")))?;
    let store = open(&args.runs)?;
    let results = results(args, &store)?;
    let tables = tables(&results);
    for (kind, tables) in &tables {
        for format in folder::table_formats() {
            let text = (format.render)(tables, Style::default())?;
            folder.write(&format!("{}.{}", kind.name, format.extension), text.as_bytes())?;
        }
    }
    let figures = figures(&store, &results)?;
    for figure in &figures {
        folder.write(&format!("{}.svg", figure.name), figure.svg.as_bytes())?;
        folder.write(&format!("{}.png", figure.name), &png(&figure.svg)?)?;
    }
    let strange = folder.finish(&whole_page(&results, tables, figures))?;
    say(&store);
    warn(strange.into_iter().map(|name| format!("`{name}` was there before and is not of this report")));
    Ok(())
}

fn resolve_format(args: &ReportArgs) -> Result<&'static Format, ReportError> {
    let extension = |path: &PathBuf| {
        let extension = path.extension().and_then(OsStr::to_str);
        let format = FORMATS.iter().find(|format| Some(format.extension) == extension);
        format.ok_or_else(|| ReportError::UnknownExtension { path: path.clone() })
    };
    match (args.format, &args.out, FORMATS) {
        (Some(format), ..) => Ok(format),
        (None, Some(path), _) => extension(path),
        (None, None, [default, ..]) => Ok(default),
        (None, None, []) => Err(ReportError::UnknownExtension { path: "stdout".into() }),
    }
}

/// Width and colour of a terminal on stdout; `NO_COLOR` set to anything but nothing turns colour off.
fn style(output: &Output) -> Style {
    let terminal = output.is_stdout() && io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = if terminal { comfy_table::Table::new().width() } else { None };
    Style { width, color: terminal && !no_color }
}

fn warn(lines: impl IntoIterator<Item = String>) {
    for line in lines {
        console::say(&format!("warning: {line}"));
    }
}
