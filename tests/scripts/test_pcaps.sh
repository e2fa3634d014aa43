#!/bin/bash
# The capture library: each capture replays as its expected.txt says; each page has the command, questions with
# answers, and stands in the table; what is made in virtual time comes out the same twice, and as it is kept.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }

n=0
for dir in pcaps/*/; do
    name=$(basename "$dir")
    file=$(echo "$dir$name".pcap*)
    n=$((n + 1))
    "$BUILD/tapdeck" replay "$file" 2>&1 | diff - "${dir}expected.txt" >"$work/diff"
    ok "$name replays as expected"
    sed 's/^/# /' "$work/diff" | head -10
    page=${dir}README.md
    [ -f "$page" ] && grep -q "tapdeck replay.*$(basename "$file")" "$page" && [ "$(grep -c '^[1-9]\. ' "$page")" -ge 3 ] &&
        grep -q '<details>' "$page" && grep -q '^## What next' "$page" && grep -q "($name/README.md)" pcaps/README.md &&
        [ "$(stat -c %s "$file")" -le 40000 ] && ls "$dir"make.* >/dev/null
    ok "$name has a page with its command, three questions or more and answers, a line in the table, and how it was made; it is small"
done
[ $n -ge 35 ]
ok "$n captures"

some="sack keep-alive arp-first-contact nat-inside"
mkdir "$work/1" "$work/2"
# shellcheck disable=SC2086
scripts/pcaps.sh -o "$work/1" $some && scripts/pcaps.sh -o "$work/2" $some &&
    [ "$(cd "$work/1" && sha256sum -- *)" = "$(cd "$work/2" && sha256sum -- *)" ] &&
    [ "$(find "$work/1" -type f | wc -l)" -eq 4 ]
ok "made twice: the same bytes"
for name in $some; do cmp -s "$work/1/$name.pcapng" "pcaps/$name/$name.pcapng" || break; done && cmp -s "$work/1/$name.pcapng" "pcaps/$name/$name.pcapng"
ok "and those that are kept"

said=$("$BUILD/tapdeck" drill -w "$work/x.pcapng" pcaps/sack/make.pkt pcaps/dsack/make.pkt 2>&1)
[ $? -eq 2 ] && [[ $said == *"one script"* ]] && [ ! -e "$work/x.pcapng" ]
ok "drill -w takes one script: $said"
said=$("$BUILD/tapdeck" drill -w "$work/none/x.pcapng" pcaps/sack/make.pkt 2>&1)
[ $? -eq 1 ] && [[ $said == *"No such file"* ]]
ok "drill -w: $said"
