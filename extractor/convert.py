#!/usr/bin/env python3
"""Turns a PyTorch checkpoint into a safetensors file for `extractor dump --weights`.

    python3 extractor/convert.py model.pth model.safetensors
    python3 extractor/convert.py moco.pth backbone.safetensors --strip encoder_q. --drop encoder_k. --drop queue

Needs torch and safetensors. The file may hold a state dict, a dictionary with one (`state_dict`, `model`, `net` ...), one
that is split into parts (backbone, classifier), or a whole pickled module; the last needs `--run-pickled-code`, because
loading it runs the code that it holds. Wrappers (`module.`, `_orig_mod.`, `backbone.` ...) and counters
(`num_batches_tracked`, `n_averaged` ...) are removed, and what was left out is said. A safetensors file is taken too.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import pickle
import sys
import zipfile

KEYS = [
    "state_dict", "model_state_dict", "state_dict_best", "model_state", "model", "net", "network", "backbone", "encoder",
    "weights", "params",
]
# As `shared/src/head_names.rs`: around a network, within one, and what counts steps.
WRAPPERS = {
    "module", "_orig_mod", "backbone", "model", "encoder", "net", "network", "base_model", "feat_model", "student",
    "teacher", "model_ema", "ema_model", "_forward_module",
}
WITHIN = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
BOOK_KEEPING = {"num_batches_tracked", "n_averaged", "num_updates", "initted", "step"}


def fail(message, hint):
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)
    sys.exit(2)


def libraries():
    """torch, and safetensors' functions."""
    try:
        import torch
    except (ImportError, OSError) as error:
        fail(f"PyTorch cannot be imported: {error}", "python3 -m pip install torch safetensors numpy")
    try:
        from safetensors.torch import load_file, save_file
    except (ImportError, OSError) as error:
        fail(f"safetensors cannot be imported: {error}", "python3 -m pip install safetensors numpy")
    return torch, load_file, save_file


