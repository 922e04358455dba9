"""Writes seeds of the fuzz targets, and what made readers fail before there were any: `python3 tests/fuzz/seeds.py`, from the root of
the checkout.

What is accepted begins with `ok`; the tests check that it is. Pictures, grids, records and the checkpoint are kept as they are.
"""

import io
import json
import pathlib
import struct
import tarfile
import zipfile
import zlib

ROOT = pathlib.Path("tests/fuzz")
FIXTURES = pathlib.Path("fixtures")


def save(target, name, content, kind="seeds"):
    folder = ROOT / kind / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def parts(*contents):
    return b"".join(struct.pack("<H", len(content)) + content for content in contents)


def safetensors(tensors, metadata=None):
    """Tensors by name: (dtype, shape, bytes)."""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def floats(*numbers):
    return struct.pack(f"<{len(numbers)}f", *numbers)


def integers(*numbers):
    return struct.pack(f"<{len(numbers)}q", *numbers)


def npy(descr, shape, content, version=1, order=False):
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    before = 10 if version == 1 else 12
    text += " " * (-(before + len(text) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + content


def caches():
    tiny = FIXTURES / "caches" / "tiny"
    manifest = (tiny / "manifest.json").read_bytes()
    head = (tiny / "stage1_head.safetensors").read_bytes()
    views = [(tiny / view / "00000.safetensors").read_bytes() for view in ("train.clean", "train.flipped", "test.clean", "test.flipped")]
    save("cache", "ok", parts(manifest, head, *views))
    save("manifest", "ok", manifest)
    for target in ("stage1_head", "head"):
        # How many features and classes are asked for, then the file.
        save(target, "ok-cached", b"\x03\x02" + head)
        weight, bias = ("F32", [2, 2], floats(1, 2, 3, 4)), ("F32", [2], floats(0, 0))
        save(target, "ok-cosine", b"\x02\x02" + safetensors({"weight": weight, "bias": bias}, {"kind": "cosine"}))
        save(target, "ok-half", b"\x03\x02" + safetensors({"weight": ("BF16", [2, 3], b"\x80?" * 6)}))
        save(target, "ok-transposed", b"\x03\x02" + safetensors({"fc.weight": ("F64", [3, 2], struct.pack("<6d", *range(6))), "fc.bias": bias}))
        save(target, "ok-convolution", b"\x01\x02" + safetensors({"weight": ("F16", [2, 1, 1, 1], b"\0<\0<"), "bias": ("F32", [2, 1], floats(0, 1))}))
    aligned = {
        "weight": ("F32", [2, 2], floats(1, 2, 3, 4)),
        "bias": ("F32", [2], floats(0, 1)),
        "confidence": ("F32", [2], floats(0, 1)),
        "confidence_bias": ("F32", [1], floats(0)),
        "scale": ("F32", [2], floats(1, 1)),
        "offset": ("F32", [2], floats(0, 0)),
    }
    save("head", "ok-aligned", b"\x02\x02" + safetensors(aligned, {"kind": "aligned"}))
    centred = {"weight": ("F32", [1, 2], floats(1, 2)), "bias": ("F32", [1], floats(0)), "centre": ("F32", [2], floats(0, 1))}
    save("head", "ok-centred", b"\x02\x01" + safetensors(centred, {"kind": "centred-cosine"}))

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        names = ["stage1_head.safetensors"] + [f"{view}/{name}" for view in ("test.clean", "test.flipped", "train.clean", "train.flipped") for name in ("00000.safetensors", "features.safetensors.index.json")] + ["manifest.json"]
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = (tiny / name).stat().st_size, 0o644
            archive.addfile(entry, (tiny / name).open("rb"))
    save("archive", "ok", b"\x01" + packed.getvalue().rstrip(b"\0") + bytes(1024))
    for kind, letter in (("long-name", b"L"), ("pax", b"x"), ("link", b"2")):
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = letter, 600
        save("archive", kind, b"\x01" + entry.tobuf(tarfile.GNU_FORMAT) + b"30 path=train.clean/0.safetens\n".ljust(1024, b"\0") + packed.getvalue()[:2048])


def imports():
    train = npy("<f4", (3, 2), floats(1, 2, 3, 4, 5, 6)), npy("<i8", (3,), integers(0, 1, 0))
    test = npy("<f4", (2, 2), floats(7, 8, 9, 10)), npy("<i8", (2,), integers(1, 0))
    save("import_npy", "ok", parts(*train, *test))
    save("import_npy", "ok-flipped", parts(*train, *test, npy("<f4", (2, 2), floats(8, 7, 10, 9), version=2)))
    for name, descr, shape, content in (
        ("bytes", "|u1", (3,), b"\0\1\0"),
        ("column", "<i4", (3, 1), struct.pack("<3i", 0, 1, 0)),
        ("big-endian", ">i8", (3,), struct.pack(">3q", 0, 1, 0)),
        ("gap", "<i8", (3,), integers(0, 255, 0)),
    ):
        save("import_npy", name, parts(train[0], npy(descr, shape, content), *test))
    save("import_npy", "doubles", parts(npy("<f8", (3, 2, 1, 1), struct.pack("<6d", *range(6)), version=3), train[1], *test))
    save("import_npy", "fortran", parts(npy("<f4", (3, 2), floats(1, 2, 3, 4, 5, 6), order=True), train[1], *test))

    def split(features, labels, **more):
        rows = len(labels)
        tensors = {"features": ("F32", [rows, 2], floats(*features)), "labels": ("I64", [rows], integers(*labels))}
        return safetensors(tensors | more)

    train = split([1, 2, 3, 4, 5, 6], [0, 1, 0], sample_ids=("I64", [3], integers(4, 5, 6)))
    test = split([7, 8, 9, 10], [1, 0], features_flipped=("F32", [2, 2], floats(8, 7, 10, 9)))
    head = safetensors({"weight": ("F32", [2, 2], floats(1, 2, 3, 4)), "bias": ("F32", [2], floats(0, 1))})
    save("import_file", "ok", parts(train, test))
    save("import_file", "ok-head", parts(train, test, head))

    def npz(compression, **arrays):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", compression) as archive:
            for name, array in arrays.items():
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array, compression)
        return packed.getvalue()

    train = npy("<f4", (3, 2), floats(1, 2, 3, 4, 5, 6)), npy("<i8", (3,), integers(0, 1, 0))
    test = npy("<f4", (2, 2), floats(7, 8, 9, 10)), npy("|u1", (2,), b"\1\0")
    train, test = (npz(zipfile.ZIP_STORED, features=train[0], labels=train[1]), npz(zipfile.ZIP_DEFLATED, features=test[0], labels=test[1]))
    save("import_file", "ok-npz", parts(train, test))


def networks():
    weights = {"module.conv1.weight": ("F32", [2, 1, 1, 1], floats(1, 2)), "module.fc.weight": ("F16", [1, 2], b"\0<\0<"), "module.bn1.num_batches_tracked": ("I64", [], integers(3))}
    save("weights", "ok", safetensors(weights))
    save("weights", "pickle", b"PK\x03\x04" + b"archive/data.pkl" * 2)
    save("weights", "wrapped", safetensors({"n_averaged": ("I64", [], integers(3)), "_orig_mod.module.conv1.weight": ("F64", [1], struct.pack("<d", 1))}))


def data_sets():
    record = bytes(range(256)) * 12
    names = "\n".join(f"class {number}" for number in range(10)).encode()
    batches = [bytes([2 * batch]) + record + bytes([2 * batch + 1]) + record[::-1] for batch in range(5)]
    save("cifar", "ok-10", b"\x01" + parts(names, b"\7" + bytes(3072), *batches))
    names = "\n".join(f"class {number}" for number in range(100)).encode()
    test, train = bytes([3, 99]) + record, b"".join(bytes([0, number]) + record for number in (0, 0, 1))
    save("cifar", "gaps", b"\x00" + parts(names, test, train))
    save("cifar", "subset", b"\x0c" + parts(names, test, train))

    some, other = b"a/1.jpg 0\nb/1.jpg 1\n", b"a/2.jpg 0\nb/2.jpg 1\n"
    save("lists", "ok-list", b"\x02" + parts(some, b"a/2.jpg 0\n", b"b/2.jpg 1\n"))
    save("lists", "marked", b"\x12" + parts(b"\xef\xbb\xbf" + some, b"./a/2.jpg 0\n", b"b/2.jpg\t1\r\n"))
    save("lists", "imagenet-lt", b"\x01" + parts(some, other, other))
    save("lists", "rows", b"\x02" + parts(some, b"a/2.jpg 0\n", b"b/2.jpg 1\n", b"", b"[0, 1]"))
    save("lists", "ok-folder", b"\x00" + parts(b"", b"", b"", b"a/1.jpg train\nb/1.jpg train\na/2.jpg test\nb/2.jpg test\n"))

    def document(images, annotations):
        return json.dumps({
            "images": [{"id": number, "file_name": name} for number, name in images],
            "annotations": [{"image_id": image, "category_id": category} for image, category in annotations],
            "categories": [{"id": 5, "name": "oak"}, {"id": 9, "name": "elm"}],
        }).encode()

    save("inaturalist", "ok", parts(document([(1, "a/1.jpg"), (2, "b/1.jpg")], [(1, 5), (2, 9)]), document([(3, "a/2.jpg")], [(3, 9)])))


def former_failures():
    # 96 bytes that claim 2^40 classes of no features.
    endless = safetensors({"weight": ("F32", [1 << 40, 0], b"")})
    for target in ("stage1_head", "head"):
        save(target, "classes-without-features", bytes(2) + endless, "regressions")
    ok = (ROOT / "seeds" / "import_file" / "ok").read_bytes()
    save("import_file", "head-of-classes-without-features", ok + parts(endless), "regressions")

    # A JPEG of 65,500² pixels and a PNG of 22,000² in a few hundred bytes.
    picture = bytearray((ROOT / "seeds" / "image" / "ok.jpg").read_bytes())
    at = next(at for at in range(len(picture)) if picture[at : at + 2] in (b"\xff\xc0", b"\xff\xc2"))
    picture[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    save("image", "huge.jpg", bytes(picture), "regressions")

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 22000, 22000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(66001))) + chunk(b"IEND", b"")
    save("image", "huge.png", png, "regressions")

    # A GNU long name and a pax header that claim three gigabytes.
    for name, kind in (("long-name", b"L"), ("pax", b"x")):
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = kind, 3 << 30
        save("archive", f"{name}-of-gigabytes", b"\x01" + entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "regressions")


caches()
imports()
networks()
data_sets()
former_failures()
