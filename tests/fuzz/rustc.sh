#!/bin/sh
# RUSTC_WRAPPER of the fuzz build: our own crates count which of their branches run, as `cargo fuzz` asks of all crates. The others
# stay as they are built for the tests. These flags are stable ones.
case " $* " in
*" --crate-name cache "* | *" --crate-name files "* | *" --crate-name program "* | *" --crate-name torch "* | *" --crate-name extractor "* | *" --crate-name engine "* | *" --crate-name experiment "* | *" --crate-name retrainer "* | *" --crate-name fuzz "*)
  exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
  ;;
*) exec "$@" ;;
esac
