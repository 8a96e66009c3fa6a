#!/usr/bin/env bash
# Fuzzes one target, from the inputs that were kept before. Run by `make fuzz`.
#
#     fuzz/run.sh TARGET SECONDS
#
# Needs a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz`). What breaks a check is left in
# fuzz/artifacts/TARGET; what takes a new way is added to fuzz/corpus/TARGET. `fuzz/keep.sh TARGET` makes the
# least of that again that takes all ways, and puts it where the tests read it, testdata/corpus/TARGET.zip.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 seconds=$2
corpus=fuzz/corpus/$target
mkdir -p "$corpus"
python3 -m zipfile -e "testdata/corpus/$target.zip" "$corpus"

# Memory is bounded: no reader asks for much because an input says so. AddressSanitizer would keep what is freed.
export ASAN_OPTIONS=quarantine_size_mb=8
cargo +nightly fuzz run "$target" "$corpus" -- -max_total_time="$seconds" -max_len=65536 \
    -rss_limit_mb=512 -malloc_limit_mb=256 -timeout=10 -print_final_stats=1