def check(path, checksums):
    """The kind of a file, by its first bytes: `torch` or `safetensors`; any other is an error that says what it is."""
    try:
        if not path.is_file():
            os.stat(path)
            fail(f"`{path}` is no file of torch.save: it is a folder, pipe or device", "give the file itself")
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError as error:
        fail(f"could not read `{path}`: {error.strerror}", "check the path")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start[:4] == b"PK\x03\x04":
        try:
            archive = zipfile.ZipFile(path)
            names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError):
            fail(f"`{path}` is a damaged file of torch.save: its end is missing", "download or save it again")
        if any("/code/__torch__" in name or name.endswith("/constants.pkl") for name in names):
            fail(f"`{path}` is a TorchScript module, no file of torch.save", "extractor dump --torchscript takes it")
        if not any(name.endswith("/data.pkl") for name in names):
            fail(f"`{path}` is a zip archive, no file of torch.save", "take the checkpoint out of it first")
        damaged = damaged_entry(archive) if checksums else None
        if damaged:
            fail(
                f"`{path}` is a damaged file of torch.save: the checksum of `{damaged}` is wrong",
                "download or save it again; --ignore-checksums for files saved without them",
            )
        return "torch"
    if start[:1] == b"\x80" or start[257:262] == b"ustar":
        return "torch"
    if len(start) > 8 and start[8:9] == b"{":
        return "safetensors"
    for is_it, what, hint in [
        (not start, "it is empty", "download or save it again"),
        (text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")), "it is a web page", "download the file itself"),
        (text.startswith(b"version https://git-lfs"), "it is a Git LFS pointer", "fetch what it stands for: git lfs pull"),
        (start[:2] == b"\x1f\x8b", "it is compressed", "decompress it first: gunzip, tar -xf"),
        (True, "its first bytes are of another format", "give the checkpoint that torch.save wrote"),
    ]:
        if is_it:
            fail(f"`{path}` is no file of torch.save: {what}", hint)


def damaged_entry(archive):
    """The first entry whose checksum is wrong: torch.load does not look at them, and would load other weights."""
    try:
        return archive.testzip()
    except Exception as error:  # zipfile and zlib raise several types
        return first_line(error)


@contextlib.contextmanager
def harmless_types(torch):
    """Lets numbers of NumPy and settings of argparse be loaded, which many checkpoints hold beside tensors; no code runs."""
    allow = getattr(torch.serialization, "safe_globals", None)
    types = [argparse.Namespace, collections.defaultdict, collections.Counter, pathlib.PosixPath, dict, set]
    try:
        import numpy

        core = getattr(numpy, "_core", None) or numpy.core
        types += [core.multiarray.scalar, core.multiarray._reconstruct, numpy.ndarray, numpy.dtype]
        types += [(core.multiarray.scalar, "numpy.core.multiarray.scalar")]
        types += [(core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct")]
        types += [type(numpy.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    except (ImportError, AttributeError):
        pass
    try:
        context = allow(types)
    except TypeError:  # none, or one that takes no names
        context = contextlib.nullcontext()
    with context:
        yield


def load(torch, path, run_code):
    """Whatever the file holds; tensors and plain values only, unless its code may run."""
    try:
        if run_code:
            return torch.load(path, map_location="cpu", weights_only=False)
        with harmless_types(torch):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if run_code:
            fail(f"`{path}` is a damaged file of torch.save: {first_line(error)}", "download or save it again")
        fail(
            f"`{path}` holds more than tensors, or is a damaged file of torch.save",
            "if you trust its author, `--run-pickled-code` loads it, which runs the code in it",
        )
    except (ImportError, AttributeError) as error:
        fail(f"could not load `{path}`: {first_line(error)}", "a pickled module needs its own code on PYTHONPATH")
    except Exception as error:  # torch raises many types for a damaged file
        fail(f"could not load `{path}`: {first_line(error)}", "the file may be damaged: download or save it again")


def first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def plain(name, strip=()):
    """The name without wrappers and the prefixes asked for."""
    while True:
        *parts, last = name.split(".")
        while parts and parts[0] in WRAPPERS:
            del parts[0]
        shorter = ".".join([part for part in parts if part not in WITHIN] + [last])
        prefix = next((prefix for prefix in strip if shorter.startswith(prefix) and shorter != prefix), "")
        shorter = shorter[len(prefix):]
        if shorter == name:
            return name
        name = shorter


def is_state_dict(torch, value):
    return isinstance(value, dict) and bool(value) and all(isinstance(part, torch.Tensor) for part in value.values())


def tensors(torch, value):
    """The tensors of a state dict, also where it is split into parts (backbone, classifier), and the keys left out.

    None for anything else. Parts must not hold the same names: they would be several networks.
    """
    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    if not isinstance(value, dict):
        return None, []
    value = {str(name): item.state_dict() if isinstance(item, torch.nn.Module) else item for name, item in value.items()}
    parts = {name: item for name, item in value.items() if is_state_dict(torch, item)}
    if not parts:
        found = {name: item for name, item in value.items() if isinstance(item, torch.Tensor)}
        return found or None, []
    owner, found = {}, {}
    for part, items in parts.items():
        for name, item in items.items():
            other = owner.setdefault(plain(str(name)), part)
            if other != part:
                fail(
                    f"`{other}` and `{part}` both hold `{plain(str(name))}`: they are several networks",
                    f"choose one: --key {other}, or --key {part}",
                )
            found[str(name)] = item
    # A number beside whole state dicts (`best_acc1`) is no weight.
    return found, [name for name, item in value.items() if isinstance(item, torch.Tensor)]


def state_dict(torch, loaded, key):
    """The tensors asked for, the keys left out, and the name of where they were."""
    if key is not None:
        for part in [key] if isinstance(loaded, dict) and key in loaded else key.split("."):
            if not isinstance(loaded, dict) or part not in loaded:
                keys = ", ".join(map(str, loaded)) if isinstance(loaded, dict) else "none"
                fail(f"no `{key}` in the file", f"its keys are: {keys}")
            loaded = loaded[part]
        return *tensors(torch, loaded), key
    if isinstance(loaded, dict):
        for name in KEYS:
            if name in loaded and not isinstance(loaded[name], torch.Tensor):
                found, left_out = tensors(torch, loaded[name])
                if found:
                    return found, left_out, name
    return *tensors(torch, loaded), None


def say_others(torch, loaded, chosen, result, strip):
    """Names other state dicts of the file with the same tensors: averaged weights (EMA), a teacher."""
    if not isinstance(loaded, dict) or chosen is None or "." in chosen:
        return
    for name, item in loaded.items():
        if name == chosen or isinstance(item, torch.Tensor):
            continue
        other, _ = tensors(torch, item) if isinstance(item, (dict, torch.nn.Module)) else (None, [])
        shared_names = {plain(part, strip) for part in other or {}} & set(result)
        if len(shared_names) * 2 > len(result):
            print(f"note: `{chosen}` was taken; the file also holds `{name}` (--key {name}), such as averaged weights")


def two_networks(names):
    """Two prefixes below which the same names lie, if there are."""
    below = collections.defaultdict(set)
    for name in names:
        prefix, dot, rest = name.partition(".")
        if dot:
            below[prefix].add(rest)
    # Blocks of one network differ in their first ones; a whole network has many names.
    prefixes = [prefix for prefix, rest in below.items() if len({name.partition(".")[0] for name in rest}) >= 4]
    for index, one in enumerate(prefixes):
        for two in prefixes[index + 1:]:
            if below[one] == below[two] and len(below[one]) > 8:
                return one, two
    return None


def begins(name, prefixes, strip=()):
    """Whether a name begins so, as stored, without wrappers, or without the prefixes asked for."""
    return any(form.startswith(tuple(prefixes)) for form in (name, plain(name), plain(name, strip)))


def chosen_tensors(found, strip, drop):
    """The tensors under their plain names, and what each other one was left out for: its counter's name or a prefix."""
    result, left_out, origin = {}, [], {}
    for name, tensor in found.items():
        short, last = plain(name, strip), name.rpartition(".")[2]
        reasons = [last] if last in BOOK_KEEPING else [prefix for prefix in drop if begins(name, [prefix], strip)]
        if reasons:
            left_out.append(reasons[0])
            continue
        if short in result:
            one, two = (full[: len(full) - len(short)] or "no prefix" for full in (origin[short], name))
            fail(
                f"`{origin[short]}` and `{name}` are both `{short}` without their prefixes",
                f"choose one network with --key, or leave the other out: --drop {two}, or --drop {one}",
            )
        result[short], origin[short] = tensor, name
    return result, left_out


def say_left_out(reasons):
    told = [f"{count} {reason}" if count > 1 else reason for reason, count in collections.Counter(reasons).items()]
    if told:
        print(f"left out: {', '.join(told)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="file of torch.save, or a safetensors file")
    parser.add_argument("target", type=pathlib.Path, help="safetensors file to write")
    parser.add_argument("--key", help="where in the file the state dict is, `a.b` for b in a [default: found]")
    parser.add_argument("--strip", metavar="PREFIX", action="append", default=[], help="prefix to remove from names, such as `encoder_q.`; may be given several times")
    parser.add_argument("--drop", metavar="PREFIX", action="append", default=[], help="leave out tensors whose names start so, such as `encoder_k.`; may be given several times")
    parser.add_argument("--ignore-checksums", action="store_true", help="of files saved with set_crc32_options(False)")
    parser.add_argument("--run-pickled-code", action="store_true", help="load pickled modules; only from authors you trust")
    arguments = parser.parse_args()
    kind = check(arguments.source, not arguments.ignore_checksums)
    torch, load_file, save_file = libraries()
    if kind == "safetensors":
        try:
            loaded = load_file(arguments.source)
        except Exception as error:  # the crate raises a type of its own
            fail(f"`{arguments.source}` is a damaged safetensors file: {first_line(error)}", "write it again")
    else:
        loaded = load(torch, arguments.source, arguments.run_pickled_code)
    found, left_out, chosen = state_dict(torch, loaded, arguments.key)
    if not found:
        keys = ", ".join(map(str, loaded)) if isinstance(loaded, dict) else type(loaded).__name__
        fail(f"no state dict in `{arguments.source}`", f"name it with --key; the file holds: {keys}")
    unused = [prefix for prefix in arguments.strip + arguments.drop
              if not any(begins(name, [prefix], arguments.strip) for name in found)]
    if unused:
        fail(f"no tensor's name starts with `{unused[0]}`", f"names begin so: {', '.join(list(map(plain, found))[:4])}")
    result, dropped = chosen_tensors(found, arguments.strip, arguments.drop)
    if not result:
        fail("nothing is left to write", f"dropped: {', '.join(dropped[:4])}")
    pair = two_networks(result)
    if pair:
        one, two = pair
        fail(f"two networks: `{one}.` and `{two}.`", f"choose one: --strip {one}. --drop {two}.")
    for name, tensor in result.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            fail(f"`{name}` holds NaN or infinity", "the training that wrote it diverged: take an earlier checkpoint")
    partial = arguments.target.with_name(arguments.target.name + ".partial")
    try:
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in result.items()}, partial)
        partial.replace(arguments.target)
    except Exception as error:
        partial.unlink(missing_ok=True)
        fail(f"could not write `{arguments.target}`: {first_line(error)}", "check the path and the free space")
    say_left_out(left_out + dropped)
    say_others(torch, loaded, chosen, result, arguments.strip)
    count = sum(tensor.numel() for tensor in result.values())
    print(f"{len(result)} tensors, {count:,} numbers -> {arguments.target}")


if __name__ == "__main__":
    main()
