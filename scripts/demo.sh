#!/usr/bin/env bash
# From nothing to a translated sentence, through every stage, on this machine: installs what is
# missing, builds the programs, and makes a workspace with a generated corpus.
#
#   scripts/demo.sh [FOLDER]     the workspace, by default ./demo; it must not exist yet
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
workspace=${1:-demo}
[ ! -e "$workspace" ] || die "$workspace exists already" "name another folder, or remove it"

start=$SECONDS
"$HAT_ROOT/scripts/setup.sh"
ready=$SECONDS
configure "$HAT_ROOT/build" -DHAT_WERROR=ON -DHAT_BUILD_TESTS=OFF -DHAT_DEVICE_ONLY=OFF >&2
cmake --build "$HAT_ROOT/build" --parallel "$(build_jobs)"
built=$SECONDS

export PATH="$HAT_ROOT/build/bin:$PATH"
mkdir -p "$workspace"
cd "$workspace"
step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

step hat init --demo
step hat prepare
step hat train-super
step hat measure-latency --device local
step hat search --latency 80%
step hat finetune
step hat evaluate
step hat export
sentence=$(head -n 1 text/test.de)
printf '\n\033[1m$ echo "%s" | hat translate\033[0m\n' "$sentence"
printf '%s\n' "$sentence" | hat translate
step hat report
printf '\nSet up in %d s, built in %d s, journey in %d s. The workspace: %s\n' \
  $((ready - start)) $((built - ready)) $((SECONDS - built)) "$PWD"
