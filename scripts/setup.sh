#!/usr/bin/env bash
# Installs what building (build), packaging (package), testing (test), the demonstration (demo) or the
# benchmark (bench) needs and is missing: the npm packages of the lockfile, and Debian packages. Works
# on Debian 12 and Ubuntu 24.04; does nothing, and quickly, when everything is there.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
purpose="${1:-build}"

# The static libraries of libsrt and OpenSSL, and the compiler that links them into one.
packages=(g++ libsrt-openssl-dev libssl-dev)
case "$purpose" in
  build) ;;
  # The independent SRT peers of the tests: srt-live-transmit, ffmpeg and GStreamer.
  test)
    packages+=(srt-tools ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base
      gstreamer1.0-plugins-bad)
    # The independent sender of PROXY headers.
    packages+=(haproxy)
    # What makes certificates, and TLS clients that are not ours.
    packages+=(openssl curl)
    # The shells that completions are for; what checks man pages and the unit, and, where the tests
    # do not run as root, what lets a package be installed all the same.
    packages+=(zsh fish mandoc systemd fakeroot)
    # The browser that the dashboard is looked at with. Ubuntu's package is a snap in disguise, which
    # cannot be installed everywhere: there a Chrome that is installed is taken, and without one the
    # tests that need it are left out.
    if ! grep -q '^ID=ubuntu$' /etc/os-release && ! command -v google-chrome > /dev/null; then
      packages+=(chromium)
    fi
    ;;
  # dpkg-deb makes the package, and every Debian has it.
  package) ;;
  # ffmpeg makes the video that is relayed.
  demo) packages+=(ffmpeg) ;;
  # What relayx is measured against.
  bench) packages+=(iproute2 haproxy nginx-light libnginx-mod-stream socat srt-tools) ;;
  *)
    echo "scripts/setup.sh: found \"$purpose\"; allowed: build, package, test, demo or bench" >&2
    exit 2
    ;;
esac

install_npm_packages() {
  if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
    echo "Node.js 20 or newer and npm are needed; install them and run this again." >&2
    exit 1
  fi
  # npm writes its own copy of the lockfile at the end of an installation, so a missing or an older
  # one means that the installation is missing, unfinished or out of date.
  if [[ ! -f node_modules/.package-lock.json ||
    package-lock.json -nt node_modules/.package-lock.json ]]; then
    # Not "npm ci": it refuses a lockfile that has no entries for the packages of other platforms,
    # which registries do not always offer. This takes the lockfile's versions and hashes just the
    # same and leaves the lockfile alone.
    npm install --no-save --no-audit --no-fund
    # An unchanged copy may keep its old time; this installation is newer than the lockfile.
    touch node_modules/.package-lock.json
  fi
  # Where npm does not run the packages' install scripts, the launchers are still placeholders.
  if ! node_modules/.bin/bun --version > /dev/null 2>&1; then
    node node_modules/bun/install.js
    node_modules/.bin/bun --version > /dev/null
  fi
  if ! node_modules/.bin/deno --version > /dev/null 2>&1; then
    node node_modules/deno/install.cjs
    node_modules/.bin/deno --version > /dev/null
  fi
}

missing_debian_packages() {
  local package status
  for package in "${packages[@]}"; do
    status="$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2> /dev/null || true)"
    [[ "$status" == ii* ]] || echo "$package"
  done
}

install_debian_packages() {
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    echo "This is no Debian or Ubuntu, so packages cannot be installed here. Needed are what these" >&2
    echo "Debian packages have: ${packages[*]}" >&2
    exit 1
  fi
  local missing
  mapfile -t missing < <(missing_debian_packages)
  ((${#missing[@]} > 0)) || return 0

  local as_root=()
  if ((EUID != 0)); then
    if command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
      as_root=(sudo)
    else
      echo "Packages are missing and this user may not install them. Run this once:" >&2
      local how="su -c"
      if command -v sudo > /dev/null; then how="sudo sh -c"; fi
      echo "$how 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'" >&2
      exit 1
    fi
  fi

  echo "Installing ${missing[*]}"
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-install-recommends "${missing[@]}")
  # The package lists of a fresh machine are empty, those of an old one name versions that are gone.
  if ! all_known "${missing[@]}" || ! "${install[@]}"; then
    "${as_root[@]}" apt-get update -q
    "${install[@]}"
  fi
}

all_known() {
  local package
  for package in "$@"; do
    apt-cache show --no-all-versions "$package" > /dev/null 2>&1 || return 1
  done
}

install_npm_packages
install_debian_packages
