#!/usr/bin/env bash
# Keeps the least of a fuzzing corpus that takes all its ways, as the tests' input: see run.sh.
#
#     fuzz/keep.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
cargo +nightly fuzz cmin "$target" "fuzz/corpus/$target"
mkdir -p testdata/corpus
python3 - "fuzz/corpus/$target" "testdata/corpus/$target.zip" <<'END'
import sys, zipfile
from pathlib import Path

inputs = sorted(p for p in Path(sys.argv[1]).iterdir() if p.stat().st_size <= 4096)
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED, compresslevel=9) as kept:
    for path in inputs:
        # Without the time of day, the same inputs are the same archive.
        kept.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
print(f"{len(inputs)} inputs kept")
END
