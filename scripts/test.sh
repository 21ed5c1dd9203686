#!/usr/bin/env bash
# Sets the machine up, builds everything in build/ with warnings as errors, and runs the tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'END'
Usage: scripts/test.sh [--slow] [CTEST ARGUMENTS...]

  --slow   also the tests that take minutes, and those that need the aarch64 compiler and qemu

What follows is handed to ctest, for example: scripts/test.sh -R arch
Tests labelled 'peer' compare with other programs and are run by hand: ctest --test-dir build -L peer
END
}

left_out='^(slow|peer)$'
setup=(--tests)
case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  --slow)
    left_out='^peer$'
    setup+=(--cross)
    shift
    ;;
esac

start=$SECONDS
"$HAT_ROOT/scripts/setup.sh" "${setup[@]}"
ready=$SECONDS
configure "$HAT_ROOT/build" -DHAT_WERROR=ON -DHAT_BUILD_TESTS=ON -DHAT_DEVICE_ONLY=OFF >&2
cmake --build "$HAT_ROOT/build" --parallel "$(build_jobs)"
built=$SECONDS
say "set up in $((ready - start)) s, built in $((built - ready)) s"
# ctest's summary stays the last line.
exec ctest --test-dir "$HAT_ROOT/build" --output-on-failure --parallel "$(nproc)" -LE "$left_out" "$@"
