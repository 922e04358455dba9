"""The work of `retrainer bench` in plain PyTorch: LORT heads on the cached training features, SGD with momentum 0.9.

    python3 peer.py --cache CACHE --batch-size 64 [--device cpu|cuda] [--repetitions 3]

Prints a line of JSON for each way of doing it: what it is, and the seconds for one head and epoch (the median of the repetitions).
None runs a backbone, though published stage-2 code does: each way is compared by its loop alone, which favours PyTorch.

  tensors in memory        batches are rows of a tensor; autograd and torch.optim.SGD; on all threads, and on one thread
  list of linears          sixteen heads side by side, their losses summed, one optimiser with a group for each (dinov2)
  TensorDataset            a DataLoader over features: one sample at a time, collated
  dataset of features      the same through a Dataset of one's own, `__getitem__` giving one feature row and its label
  dataset of images        as the published CIFAR code of LTWB and LOS: `__getitem__` makes a PIL image of a uint8 array, crops it
                           (padding 4), flips it, turns it into a tensor and normalises it; features are then looked up by the
                           sample's number instead of computed. Images are random: their content costs nothing

Loaders run whole epochs of at most 512 steps; the others part of one, scaled to the whole.
"""
import argparse, json, os, statistics, time

# Threads that spin at a barrier stop each other where other programs hold a core; read before PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

parser = argparse.ArgumentParser()
parser.add_argument("--cache", required=True)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--device", default="cpu")
parser.add_argument("--repetitions", type=int, default=3)
args = parser.parse_args()
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset, TensorDataset

try:
    import numpy
    from PIL import Image
    from torchvision import transforms
except ImportError as error:
    Image, without_images = None, f"needs NumPy, Pillow and torchvision ({error})"

manifest = json.load(open(os.path.join(args.cache, "manifest.json")))
shards = [load_file(os.path.join(args.cache, shard["file"])) for shard in manifest["views"]["train.clean"]["shards"]]
features = torch.cat([shard["features"] for shard in shards]).float()
labels = torch.cat([shard["labels"] for shard in shards])
resident = features.to(args.device), labels.to(args.device)
N, D = features.shape
C = len(manifest["class_names"])
B = args.batch_size
EPOCH = -(-N // B)


class Features(Dataset):
    """One row of features and its label."""

    def __len__(self):
        return N

    def __getitem__(self, index):
        return features[index], labels[index].item()


class Images(Dataset):
    """One augmented image, its label and its number."""

    def __init__(self):
        self.data = numpy.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=numpy.uint8)
        self.targets = labels.tolist()
        self.transform = transforms.Compose([
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ])

    def __len__(self):
        return N

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.data[index])), self.targets[index], index


def in_memory(steps):
    x, y = resident
    order = torch.randperm(N, device=args.device)
    for step in range(steps):
        index = order[(step * B) % max(N - B, 1):][:B]
        yield x[index], y[index]


def loader(data, workers):
    # Forked, as by default on Linux for most of PyTorch's life: a script given by `-c` cannot be imported again.
    context = "fork" if workers else None
    loader = DataLoader(data, batch_size=B, shuffle=True, num_workers=workers, multiprocessing_context=context)

    def batches(steps):
        for step, (x, y, *index) in enumerate(loader):
            if step == steps:
                break
            if index:
                x.to(args.device)  # the images, which a backbone would read
                x = resident[0][index[0].to(args.device)]
            yield x.to(args.device), y.to(args.device)

    return batches


def synchronise():
    if args.device != "cpu":
        torch.cuda.synchronize()


def timed(heads, source, steps):
    """Seconds for one head and epoch."""
    linears = [torch.nn.Linear(D, C).to(args.device) for _ in range(heads)]
    losses = [torch.nn.CrossEntropyLoss(label_smoothing=0.98) for _ in range(heads)]
    groups = [{"params": linear.parameters(), "lr": 5e-4} for linear in linears]
    optimiser = torch.optim.SGD(groups, lr=5e-4, momentum=0.9)

    def run(count):
        for x, y in source(count):
            optimiser.zero_grad()
            sum(loss(linear(x), y) for loss, linear in zip(losses, linears)).backward()
            optimiser.step()
        synchronise()

    run(min(steps, 10))
    seconds = []
    for _ in range(args.repetitions):
        started = time.perf_counter()
        run(steps)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) / steps / heads * (N / B)


def tell(work, **rest):
    print(json.dumps({"work": work, **rest}), flush=True)


threads = torch.get_num_threads()
tell("PyTorch", version=torch.__version__, threads=threads, device=args.device)
whole = min(EPOCH, 512)
tell("16 heads as a list of linears, losses summed", kind="side-by-side", seconds=timed(16, in_memory, 50))
tell(f"one head at a time, tensors in memory, {threads} threads", kind="one-at-a-time", seconds=timed(1, in_memory, 300))
if args.device == "cpu" and threads > 1:
    torch.set_num_threads(1)
    seconds = timed(1, in_memory, 300) / threads
    torch.set_num_threads(threads)
    tell(f"the same on one thread, over {threads} cores that do not disturb each other", kind="one-at-a-time", seconds=seconds)
tell("TensorDataset, num_workers 0", kind="loader", seconds=timed(1, loader(TensorDataset(features, labels), 0), whole))
for workers in (0, 2):
    work = f"dataset of features, num_workers {workers}"
    tell(work, kind="loader", seconds=timed(1, loader(Features(), workers), whole))
for workers in (0, 2):
    work = f"dataset of images as LTWB and LOS (no backbone), num_workers {workers}"
    if Image is None:
        tell(work, kind="loader", left_out=without_images)
    else:
        tell(work, kind="loader", seconds=timed(1, loader(Images(), workers), whole))
