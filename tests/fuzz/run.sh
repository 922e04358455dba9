#!/usr/bin/env bash
# Fuzzes the readers of files: `make fuzz` calls it.
#
#     tests/fuzz/run.sh [--seconds S | --runs N] [TARGET…]
#
# All targets, or those named, side by side on all cores; S seconds in all over the targets (60), or N inputs each. What is found lies in
# target/fuzz/TARGET/, as does what was learnt; a failure's input belongs into tests/fuzz/regressions/TARGET/, where `cargo test`
# replays it. Stable Rust: no nightly, no cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=60 runs=''
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2 && shift 2 ;;
    --runs) runs=$2 && shift 2 ;;
    -*) echo "error: unknown option $1" >&2 && exit 2 ;;
    *) break ;;
  esac
done
all=(tests/fuzz/fuzz_targets/*.rs)
targets=("$@")
if [ $# = 0 ]; then targets=("${all[@]##*/}") && targets=("${targets[@]%.rs}"); fi
cores=$(nproc)

# The versions of the main workspace; its target folder too, so that dependencies are built once for tests and fuzzing.
cp Cargo.lock tests/fuzz/Cargo.lock
RUSTC_WRAPPER=$PWD/tests/fuzz/rustc.sh ${CARGO:-cargo} build --manifest-path tests/fuzz/Cargo.toml --target-dir target --bins

scratch=$(mktemp -d -p "$(if [ -w /dev/shm ]; then echo /dev/shm; else echo "${TMPDIR:-/tmp}"; fi)" fuzz.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
fuzz() { # target
  local folder=target/fuzz/$1 limit seeds
  seeds=$(ls -d tests/fuzz/{seeds,regressions}/"$1" 2>/dev/null || true)
  case $1 in
    image) seeds+=" fixtures/images/files" ;;
    grid) seeds+=" retrainer/experiment/presets" ;;
  esac
  mkdir -p "$folder/corpus" "$scratch/$1"
  if [ -n "$runs" ]; then limit=(-runs="$runs"); else limit=(-max_total_time=$((seconds * cores / ${#targets[@]} + 1)) -seed=1); fi
  # A reader that needs ten seconds or two gigabytes for a few kilobytes has failed, too.
  if TMPDIR=$scratch/$1 "target/debug/$1" "$folder/corpus" $seeds "${limit[@]}" \
    -timeout=10 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="$folder/" -print_final_stats=1 >"$folder/log" 2>&1; then
    echo "$1: $(sed -n 's/stat::number_of_executed_units: *//p' "$folder/log") inputs, $(grep -c . < <(ls "$folder/corpus")) kept"
  else
    echo "$1: FAILED; its end, from $folder/log:"
    grep -vE '^(#[0-9]|INFO|WARNING|stat::|[[:space:]]*NEW_FUNC)' "$folder/log" | head -n 20
    echo "  again: target/debug/$1 $(sed -n 's/.*Test unit written to //p' "$folder/log")"
    touch "$scratch/failed"
  fi
}
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do wait -n || true; done
  fuzz "$target" &
done
wait
[ ! -e "$scratch/failed" ]
