//! `extractor pack` and `unpack`.

use crate::{
    import::write_safetensors,
    program::{Workplace, files},
};
use extractor::archive::unpack;
use program::interrupt::Interrupt;
use std::path::Path;

fn imported() -> Workplace {
    let place = Workplace::new();
    write_safetensors(&place);
    place.ok("import --train train.safetensors --test test.safetensors --shard-rows 4 --out cache");
    place
}

/// An archive of the entries given: name, type, content.
fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        // The safe setter refuses what an attacker would write.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    zstd::encode_all(builder.into_inner().unwrap().as_slice(), 1).unwrap()
}

#[test]
fn a_packed_cache_unpacks_to_the_same_files() {
    let place = imported();
    place.ok("pack cache cache.tar.zst");
    place.ok("unpack cache.tar.zst copies/mine");
    assert_eq!(files(&place.path("copies/mine")), files(&place.path("cache")));
    place.ok("verify copies/mine");
}

#[test]
fn equal_caches_give_equal_archives() {
    let place = imported();
    place.ok("pack cache one.tar.zst");
    place.ok("unpack one.tar.zst copy");
    place.ok("pack copy two.tar.zst");
    assert_eq!(
        std::fs::read(place.path("one.tar.zst")).unwrap(),
        std::fs::read(place.path("two.tar.zst")).unwrap()
    );
}

