//! `extractor pack` and `unpack`.

use crate::{
    import::write_safetensors,
    program::{Workplace, files},
};
use extractor::archive::unpack;
use shared::interrupt::Interrupt;
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
