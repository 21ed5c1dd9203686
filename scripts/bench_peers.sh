#!/usr/bin/env bash
# Times hat-run beside CTranslate2 and ONNX Runtime: same shapes, random weights, runs interleaved, and
# prints minima, medians and ratios for the machine it is on.
#
#   scripts/bench_peers.sh                     every case
#   scripts/bench_peers.sh reference iwslt     some cases; --list names them
#   scripts/bench_peers.sh --avx2              everybody held to AVX2
#
# Installs the peers from PyPI into .peers/ (or $HAT_PEERS) at the first call.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${HAT_PEERS:-$root/.peers}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
fi
if ! "$venv/bin/python" -c 'import ctranslate2, onnx, onnxruntime' 2>/dev/null; then
  "$venv/bin/pip" install --quiet ctranslate2 onnxruntime onnx numpy
fi
hat_run=${HAT_RUN:-}
for candidate in "$root"/build/bin/hat-run "$root"/build-release/bin/hat-run; do
  if [ -z "$hat_run" ] && [ -x "$candidate" ]; then hat_run=$candidate; fi
done
if [ -z "$hat_run" ]; then
  echo "bench_peers.sh: no hat-run; build it or set HAT_RUN" >&2
  exit 2
fi
if [ "${1:-}" = --avx2 ]; then
  shift
  export HAT_ISA=avx2 CT2_FORCE_CPU_ISA=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
  echo "held to AVX2: hat, CTranslate2, oneDNN and MKL (ONNX Runtime cannot be)" >&2
fi
exec "$venv/bin/python" "$root/scripts/bench_peers.py" --hat-run "$hat_run" "$@"
