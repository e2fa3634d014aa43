#!/bin/sh
# scripts/deps.sh GROUP…: installs the packages of these groups (scripts/packages.txt) that are
# missing, with apt-get, without questions; says what it does. Quiet when nothing is missing.
# Exit status: 0 all there, 2 something is missing and can't be installed from here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
missing=
for group in "$@"; do
    for package in $(awk -F '\t' -v g="$group" '$1 == g { print $2 }' "$here/packages.txt"); do
        if ! dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed'; then
            missing="$missing $package"
        fi
    done
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "tapdeck: missing packages:$missing" >&2
    echo "tapdeck: install them with: sudo apt-get install -y$missing" >&2
    exit 2
fi
echo "tapdeck: installing with apt-get:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
try() {
    $as_root apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
# Package lists may be absent or old: fetch them first.
$as_root apt-get update >"$log" 2>&1 || true
if ! try; then
    tail -n 20 "$log" >&2
    echo "tapdeck: apt-get could not install:$missing" >&2
    exit 2
fi
