//! `extractor import` of NumPy's archives: the committed ones, and what the NumPy at hand writes.

use crate::{
    import::{rows, safetensors, write_safetensors},
    program::Workplace,
};
use std::{path::Path, process::Command};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/imports");

/// The shards that `stored.npz` and `deflated.npz` of a folder give are those of the same numbers in a safetensors file.
fn check(folder: &Path) {
    let place = Workplace::new();
    write_safetensors(&place);
    let import = |train: &str, out: &str| {
        place.ok(&format!("import --train {train} --test test.safetensors --out {out}"));
        ["clean", "flipped"]
            .map(|view| std::fs::read(place.path(&format!("{out}/train.{view}/00000.safetensors"))).unwrap())
    };
    let expected = import("train.safetensors", "expected");
    for name in ["stored", "deflated"] {
        let file = folder.join(name).with_extension("npz");
        // Told by its beginning, whatever its name.
        std::fs::copy(file, place.path("archive")).unwrap();
        assert_eq!(import("archive", name), expected, "{name}");
    }
}

#[test]
fn archives_give_the_cache_of_the_same_numbers_in_safetensors() {
    check(Path::new(FOLDER));
}

#[test]
fn archives_of_the_numpy_at_hand_are_read() {
    let Some(python) = std::env::var_os("PYTHON_WITH_SAFETENSORS") else {
        println!("skipped: PYTHON_WITH_SAFETENSORS is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(FOLDER).join("record.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check(folder.path());
}

#[test]
fn arrays_without_names_and_damaged_archives_are_refused() {
    let place = Workplace::new();
    place.write("test.safetensors", safetensors(&rows(4, 100), None, None));
    let refused = |name: &str, bytes: &[u8]| {
        place.write(name, bytes);
        let message = place.refused(&format!("import --train {name} --test test.safetensors --out cache"));
        assert!(!place.path("cache").exists());
        message
    };
    let stored = std::fs::read(Path::new(FOLDER).join("stored.npz")).unwrap();
    let mut unnamed = stored.clone();
    // `numpy.savez(file, x, y)` calls its arrays `arr_0` and `arr_1`.
    for at in 0..unnamed.len() - 12 {
        if &unnamed[at..at + 12] == b"features.npy" {
            unnamed[at..at + 12].copy_from_slice(b"xarr_000.npy");
        }
    }
    insta::assert_snapshot!(refused("unnamed.npz", &unnamed), @"
    exit 2
    error: `unnamed.npz`: expected arrays `features` and `labels`, got no `features`
    hint: name the arrays: `numpy.savez(FILE, features=x, labels=y)`
    ");
    insta::assert_snapshot!(refused("cut.npz", &stored[..1_000]), @"
    exit 2
    error: `cut.npz`: expected a whole NumPy archive (npz), got one where the list of files is damaged
    hint: save the arrays again with `numpy.savez` or `numpy.savez_compressed`
    ");
    insta::assert_snapshot!(refused("text.npz", b"no archive at all"), @"
    exit 2
    error: `text.npz`: expected a safetensors file or a NumPy archive (npz), got another file
    hint: the file is damaged, or none of these: save it again
    ");
}
