#!/bin/bash
# scripts/pcaps.sh [-o DIR] [NAME…]: makes the captures of pcaps/ again, and what `tapdeck replay` says of them.
#
# A capture's folder has one of: make.pkt (a drill script: the stack against a scripted peer), make.yaml (a topology;
# its lines `# run: NODE COMMAND` are what is done in it), make.sh (the kernel's stack, in network namespaces: needs
# root). The first two run in virtual time and give the same bytes each time. The third doesn't, and is run only
# when it is named. -o DIR: the captures go there instead, and no expected.txt is written.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
export PCAPS=$PWD/pcaps
out=
if [ "${1-}" = -o ]; then out=$(realpath "$2") && shift 2 || exit 2; fi
status=0
for name in $([ $# -gt 0 ] && echo "$@" || ls pcaps); do
    here=$PWD/pcaps/$name
    [ -d "$here" ] || { [ $# -eq 0 ] && continue; echo "pcaps.sh: there is no pcaps/$name" >&2; exit 2; }
    [ -f "$here/make.sh" ] && [ $# -eq 0 ] && continue
    work=$(mktemp -d) || exit 1
    cp "$here"/make.* "$work"
    (
        cd "$work" || exit 1
        if [ -f make.pkt ]; then
            "$BUILD/tapdeck" drill -w "$name.pcapng" make.pkt
        elif [ -f make.yaml ]; then
            mapfile -t runs < <(sed -n 's/^# run: //p' make.yaml)
            "$BUILD/tapdeck" topo run make.yaml "${runs[@]}"
        else
            bash make.sh
        fi
    ) >"$work/said" 2>&1 </dev/null
    [ -f "$work/$name.pcap" ] && gzip -9n "$work/$name.pcap"
    [ "$(stat -c %s "$work/$name.pcapng" 2>/dev/null || echo 0)" -gt 40000 ] && gzip -9n "$work/$name.pcapng" # the long ones
    # A ping that is never answered fails, and yet is what was wanted: only the file counts.
    if ! file=$(ls "$work/$name".pcap* 2>/dev/null) || { [ -f "$here/make.pkt" ] && ! grep -q '^ok ' "$work/said"; }; then
        echo "pcaps.sh: $name: no capture came of it:" >&2
        head -20 "$work/said" >&2
        status=1
    else
        cp "$file" "${out:-$here}/"
        [ -n "$out" ] || (cd "$here" && "$BUILD/tapdeck" replay "$(basename "$file")" >expected.txt) || status=1
    fi
    rm -rf "$work"
done
exit $status
