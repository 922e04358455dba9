# make demo    set up, build, sweep the embedded features, print the table
# make test    set up, build, run all tests
# make browser the report page in headless Chromium alone
# make check   formatting, lints, documentation
# make cluster sweeps as arrays on a real SLURM of this machine (slurm-wlm and munge, root), else says that it was skipped
# make fuzz    the readers of files on made-up ones, a minute (FUZZ="--runs 1000000 cache": that many inputs of one target)
# make reproduce CIFAR100=DIR [PRESET=small|medium|paper]    the paper's tables and figures on CIFAR-100-LT, from the images
#              (what of it wants a lent GPU: fixtures/reproduction/gpu.sh)

PYTHON ?= python3
# auto: CUDA packages where an NVIDIA driver is present; cpu; cuda
TORCH ?= auto
TORCH_VERSION := 2.11.0

ifeq ($(TORCH),auto)
  TORCH_KIND := $(if $(wildcard /proc/driver/nvidia/version),cuda,cpu)
else
  TORCH_KIND := $(TORCH)
endif

LIBTORCH_DIR := .libtorch
STAMP := $(LIBTORCH_DIR)/ready-$(TORCH_VERSION)-$(TORCH_KIND)
# Packages that tests use from Python, in a folder of their own that is thrown away with the build.
PYTHON_PACKAGES := target/python-packages
CARGO ?= cargo
DEMO_DIR := demo

.PHONY: setup build demo reproduce test browser fuzz cluster check fmt clean

setup: $(STAMP)

$(STAMP):
	@case "$(TORCH_KIND)" in cpu|cuda) ;; *) \
	  echo "error: TORCH is '$(TORCH)', expected auto, cpu or cuda" >&2; exit 2;; esac
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "error: no $(PYTHON): libtorch comes as a Python package" >&2; \
	  echo "hint: install Python 3.10 or newer with pip, or name one: make setup PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "error: $$($(PYTHON) --version) is too old, expected 3.10 or newer" >&2; \
	  echo "hint: name a newer one: make setup PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
	  echo "error: $(PYTHON) has no pip" >&2; \
	  echo "hint: install it (Debian: apt-get install python3-pip; elsewhere: $(PYTHON) -m ensurepip)" >&2; exit 2; }
	@echo "libtorch $(TORCH_VERSION) ($(TORCH_KIND)) goes to $(LIBTORCH_DIR), once"
	@rm -rf $(LIBTORCH_DIR)
ifeq ($(TORCH_KIND),cuda)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --target $(LIBTORCH_DIR) torch==$(TORCH_VERSION)
else
	@# Without its dependencies: 1.2 GB instead of 5; the two small packages hold what libtorch itself links.
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
	  --target $(LIBTORCH_DIR) torch==$(TORCH_VERSION) nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
endif
	@touch $@

build: setup
	$(CARGO) build --release --workspace --locked

# The folder is made anew each time, so that the demo shows the whole path.
demo: build
	@rm -rf $(DEMO_DIR) && mkdir -p $(DEMO_DIR)
	./target/release/extractor unpack fixtures/demo/cifar100-lt.tar.zst $(DEMO_DIR)/cache
	./target/release/extractor verify $(DEMO_DIR)/cache
	./target/release/retrainer sweep --cache $(DEMO_DIR)/cache --preset table1 --out $(DEMO_DIR)/runs
	./target/release/retrainer report $(DEMO_DIR)/runs
	@./target/release/retrainer report $(DEMO_DIR)/runs --all --out $(DEMO_DIR)/report
	@echo
	@echo "the run records lie in $(DEMO_DIR)/runs, every table and figure in $(DEMO_DIR)/report, the page in:"
	@echo "$(DEMO_DIR)/report/page.html"

# small: under an hour on two CPU cores; medium: overnight; paper: ResNet-34, 200 epochs, for a GPU. The same command goes on after a stop.
PRESET ?= small
reproduce: build
	@test -n "$(CIFAR100)" || { echo "error: CIFAR100 is not set" >&2; \
	  echo "hint: make reproduce CIFAR100=/path/to/cifar-100-binary" >&2; exit 2; }
	fixtures/reproduction/run.sh $(PRESET) "$(CIFAR100)"

$(PYTHON_PACKAGES)/ready: $(STAMP)
	@mkdir -p $(PYTHON_PACKAGES)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade \
	  --target $(PYTHON_PACKAGES) numpy safetensors
	@touch $@

test: setup $(PYTHON_PACKAGES)/ready
	PYTHONPATH=$(CURDIR)/$(PYTHON_PACKAGES) PYTHON_WITH_SAFETENSORS=$(PYTHON) \
	  $(CARGO) test --workspace --locked

browser: setup
	$(CARGO) test -p retrainer --locked --test retrainer_cli browser -- --nocapture

# In a folder of its own, which goes afterwards.
cluster: build
	fixtures/cluster/slurm.sh

FUZZ ?=
fuzz: setup
	CARGO="$(CARGO)" tests/fuzz/run.sh $(FUZZ)

# Files that the `methods!` macro declares are invisible to `cargo fmt`.
check: setup
	$(CARGO) fmt --all --check
	rustfmt --edition 2024 --check retrainer/experiment/src/methods/*.rs tests/fuzz/src/lib.rs tests/fuzz/fuzz_targets/*.rs
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

fmt:
	$(CARGO) fmt --all
	rustfmt --edition 2024 retrainer/experiment/src/methods/*.rs tests/fuzz/src/lib.rs tests/fuzz/fuzz_targets/*.rs

clean:
	$(CARGO) clean
	rm -rf $(DEMO_DIR)
