"""The work of `retrainer bench` in plain PyTorch: LORT heads on the cached training features, SGD with momentum 0.9.

    python3 peer.py --cache CACHE --batch-size 64

Prints seconds for one head and epoch:
  one head at a time, tensors in memory, autograd + torch.optim.SGD
  the same on one thread: cores can then work on different heads, so this over the number of cores is the best of that kind
  a DataLoader over a TensorDataset, as published stage-2 code reads images or features
  sixteen heads side by side as a list of linears whose losses are summed, one optimiser with a group for each (dinov2)
Each is measured over part of an epoch and scaled to the whole.
"""
import argparse, json, os, time

parser = argparse.ArgumentParser()
parser.add_argument("--cache", required=True)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()
import torch
from safetensors.torch import load_file

manifest = json.load(open(os.path.join(args.cache, "manifest.json")))
shards = [load_file(os.path.join(args.cache, shard["file"])) for shard in manifest["views"]["train.clean"]["shards"]]
X = torch.cat([shard["features"] for shard in shards]).float()
y = torch.cat([shard["labels"] for shard in shards])
N, D = X.shape
C = len(manifest["class_names"])
B = args.batch_size

def batches(steps):
    order = torch.randperm(N)
    for step in range(steps):
        index = order[(step * B) % max(N - B, 1):][:B]
        yield X[index], y[index]


def timed(heads, source, steps, warm=20):
    linears = [torch.nn.Linear(D, C) for _ in range(heads)]
    losses = [torch.nn.CrossEntropyLoss(label_smoothing=0.98) for _ in range(heads)]
    groups = [{"params": linear.parameters(), "lr": 5e-4} for linear in linears]
    optimiser = torch.optim.SGD(groups, lr=5e-4, momentum=0.9)

    def run(count):
        for features, labels in source(count):
            optimiser.zero_grad()
            sum(loss(linear(features), labels) for loss, linear in zip(losses, linears)).backward()
            optimiser.step()

    run(warm)
    started = time.perf_counter()
    run(steps)
    return (time.perf_counter() - started) / steps / heads * (N / B)


def loader(steps):
    data = torch.utils.data.TensorDataset(X, y)
    for step, batch in enumerate(torch.utils.data.DataLoader(data, batch_size=B, shuffle=True)):
        if step == steps:
            break
        yield batch


threads = torch.get_num_threads()
print(f"PyTorch {torch.__version__}, {threads} threads; seconds for one head and epoch:")
print(f"  one head at a time, tensors in memory        {timed(1, batches, 300):.4f}")
print(f"  DataLoader loop                              {timed(1, loader, 100):.4f}")
print(f"  16 heads as a list of linears, summed losses {timed(16, batches, 60):.4f}")
torch.set_num_threads(1)
print(f"  one head at a time, one thread               {timed(1, batches, 300):.4f}  (over the number of cores, where each works on a head of its own)")
