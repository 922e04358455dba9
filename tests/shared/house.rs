//! The plan of the house, held by tests: which crate may know which, where tensors are, that modules know each other one way, and
//! that the page that leads newcomers tells the truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The crates of the workspace, each with those that it knows; arrows point from a program to what it is made of.
const ARROWS: &[(&str, &[&str])] = &[
    ("shared/longtail", &[]),
    ("shared/files", &[]),
    ("shared/cache", &["files", "longtail"]),
    ("shared/program", &["files"]),
    ("shared/torch", &["program"]),
    ("retrainer/experiment", &["cache", "files", "longtail", "program"]),
    ("retrainer/engine", &["cache", "experiment", "files", "longtail", "program", "torch"]),
    ("retrainer", &["cache", "engine", "experiment", "files", "program", "torch"]),
    ("extractor", &["cache", "files", "longtail", "program", "torch"]),
];

/// The crates that touch tensors.
const TENSORS: &[&str] = &["engine", "extractor", "torch"];

/// The crates whose functions and constants are public where another crate names them, and nowhere else.
const CURATED: &[&str] = &[
    "shared/longtail",
    "shared/files",
    "shared/cache",
    "shared/program",
    "shared/torch",
    "retrainer/experiment",
    "retrainer/engine",
    "retrainer",
];

/// Lines of a file of source, at most.
const LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Names of the crates that a manifest depends on, without those for tests.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .collect()
}

#[test]
fn crates_know_those_below_them_and_no_other() {
    let names: BTreeSet<&str> = ARROWS.iter().filter_map(|(folder, _)| folder.rsplit('/').next()).collect();
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for (folder, known) in ARROWS {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let all = dependencies(&manifest);
        let ours: BTreeSet<&str> = all.intersection(&names).copied().collect();
        assert_eq!(ours, known.iter().copied().collect(), "{folder}");
        let name = folder.rsplit('/').next().unwrap();
        assert_eq!(all.contains("tch"), TENSORS.contains(&name), "tch in {folder}");
        assert!(workspace.contains(&format!("\"{folder}\"")), "{folder} is a member of the workspace");
    }
    assert_eq!(
        workspace.lines().find(|line| line.starts_with("members")).unwrap().matches('"').count() / 2,
        ARROWS.len()
    );
}

/// The source files of a crate.
fn sources(crate_folder: &Path) -> Vec<PathBuf> {
    rust_files(crate_folder.join("src"))
}

/// The Rust files of a folder and those inside it.
fn rust_files(folder: PathBuf) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The source files of a crate by their module, `a::b`, without what only tests see.
fn modules(crate_folder: &Path) -> BTreeMap<String, String> {
    let module = |path: PathBuf| {
        let name = path.strip_prefix(crate_folder.join("src")).unwrap().with_extension("");
        let parts = name.iter().map(|part| part.to_str().unwrap());
        let parts: Vec<&str> = parts.filter(|part| !["mod", "lib", "main"].contains(part)).collect();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        (parts.join("::"), code.collect::<Vec<_>>().join("\n"))
    };
    sources(crate_folder).into_iter().map(module).collect()
}

/// The paths of a `use` tree that begins at the start of `text`, and what follows it.
fn paths(text: &str) -> (Vec<Vec<String>>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut all = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if rest.is_empty() || rest.starts_with('}') {
                return (all, rest.strip_prefix('}').unwrap_or_default());
            }
            let (some, after) = paths(rest);
            assert!(after.len() < rest.len(), "{rest}");
            all.extend(some);
            rest = after;
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    if let Some(below) = after.strip_prefix("::") {
        let (some, after) = paths(below);
        return (some.into_iter().map(|path| [vec![name.to_owned()], path].concat()).collect(), after);
    }
    let after = after
        .strip_prefix(" as ")
        .map_or(after, |alias| alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
    (vec![vec![name.to_owned()]], if end == 0 { after.get(1..).unwrap_or_default() } else { after })
}

/// The modules that a module of these names by `crate::` or `super::`, itself and those around it left out.
fn known(module: &str, text: &str, modules: &BTreeMap<String, String>) -> BTreeSet<String> {
    let here: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let starts = ["crate::", "super::"].iter().flat_map(|word| text.match_indices(word));
    let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let mut found = BTreeSet::new();
    for (at, _) in starts.filter(|(at, _)| begins(*at)) {
        for path in paths(&text[at..]).0 {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let base = if path[0] == "crate" { &[][..] } else { &here[..here.len().saturating_sub(ups)] };
            let below = path.iter().skip(ups.max(1)).map(String::as_str);
            let mut whole: Vec<&str> = base.iter().copied().chain(below).collect();
            while !whole.is_empty() && !modules.contains_key(&whole.join("::")) {
                whole.pop();
            }
            found.insert(whole.join("::"));
        }
    }
    let around =
        |one: &str, other: &str| one.is_empty() || other == one || other.starts_with(&format!("{one}::"));
    found.into_iter().filter(|other| !around(other, module) && !around(module, other)).collect()
}

/// Every module from which some path leads back to itself.
fn in_circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let reached = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for other in arrows.get(module).into_iter().flatten() {
                if seen.insert(other.clone()) {
                    next.push(other);
                }
            }
        }
        seen
    };
    arrows.keys().filter(|module| reached(module).contains(*module)).cloned().collect()
}

