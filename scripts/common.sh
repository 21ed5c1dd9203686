# Sourced by the scripts beside it: where the project is, and how they talk.
HAT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# die MESSAGE [HINT]
die() {
  printf '%s: error: %s\n' "$(basename "$0" .sh)" "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

# As many compilers as there are cores, and memory for: a file that includes LibTorch takes 1.5 GB.
build_jobs() {
  local cores memory_kb jobs
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || true)
  jobs=$(( ${memory_kb:-4000000} / 1500000 ))
  [ "$jobs" -ge 1 ] || jobs=1
  [ "$jobs" -le "$cores" ] || jobs=$cores
  echo "$jobs"
}

# configure BUILD_DIR [CMAKE ARGUMENTS...]: every switch is named, so that a folder configured
# otherwise before ends up right.
configure() {
  local folder=$1
  shift
  local torch=()
  [ -z "${HAT_TORCH:-}" ] || torch=("-DHAT_TORCH=$HAT_TORCH")
  cmake -S "$HAT_ROOT" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DHAT_WITH_TORCH=ON \
    "${torch[@]}" "$@"
}
