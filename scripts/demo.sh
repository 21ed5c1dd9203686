#!/usr/bin/env bash
# From nothing to a translated sentence, through every stage, on this machine: installs what is
# missing, builds the programs, and makes a workspace with a generated corpus.
#
#   scripts/demo.sh [FOLDER]     the workspace, by default ./demo; it must not exist yet
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
workspace=${1:-demo}
[ -e "$workspace" ] && { echo "demo.sh: $workspace exists already; name another folder, or remove it" >&2; exit 2; }

"$root/scripts/setup.sh"
if [ ! -f "$root/build/build.ninja" ]; then
  cmake -G Ninja -S "$root" -B "$root/build" >/dev/null
fi
ninja -C "$root/build" hat hat-torch hat-run

export PATH="$root/build/bin:$PATH"
mkdir -p "$workspace"
cd "$workspace"
started=$(date +%s)
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

say hat init --demo
say hat prepare
say hat train-super
say hat measure-latency --device local
say hat search --latency 80%
say hat finetune
say hat evaluate
say hat export
sentence=$(head -n 1 text/test.de)
printf '\n\033[1m$ echo "%s" | hat translate\033[0m\n' "$sentence"
printf '%s\n' "$sentence" | hat translate
say hat report
printf '\nThe journey took %d s. Workspace: %s\n' "$(( $(date +%s) - started ))" "$PWD"