#[test]
fn modules_know_each_other_one_way() {
    for (folder, _) in ARROWS {
        let modules = modules(&root().join(folder));
        let arrows = modules.iter().map(|(name, text)| (name.clone(), known(name, text, &modules))).collect();
        assert!(
            in_circles(&arrows).is_empty(),
            "modules of {folder} that reach themselves: {:?}",
            in_circles(&arrows)
        );
    }
}

/// Modules by their folder, or their file beside the folders: the first name of their path.
fn by_folder(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    let room = |module: &String| module.split("::").next().unwrap_or_default().to_owned();
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, known) in arrows {
        let others = known.iter().map(room).filter(|other| *other != room(module) && !other.is_empty());
        rooms.entry(room(module)).or_default().extend(others);
    }
    rooms
}

#[test]
fn folders_know_each_other_one_way() {
    for (folder, _) in ARROWS {
        let modules = modules(&root().join(folder));
        let arrows = modules.iter().map(|(name, text)| (name.clone(), known(name, text, &modules))).collect();
        let rooms = by_folder(&arrows);
        assert!(in_circles(&rooms).is_empty(), "folders of {folder}: {:?}", in_circles(&rooms));
    }
}

/// What is typed becomes settings in one place: nothing else of a program reads the command line.
#[test]
fn only_settings_and_commands_know_the_command_line() {
    let modules = modules(&root().join("extractor"));
    let program = ["cli", "settings", "commands", "main", ""];
    for (name, text) in &modules {
        let room = name.split("::").next().unwrap_or_default();
        let known = known(name, text, &modules);
        let typed = known.iter().find(|other| other.split("::").next() == Some("cli"));
        assert!(typed.is_none() || program.contains(&room), "{name} knows {typed:?}");
    }
}

#[test]
fn a_circle_is_found_whichever_way_it_is_written() {
    let modules = BTreeMap::from([
        ("a".to_owned(), "use crate::{\n    b::{C, d as e},\n    f,\n};".to_owned()),
        ("b".to_owned(), "fn g() { super::h::i() }".to_owned()),
        ("h".to_owned(), "use super::{a::{self, J}, k};".to_owned()),
        ("h::inner".to_owned(), "use super::L;\nuse crate::h;".to_owned()),
    ]);
    let arrows: BTreeMap<_, _> =
        modules.iter().map(|(name, text)| (name.clone(), known(name, text, &modules))).collect();
    assert_eq!(arrows["a"], BTreeSet::from(["b".to_owned()]));
    assert!(arrows["h::inner"].is_empty(), "what is around a module is no arrow");
    assert_eq!(in_circles(&arrows), ["a", "b", "h"].map(str::to_owned).into());
}

/// The release that the crate `torch` names is the one that is installed and that readers are told of.
#[test]
fn one_release_of_libtorch_is_named_everywhere() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let source = read("shared/torch/src/lib.rs");
    let version = source.split("VERSION: &str = \"").nth(1).unwrap().split('"').next().unwrap();
    for (file, words) in
        [("Makefile", "TORCH_VERSION := "), ("Cargo.toml", "libtorch "), ("README.md", "libtorch ")]
    {
        assert!(read(file).contains(&format!("{words}{version}")), "{file}: {words}{version}");
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The compiler finds what nobody uses only where it is not public.
#[test]
fn what_no_other_crate_names_is_not_public() {
    const ITEMS: [&str; 4] = ["pub fn ", "pub const fn ", "pub const ", "pub static "];
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let others = ["tests", "retrainer/benches", "retrainer/examples"].map(|folder| root().join(folder));
    let tests: Vec<String> = others.into_iter().flat_map(rust_files).map(read).collect();
    let crates: Vec<(&str, Vec<String>)> = ARROWS
        .iter()
        .map(|(folder, _)| (*folder, sources(&root().join(folder)).into_iter().map(read).collect()))
        .collect();
    let mut unused = Vec::new();
    for (folder, texts) in crates.iter().filter(|(folder, _)| CURATED.contains(folder)) {
        let outside = crates.iter().filter(|(other, _)| other != folder).flat_map(|(_, texts)| texts);
        let named: BTreeSet<&str> = outside.chain(&tests).flat_map(|text| words(text)).collect();
        let code = texts.iter().filter_map(|text| text.split("\n#[cfg(test)]\nmod ").next());
        for line in code.flat_map(str::lines).map(str::trim_start) {
            let item =
                ITEMS.iter().find_map(|item| line.strip_prefix(item)).and_then(|rest| words(rest).next());
            unused.extend(item.filter(|name| !named.contains(name)).map(|name| format!("{folder}: {name}")));
        }
    }
    assert!(unused.is_empty(), "public, and named by no other crate: {unused:#?}");
}

#[test]
fn no_source_file_is_long() {
    let files = ARROWS.iter().flat_map(|(folder, _)| sources(&root().join(folder)));
    let is_long = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count() > LINES;
    let long: Vec<PathBuf> = files.filter(is_long).collect();
    assert!(long.is_empty(), "files of more than {LINES} lines: {long:?}");
}

#[test]
fn the_page_for_newcomers_names_what_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let page = readme.split("\n## Where things are\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let names: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|name| name.contains('/')).collect();
    assert!(
        names.len() >= 10 && page.lines().count() <= 27,
        "{} names, {} lines",
        names.len(),
        page.lines().count()
    );
    for name in names {
        let path = name.split('*').next().unwrap_or_default();
        assert!(root().join(path).exists(), "`{name}` is not there");
    }
}
