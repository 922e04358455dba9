#!/usr/bin/env python3
"""Turns a PyTorch checkpoint into a safetensors file for `extractor dump --weights`.

    python3 extractor/convert.py model.pth model.safetensors

Needs torch and safetensors. The file may hold a state dict, a dictionary with one (`state_dict`, `model`, `net` ...), or a
whole pickled module; the last needs `--run-pickled-code`, because loading it runs the code that it holds. Prefixes of
wrappers (`module.`, `backbone.` ...) and `num_batches_tracked` are removed.
"""

import argparse
import pathlib
import pickle
import sys

import torch
from safetensors.torch import save_file

KEYS = ["state_dict", "model_state_dict", "state_dict_best", "model", "net", "network", "backbone", "encoder"]
PREFIXES = ("module.", "backbone.", "model.", "encoder.", "net.")


def fail(message, hint):
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)
    sys.exit(2)


def load(path, run_code):
    """Whatever the file holds; tensors only, unless its code may run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=not run_code)
    except OSError as error:
        fail(f"could not read `{path}`: {error.strerror}", "check the path")
    except pickle.UnpicklingError:
        if run_code:
            fail(f"`{path}`: expected a file of torch.save, got another format", "save it with torch.save")
        fail(
            f"`{path}` holds more than tensors, or is no file of torch.save",
            "if you trust its author, `--run-pickled-code` loads it, which runs the code in it",
        )
    except Exception as error:  # a damaged archive, a class that cannot be imported
        fail(f"could not load `{path}`: {error}", "a pickled module needs its own code on PYTHONPATH")


def tensors(value):
    """The tensors of a state dict, also where it is split into parts (backbone, classifier); None for anything else."""
    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    if not isinstance(value, dict) or not value:
        return None
    found = {}
    for name, item in value.items():
        if isinstance(item, torch.Tensor):
            found[str(name)] = item
        elif isinstance(item, dict) and item and all(isinstance(part, torch.Tensor) for part in item.values()):
            found.update(item)
    return found or None


def state_dict(loaded, key):
    if key is not None:
        if not isinstance(loaded, dict) or key not in loaded:
            keys = ", ".join(map(str, loaded)) if isinstance(loaded, dict) else "none"
            fail(f"no `{key}` in the file", f"its keys are: {keys}")
        return tensors(loaded[key])
    if isinstance(loaded, dict):
        for name in KEYS:
            if name in loaded and not isinstance(loaded[name], torch.Tensor):
                found = tensors(loaded[name])
                if found:
                    return found
    return tensors(loaded)


def plain(name):
    while name.startswith(PREFIXES):
        name = name.split(".", 1)[1]
    return name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="file of torch.save")
    parser.add_argument("target", type=pathlib.Path, help="safetensors file to write")
    parser.add_argument("--key", help="where in the file the state dict is [default: found]")
    parser.add_argument("--run-pickled-code", action="store_true", help="load pickled modules; only from authors you trust")
    arguments = parser.parse_args()
    loaded = load(arguments.source, arguments.run_pickled_code)
    found = state_dict(loaded, arguments.key)
    if not found:
        keys = ", ".join(map(str, loaded)) if isinstance(loaded, dict) else type(loaded).__name__
        fail(f"no state dict in `{arguments.source}`", f"name it with --key; the file holds: {keys}")
    result = {}
    for name, tensor in found.items():
        if name.endswith("num_batches_tracked"):
            continue
        if plain(name) in result:
            fail(f"two tensors are called `{plain(name)}` without their prefixes", "choose one network with --key")
        result[plain(name)] = tensor.detach().clone().contiguous()
    partial = arguments.target.with_name(arguments.target.name + ".partial")
    save_file(result, partial)
    partial.replace(arguments.target)
    count = sum(tensor.numel() for tensor in result.values())
    print(f"{len(result)} tensors, {count:,} numbers -> {arguments.target}")


if __name__ == "__main__":
    main()
