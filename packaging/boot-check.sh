#!/usr/bin/env bash
# Boots a systemd of its own and lets the package live in it: installed, served by, reloaded, its
# worker frozen until the watchdog ends it, upgraded, switched off, removed and purged. The system is
# this machine's own files with a layer of memory over them and no network, so that nothing of it
# stays. Needs root and systemd-nspawn (Debian: systemd-container), and takes half a minute, so it is
# no part of "npm test": run it after a change of the unit or of the maintainer scripts.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
repository="$PWD"
version="$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)"
package="$repository/dist/relayx_${version/-/\~}_amd64.deb"
[[ -f "$package" ]] || { echo "$package is missing: run \"npm run package\" first" >&2; exit 2; }
((EUID == 0)) || { echo "this needs root" >&2; exit 2; }

stage="$(mktemp -d)"
cleanup() {
  umount "$stage/root" "$stage" 2> /dev/null || true
  rmdir "$stage"
}
trap cleanup EXIT
mount -t tmpfs -o size=2g tmpfs "$stage"
mkdir "$stage/upper" "$stage/work" "$stage/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/work" "$stage/root"

check="$stage/root/boot-check"
mkdir -p "$check/repository"
cp "$package" "$check/relayx.deb"
cp "$repository/dist/relayx" "$check/tools"
# The thread is frozen by the tests' own means.
cp -r "$repository/ffi" "$repository/tests" "$check/repository/"
cp -L "$repository/node_modules/.bin/bun" "$check/bun"

cat > "$check/freeze.ts" << 'TYPESCRIPT'
import { FrozenThread, workerThreads } from "./repository/tests/harness/frozen-thread.ts";
new FrozenThread(workerThreads(Number(process.argv[2]), "tcp")[0]);
setTimeout(() => {}, 60_000);
TYPESCRIPT

cat > "$check/script" << 'GUEST'
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
cd /boot-check
fact() { systemctl show relayx --value -p "$1"; }
step() { echo "— $*"; }
expect() {
  local until=$((SECONDS + 20))
  while ! eval "$*"; do
    if ((SECONDS > until)); then
      echo "NOT SO: $*"
      systemctl status relayx --no-pager -l || true
      journalctl -u relayx -o cat --no-pager | tail -20
      exit 1
    fi
    sleep 0.1
  done
}
# This machine's own wishes about services of packages are not what is looked at.
rm -f /usr/sbin/policy-rc.d

step "installed, it serves as its own user, without capabilities, behind a filter"
dpkg --no-triggers -i relayx.deb
expect '[[ "$(fact ActiveState)" == active && "$(fact StatusText)" == Running:* ]]'
pid="$(fact MainPID)"
[[ "$(stat -c %U "/proc/$pid")" == relayx ]]
grep -q '^CapBnd:.0000000000000000$' "/proc/$pid/status"
grep -q '^Seccomp:.2$' "/proc/$pid/status"
[[ "$(stat -c '%U %G %a' /etc/relayx/config.yaml)" == "root relayx 640" ]]

step "bytes flow over both planes under the unit's protection"
head -c 3000000 /dev/urandom > /run/some.ts
./tools video-be --id be > /run/be.log 2>&1 &
back_end=$!
expect 'grep -q registered /run/be.log'
./tools video-fe --id fe --file /run/some.ts > /run/fe.log 2>&1 || { cat /run/fe.log; exit 1; }
kill "$back_end"

step "reloaded, it lives by the new configuration; one with mistakes is refused"
sed -i 's/^  shutdown_timeout: 10s$/  shutdown_timeout: 1s/' /etc/relayx/config.yaml
systemctl reload relayx
expect 'journalctl -u relayx -o cat | grep -q "\"status\":\"reloaded\".*gateway.shutdown_timeout"'
sed -i 's/^  shutdown_timeout: 1s$/  shutdown_timeout: soon/' /etc/relayx/config.yaml
if systemctl reload relayx 2> /dev/null; then echo "NOT SO: the reload failed"; exit 1; fi
[[ "$(fact ActiveState)" == active && "$(fact MainPID)" == "$pid" ]]

step "started with mistakes, it fails once and is left alone"
if systemctl restart relayx 2> /dev/null; then echo "NOT SO: the start failed"; exit 1; fi
expect '[[ "$(fact ActiveState) $(fact ExecMainStatus) $(fact NRestarts)" == "failed 2 0" ]]'
sed -i 's/^  shutdown_timeout: soon$/  shutdown_timeout: 1s/' /etc/relayx/config.yaml
mkdir -p /etc/systemd/system/relayx.service.d
printf '[Service]\nWatchdogSec=2s\n' > /etc/systemd/system/relayx.service.d/short.conf
systemctl daemon-reload
systemctl start relayx

step "a worker that hangs: the watchdog ends it and it is started afresh"
pid="$(fact MainPID)"
./bun freeze.ts "$pid" &
freezer=$!
expect 'journalctl -u relayx -o cat | grep -q "Watchdog timeout"'
# Whoever traces a thread holds on to it even when it has been killed.
kill "$freezer"
expect '[[ "$(fact NRestarts) $(fact ActiveState)" == "1 active" && "$(fact MainPID)" != "$pid" ]]'
journalctl -u relayx -o cat | grep -q '"status":"watchdog_withheld"'

step "upgraded, it is restarted and keeps the configuration; switched off, it stays off"
pid="$(fact MainPID)"
dpkg-deb -R relayx.deb /run/newer
sed -i 's/^Version: .*/&+upgrade/' /run/newer/DEBIAN/control
dpkg-deb --root-owner-group -Znone -b /run/newer /run/newer.deb > /dev/null
dpkg --no-triggers -i /run/newer.deb
expect '[[ "$(fact ActiveState)" == active && "$(fact MainPID)" != "$pid" ]]'
grep -q '^  shutdown_timeout: 1s$' /etc/relayx/config.yaml
systemctl disable --now relayx 2> /dev/null
dpkg --no-triggers -i /run/newer.deb
[[ "$(fact ActiveState)" == inactive ]]

step "removed and purged, nothing of it is left"
systemctl enable --now relayx 2> /dev/null
dpkg --no-triggers -r relayx
[[ "$(fact ActiveState)" == inactive && -e /etc/relayx/config.yaml ]]
dpkg --no-triggers -P relayx
for path in /etc/relayx /var/lib/relayx /var/log/relayx; do [[ ! -e $path ]]; done
if getent passwd relayx || getent group relayx; then exit 1; fi
echo "in order"
GUEST

cat > "$stage/root/etc/systemd/system/boot-check.service" << 'UNIT'
[Unit]
After=basic.target systemd-journald.service
Wants=basic.target systemd-journald.service
[Service]
Type=oneshot
ExecStart=/bin/bash /boot-check/script
StandardOutput=append:/boot-check/told
StandardError=append:/boot-check/told
TimeoutStartSec=300
ExecStopPost=/bin/systemctl poweroff --no-block
UNIT

timeout 330 systemd-nspawn --quiet --register=no --keep-unit --private-network \
  -D "$stage/root" --boot systemd.unit=boot-check.service > "$check/console" 2>&1 || true
[[ -f "$check/told" ]] || { cat "$check/console"; echo "systemd did not boot" >&2; exit 1; }
cat "$check/told"
grep -qx "in order" "$check/told"
