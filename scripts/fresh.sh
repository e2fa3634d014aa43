#!/bin/bash
# scripts/fresh.sh [TARGET…]: proves that these targets (default: demo test) work on a fresh machine.
#
# Makes a Debian 12 minbase root with git and make only (mmdebstrap, the package sources of this
# machine), and for each target clones the last commit into a copy of it and runs `make TARGET` there.
# Needs root and mmdebstrap. Everything is in a temporary folder that is removed at the end.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- demo test
command -v mmdebstrap >/dev/null || { echo "fresh.sh: mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "fresh.sh: needs root, for chroot" >&2; exit 2; }
work=$(mktemp -d)
unmount() {
    for m in "$work"/*/proc "$work"/*/dev/net/tun; do
        mountpoint -q "$m" 2>/dev/null && umount "$m"
    done
    rm -rf "$work"
}
trap unmount EXIT
sources=/etc/apt/sources.list
[ -s $sources ] || sources=/etc/apt/sources.list.d/debian.sources
mmdebstrap --quiet --variant=minbase --include=git,make,ca-certificates bookworm "$work/root.tar" $sources
status=0
for target in "$@"; do
    root=$work/$target
    mkdir "$root"
    tar -xf "$work/root.tar" -C "$root"
    mount -t proc proc "$root/proc"
    mkdir -p "$root/dev/net"
    touch "$root/dev/net/tun"
    mount --bind /dev/net/tun "$root/dev/net/tun"
    git clone -q "file://$PWD" "$root/root/tapdeck"
    echo "== fresh: make $target"
    if chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 make -C /root/tapdeck "$target" </dev/null; then
        echo "ok - make $target from a fresh clone"
    else
        echo "not ok - make $target from a fresh clone"
        status=1
    fi
done
exit $status
