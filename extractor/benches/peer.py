"""What `extractor bench --peer` compares with: the same work in plain PyTorch.

Started with one JSON argument; answers its version, then a line of images per second ("-" for what it cannot do) for each
line `TASK [PRECISION] SECONDS` of its input. The network is torchvision's ResNet, written out so that PyTorch is all it needs;
`decode` needs Pillow.
"""

import json
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn
from torch.nn import functional as F

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])
torch.backends.cudnn.benchmark = True  # as `extractor` does: sizes do not change
device, batch_size, side = settings["device"], settings["batch_size"], settings["side"]
memory_format = torch.channels_last if settings["channels_last"] else torch.contiguous_format

# blocks of each stage, bottleneck, groups, channels of a group at width 64
NETWORKS = {
    "resnet18": ([2, 2, 2, 2], False, 1, 64),
    "resnet34": ([3, 4, 6, 3], False, 1, 64),
    "resnet32": ([5, 5, 5], False, 1, 64),
    "imagenet-resnet10": ([1, 1, 1, 1], False, 1, 64),
    "imagenet-resnet18": ([2, 2, 2, 2], False, 1, 64),
    "imagenet-resnet34": ([3, 4, 6, 3], False, 1, 64),
    "imagenet-resnet50": ([3, 4, 6, 3], True, 1, 64),
    "imagenet-resnet101": ([3, 4, 23, 3], True, 1, 64),
    "imagenet-resnet152": ([3, 8, 36, 3], True, 1, 64),
    "imagenet-resnext50-32x4d": ([3, 4, 6, 3], True, 32, 4),
}


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class PadChannels(nn.Module):
    def __init__(self, each_side):
        super().__init__()
        self.each_side = each_side

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.each_side, self.each_side))


class Block(nn.Module):
    def __init__(self, inputs, channels, stride, bottleneck, groups, group_width, pad):
        super().__init__()
        outputs = 4 * channels if bottleneck else channels
        if bottleneck:
            inner = channels * group_width // 64 * groups
            convs = [conv(inputs, inner, 1), conv(inner, inner, 3, stride, groups), conv(inner, outputs, 1)]
        else:
            convs = [conv(inputs, channels, 3, stride), conv(channels, channels, 3)]
        self.convs = nn.ModuleList(convs)
        self.bns = nn.ModuleList(nn.BatchNorm2d(conv.out_channels) for conv in convs)
        if stride == 1 and inputs == outputs:
            self.shortcut = nn.Identity()
        elif pad:
            self.shortcut = PadChannels((outputs - inputs) // 2)
        else:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for index, (conv, bn) in enumerate(zip(self.convs, self.bns)):
            y = bn(conv(y))
            if index + 1 < len(self.convs):
                y = F.relu(y, inplace=True)
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


class ResNet(nn.Module):
    def __init__(self, name, width, classes):
        super().__init__()
        blocks, bottleneck, groups, group_width = NETWORKS[name]
        small = name == "resnet32"
        channels = [16, 32, 64] if small else [int(width * c) for c in (64, 128, 256, 512)]
        inputs = channels[0]
        if name.startswith("imagenet"):
            stem = [conv(3, inputs, 7, 2), nn.BatchNorm2d(inputs), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
        else:
            stem = [conv(3, inputs, 3), nn.BatchNorm2d(inputs), nn.ReLU(True)]
        layers = []
        for stage, (count, width) in enumerate(zip(blocks, channels)):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(Block(inputs, width, stride, bottleneck, groups, group_width, small))
                inputs = 4 * width if bottleneck else width
        self.features = nn.Sequential(*stem, *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.fc(self.features(x))


torch.manual_seed(0)
classes = 10
network = ResNet(settings["backbone"], settings["width"], classes).to(device, memory_format=memory_format)
images = torch.randn(batch_size, 3, side, side, device=device).contiguous(memory_format=memory_format)
labels = torch.arange(batch_size, device=device) % classes
optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=0.005)


def autocast(precision):
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")


def forward(precision):
    network.eval()
    with torch.no_grad(), autocast(precision):
        network.features(images)
    return batch_size


def step(precision):
    network.train()
    optimiser.zero_grad()
    with autocast(precision):
        loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimiser.step()
    return batch_size


def decoder():
    """Resize 256, CenterCrop 224, ToTensor and Normalize, as torchvision does them on PIL images."""
    import numpy
    from PIL import Image

    files = sorted(pathlib.Path(settings["images"]).iterdir())
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    position = 0

    def read(path):
        image = Image.open(path).convert("RGB")
        width, height = image.size
        size = (256, 256 * height // width) if width <= height else (256 * width // height, 256)
        image = image.resize(size, Image.BILINEAR)
        left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
        return torch.from_numpy(numpy.array(image.crop((left, top, left + 224, top + 224))))

    pool = ThreadPoolExecutor(settings["threads"])

    def decode():
        nonlocal position
        batch = [files[(position + i) % len(files)] for i in range(batch_size)]
        position += batch_size
        pixels = torch.stack(list(pool.map(read, batch))).permute(0, 3, 1, 2)
        pixels.float().div(255).sub(mean).div(std)
        return batch_size

    return decode


def wait():
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def rate(batch, seconds):
    for _ in range(2):
        batch()
    wait()
    started, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - started < seconds:
        done += batch()
    wait()
    return done / (time.perf_counter() - started)


tasks = {f"{work.__name__} {p}": (lambda work=work, p=p: work(p)) for work in (forward, step) for p in ("f32", "bf16")}
try:
    tasks["decode"] = decoder()
except ImportError:
    pass
print("PyTorch", torch.__version__.split("+")[0], flush=True)
for line in sys.stdin:
    task, seconds = line.rsplit(maxsplit=1)
    print(rate(tasks[task], float(seconds)) if task in tasks else "-", flush=True)