#[test]
fn an_archive_does_not_go_into_its_own_cache() {
    let place = imported();
    insta::assert_snapshot!(place.refused("pack cache cache/x.tar.zst"), @"
    exit 2
    error: `cache/x.tar.zst`: expected an archive beside the cache, got a file in the cache that it is of
    hint: give a path outside of the cache
    ");
    let refused = place.refused("pack cache cache/../cache/train.clean/x.tar.zst");
    assert!(refused.contains("expected an archive beside the cache"), "{refused}");
    place.ok("pack cache cache.tar.zst");
}

#[test]
fn nothing_is_overwritten() {
    let place = imported();
    place.ok("pack cache cache.tar.zst");
    let before = std::fs::read(place.path("cache.tar.zst")).unwrap();
    insta::assert_snapshot!(place.refused("pack cache cache.tar.zst"), @"
    exit 2
    error: `cache.tar.zst` exists already
    hint: give another path, or remove it first
    ");
    assert_eq!(std::fs::read(place.path("cache.tar.zst")).unwrap(), before);
    insta::assert_snapshot!(place.refused("unpack cache.tar.zst cache"), @"
    exit 2
    error: `cache` exists already
    hint: give another path, or remove it first
    ");
}

#[test]
fn what_is_no_file_or_no_folder_is_never_to_be_removed() {
    let place = imported();
    packed(&place);
    assert!(std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    place.write("file", "mine");
    for (line, expected) in [
        ("pack cache /dev/null", "`/dev/null`: expected a file, got a device"),
        ("pack cache /dev/full", "`/dev/full`: expected a file, got a device"),
        ("pack cache pipe", "`pipe`: expected a file, got a pipe"),
        ("pack packed.tar.zst cache", "`cache`: expected a file, got a folder"),
        ("unpack packed.tar.zst /dev/null", "`/dev/null`: expected a folder, got a device"),
        ("unpack packed.tar.zst pipe", "`pipe`: expected a folder, got a pipe"),
        ("unpack packed.tar.zst file", "`file`: expected a folder, got a file"),
        (
            "import --train nothing --test nothing --out /dev/null",
            "`/dev/null`: expected a folder, got a device",
        ),
        (
            "dump --dataset cifar10 --data nothing --device cpu --out file",
            "`file`: expected a folder, got a file",
        ),
        (
            "dump --dataset cifar10 --data nothing --device cpu --out pipe",
            "`pipe`: expected a folder, got a pipe",
        ),
    ] {
        let refused = place.refused(line);
        assert!(refused.contains(expected), "{line}: {refused}");
        assert!(refused.contains("give a path where nothing is yet"), "{line}: {refused}");
    }
}

#[test]
fn a_link_to_an_empty_folder_becomes_the_cache_that_it_leads_to() {
    let place = imported();
    packed(&place);
    std::fs::create_dir(place.path("empty")).unwrap();
    std::os::unix::fs::symlink("empty", place.path("link")).unwrap();
    place.ok("unpack packed.tar.zst link");
    assert!(place.path("link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(files(&place.path("empty")), files(&place.path("cache")));
}

#[test]
fn a_damaged_cache_is_not_packed() {
    let place = imported();
    let shard = place.path("cache/test.clean/00000.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    let refused = place.refused("pack cache cache.tar.zst");
    assert!(refused.contains("`cache/test.clean/00000.safetensors` has checksum"), "{refused}");
    assert!(!place.path("cache.tar.zst").exists());
}

/// Refused, and nothing left behind: neither the folder nor a temporary one.
fn refuses_to_unpack(place: &Workplace, bytes: &[u8]) -> String {
    place.write("bad/bad.tar.zst", bytes);
    let (archive, out) = (place.path("bad/bad.tar.zst"), place.path("bad/out"));
    let message = unpack(&archive, &out, &Interrupt::never()).unwrap_err().to_string();
    let left: Vec<_> =
        std::fs::read_dir(place.path("bad")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["bad.tar.zst"], "{message}");
    message.replace(&archive.display().to_string(), "bad.tar.zst")
}

#[test]
fn archives_that_leave_their_folder_are_refused() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let place = Workplace::new();
    for (name, kind) in [
        ("../manifest.json", Regular),
        ("/nowhere/manifest.json", Regular),
        ("train.clean/../../x.safetensors", Regular),
        ("manifest.json", Symlink),
        ("manifest.json", Link),
        ("train.clean", Directory),
        ("run.sh", Regular),
    ] {
        let content: &[u8] = if kind == Regular { b"x" } else { b"" };
        let message = refuses_to_unpack(&place, &archive(&[(name, kind, content)]));
        assert!(message.starts_with("`bad.tar.zst`: expected an archive"), "{message}");
    }
    assert!(!Path::new("/nowhere").exists());
    assert!(!place.path("manifest.json").exists());
}

#[test]
fn an_archive_must_end_with_its_manifest() {
    use tar::EntryType::Regular;
    let place = Workplace::new();
    let shard = ("train.clean/00000.safetensors", Regular, b"x".as_slice());
    let manifest = ("manifest.json", Regular, b"{}".as_slice());
    insta::assert_snapshot!(refuses_to_unpack(&place, &archive(&[shard])), @"`bad.tar.zst`: expected an archive of `extractor pack`, got no manifest at its end");
    insta::assert_snapshot!(refuses_to_unpack(&place, &archive(&[manifest, shard])), @"`bad.tar.zst`: expected an archive of `extractor pack`, got `train.clean/00000.safetensors` after the end");
    insta::assert_snapshot!(refuses_to_unpack(&place, &archive(&[shard, manifest])), @"`bad.tar.zst`: expected an archive of `extractor pack`, got invalid manifest `manifest.json`: no `format_version`");
    insta::assert_snapshot!(refuses_to_unpack(&place, b"no archive"), @"`bad.tar.zst`: expected an archive of `extractor pack`, got Unknown frame descriptor");
}

/// Name and bytes of each file.
type Files = Vec<(String, Vec<u8>)>;

/// What is declared is not believed: no long name or extended header is read into memory, no file is written that the manifest
/// does not answer for.
#[test]
fn an_archive_writes_nothing_that_its_manifest_does_not_list() {
    use tar::EntryType::{Char, Fifo, GNULongName, GNUSparse, Regular, XGlobalHeader, XHeader};
    let place = imported();
    for kind in [GNULongName, XHeader, XGlobalHeader, GNUSparse, Fifo, Char] {
        let mut header = tar::Header::new_gnu();
        header.set_path("train.clean/00000.safetensors").unwrap();
        header.set_entry_type(kind);
        // Three gigabytes, of which nothing follows.
        header.set_size(3 << 30);
        header.set_cksum();
        let bytes = zstd::encode_all(header.as_bytes().as_slice(), 1).unwrap();
        let message = refuses_to_unpack(&place, &bytes);
        assert!(message.contains("no plain file"), "{kind:?}: {message}");
    }
    let cache = files(&place.path("cache"));
    let manifest = cache.iter().find(|(name, _)| name == "manifest.json").unwrap().1.clone();
    let with = |change: &dyn Fn(&mut Files)| {
        let mut entries: Vec<_> = cache.iter().filter(|(name, _)| name != "manifest.json").cloned().collect();
        change(&mut entries);
        entries.push(("manifest.json".to_owned(), manifest.clone()));
        let entries: Vec<_> =
            entries.iter().map(|(name, bytes)| (name.as_str(), Regular, bytes.as_slice())).collect();
        refuses_to_unpack(&place, &archive(&entries))
    };
    let zeros = vec![0; 50 << 20];
    let bomb = with(&|entries| entries.push(("train.clean/00009.safetensors".to_owned(), zeros.clone())));
    insta::assert_snapshot!(bomb, @"`bad.tar.zst`: expected an archive of `extractor pack`, got `train.clean/00009.safetensors`, which its manifest does not list");
    let longer = with(&|entries| entries[0].1.push(0));
    assert!(longer.contains("bytes instead of"), "{longer}");
    let missing = with(&|entries| drop(entries.remove(0)));
    assert!(missing.contains("got no `"), "{missing}");
    let without_index = with(&|entries| entries.retain(|(name, _)| !name.starts_with("test.clean/features")));
    assert!(without_index.contains("got no `test.clean/features.safetensors.index.json`"), "{without_index}");
    let other = with(&|entries| entries.last_mut().unwrap().1[0] ^= 1);
    assert!(other.contains("with checksum"), "{other}");
    let mut tail = zstd::decode_all(std::fs::read(packed(&place)).unwrap().as_slice()).unwrap();
    tail.extend(&zeros);
    let tail = refuses_to_unpack(&place, &zstd::encode_all(tail.as_slice(), 1).unwrap());
    assert!(tail.contains("more after its end"), "{tail}");
    let mut hidden =
        zstd::decode_all(std::fs::read(place.path("packed.tar.zst")).unwrap().as_slice()).unwrap();
    hidden.extend(b"hidden");
    let hidden = refuses_to_unpack(&place, &zstd::encode_all(hidden.as_slice(), 1).unwrap());
    assert!(hidden.contains("more after its end"), "{hidden}");
}

fn packed(place: &Workplace) -> std::path::PathBuf {
    place.ok("pack cache packed.tar.zst");
    place.path("packed.tar.zst")
}

/// Who may read a new folder is the user's to say; what a killed process left goes.
#[test]
fn an_unpacked_folder_has_the_mode_of_any_other_and_leftovers_go() {
    use std::os::unix::fs::PermissionsExt;
    let place = imported();
    packed(&place);
    place.write(".longtail-killed000000.tmp/train.clean/00000.safetensors", "half");
    place.write(".longtail-killed000001.tmp", "half an archive");
    place.write("mine.tmp", "mine");
    for (umask, mode) in [("077", 0o700), ("022", 0o755)] {
        let program = env!("CARGO_BIN_EXE_extractor");
        let script = format!("umask {umask}; exec '{program}' unpack packed.tar.zst out-{umask}");
        let run = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.path(""))
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let folder = place.path(&format!("out-{umask}"));
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    assert!(
        !place.path(".longtail-killed000000.tmp").exists()
            && !place.path(".longtail-killed000001.tmp").exists()
    );
    assert!(place.path("mine.tmp").exists());
}

#[test]
fn an_archive_of_an_earlier_version_is_unpacked() {
    let place = imported();
    let manifest = place.path("cache/manifest.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    assert!(value.as_object_mut().unwrap().remove("manifest_blake3").is_some());
    std::fs::write(&manifest, value.to_string()).unwrap();
    place.ok("pack cache early.tar.zst");
    unpack(&place.path("early.tar.zst"), &place.path("early"), &Interrupt::never()).unwrap();
    let run = place.ok("verify early");
    assert!(run.stderr.contains("carries no digest of itself"), "{}", run.stderr);
}

#[test]
fn a_cut_or_damaged_archive_is_refused() {
    let place = imported();
    place.ok("pack cache cache.tar.zst");
    let whole = std::fs::read(place.path("cache.tar.zst")).unwrap();
    for cut in [1, whole.len() / 2, whole.len() - 1] {
        refuses_to_unpack(&place, &whole[..cut]);
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    refuses_to_unpack(&place, &flipped);
}
