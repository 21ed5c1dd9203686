#!/usr/bin/env bash
# Makes a fresh Debian 12 ready to build hat. Installs only what is missing; with nothing missing it
# ends at once and prints nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'END'
Usage: scripts/setup.sh [--tests] [--cross]

  --tests   also what the tests need: GoogleTest, an ssh server, clang-format
  --cross   also the compiler for aarch64, and qemu to run what it makes

LibTorch 2.13 (the CPU build, from its Python wheel) goes into .venv of the project.
Environment:
  HAT_TORCH=DIR          use this LibTorch folder (2.6 or newer, also a CUDA build) instead
  HAT_SKIP_PACKAGES=1    leave the system's packages alone; they were installed in another way
END
}

build_packages=(
  g++ cmake ninja-build ccache git
  python3 python3-venv
  libcli11-dev libspdlog-dev nlohmann-json3-dev
  libflatbuffers-dev flatbuffers-compiler
  libsentencepiece-dev
)
test_packages=(libgtest-dev libgmock-dev openssh-server openssh-client clang-format)
cross_packages=(g++-aarch64-linux-gnu qemu-user)

torch_version=2.13.0
torch_index=https://download.pytorch.org/whl/cpu
venv=$HAT_ROOT/.venv
# Written last: an installation that was cut short is not taken for a whole one.
venv_stamp=$venv/hat-torch-$torch_version

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
    awk '$1 == "ii" {print $2}' || true)
  comm -23 <(printf '%s\n' "$@" | sort) <(printf '%s\n' "$installed" | sort)
}

install_packages() {
  local missing sudo=()
  [ -z "${HAT_SKIP_PACKAGES:-}" ] || return 0
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || die \
    "this is not a Debian system: packages cannot be checked or installed" \
    "install the counterparts of these, then run again with HAT_SKIP_PACKAGES=1: $*"
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0

  local system
  system=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}")
  [ "$system" = "debian 12" ] || say "note: made for Debian 12, this is $system; going on"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "packages are missing, and this user may not install them" \
      "as root: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2)
  "${apt[@]}" update || die "apt-get update failed" \
    "check the network connection and /etc/apt/sources.list"
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null || die \
    "apt-get could not install ${missing[*]}" "the lines above say why; then run this again"
}

torch_in() { compgen -G "$1/lib/python3*/site-packages/torch/include/ATen/ATen.h" >/dev/null; }

# A Python that can make a venv. One of the user's own may come first in PATH and lack that.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  die "no Python that can make a virtual environment" "install python3 and python3-venv"
}

install_torch() {
  if [ -n "${HAT_TORCH:-}" ]; then
    [ -e "$HAT_TORCH/include/ATen/ATen.h" ] || die \
      "HAT_TORCH=$HAT_TORCH is not a LibTorch folder: it has no include/ATen/ATen.h" \
      "name the unpacked 'libtorch' folder, or site-packages/torch of a Python that has it"
    return
  fi
  if [ -e "$venv_stamp" ] && torch_in "$venv"; then return; fi

  local python
  python=$(find_python)
  say "installing LibTorch $torch_version into .venv (about 200 MB to download)"
  "$python" -m venv --clear "$venv" || die "cannot make $venv" "check the space and permissions there"
  # Asked for by its full name, because the plain version may be a CUDA build of several GB that
  # needs the CUDA toolkit to link. Only the C++ part is used: no dependencies.
  local pip=("$venv/bin/pip" --disable-pip-version-check --quiet install --no-deps)
  local wheel=torch==$torch_version+cpu
  # PyPI's wheel for other processors is the CPU build.
  [ "$(uname -m)" = x86_64 ] || wheel=torch==$torch_version
  if ! "${pip[@]}" "$wheel" 2>"$venv/pip.log" &&
    ! "${pip[@]}" --retries 1 --index-url "$torch_index" "$wheel" 2>>"$venv/pip.log"; then
    cat "$venv/pip.log" >&2
    die "pip could not get the CPU wheel of torch $torch_version for $("$python" --version)" \
      "check the network, or unpack any LibTorch 2.6 or newer and set HAT_TORCH to its folder"
  fi
  torch_in "$venv" || die "the torch wheel in .venv has no C++ headers" "set HAT_TORCH to a LibTorch folder"
  touch "$venv_stamp"
}

packages=("${build_packages[@]}")
while [ $# -gt 0 ]; do
  case $1 in
    --tests) packages+=("${test_packages[@]}") ;;
    --cross) packages+=("${cross_packages[@]}") ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      die "unknown argument '$1'"
      ;;
  esac
  shift
done
install_packages "${packages[@]}"
install_torch
