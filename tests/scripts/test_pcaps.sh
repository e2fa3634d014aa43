#!/bin/bash
# The capture library: each capture replays as its expected.txt says; each page has the command, questions with
# answers, and stands in the table; what is made in virtual time comes out the same twice, and replays as what is kept.
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
[ $n -ge 46 ]
ok "$n captures"

# What was made in virtual time tells which stacks made it, and numbers stay Wireshark's: that comes behind the packets.
file=pcaps/nat-inside/nat-inside.pcapng
[ "$(grep -ac 'tapdeck-diary 1$' "$file")" -eq 3 ] && grep -aq '^stack 3 server$' "$file" &&
    grep -aq ' accept 0 = 1 10.0.2.2:13 ' "$file" && [ "$(grep -aboE 'tapdeck-diary' "$file" | head -1 | cut -d: -f1)" -gt 4000 ]
ok "a capture holds the diaries of its stacks, behind its packets"
for name in $(cd pcaps && ls -d */make.pkt | sed 's,/.*,,'); do
    grep -aq 'tapdeck-diary 1$' "pcaps/$name/$name.pcapng" || echo "$name" >>"$work/lacking"
done
lacking=$(sed 's/^/: not /' "$work/lacking" 2>/dev/null | tr '\n' ' ')
[ -z "$lacking" ]
ok "so do all that drill made$lacking"

# Every end that was a stack of ours says the same again; where both ends are kernels' what differs has a cause.
python3 tests/scripts/played.py "$BUILD/tapdeck" pcaps/*/*.pcap* >"$work/played" 2>&1
same=$(grep -c ' ours: [0-9]* same$' "$work/played")
[ "$same" -ge 35 ] && ! grep ' ours: ' "$work/played" | grep -qv ': [0-9]* same$'
ok "each end that was ours is played the same: $same of them"
grep ' ours: ' "$work/played" | grep -v ': [0-9]* same$' | sed 's/^/# /'
[ "$(grep -c ' other: .* same' "$work/played")" -ge 4 ] && ! grep ' other: ' "$work/played" | grep -q 'without a cause'
ok "what differs at the kernel's ends has its causes"
grep 'without a cause' "$work/played" | sed 's/^/# /'
for name in $(sed 's/ .*//' "$work/played" | sort -u); do
    grep -q "tapdeck replay --play .*$name" "pcaps/$name/README.md" || echo "$name" >>"$work/unplayed"
done
unplayed=$(sed 's/^/: not /' "$work/unplayed" 2>/dev/null | tr '\n' ' ')
[ -z "$unplayed" ]
ok "each of their pages tells which end to play$unplayed"

some="sack keep-alive arp-first-contact nat-inside"
mkdir "$work/1" "$work/2"
# shellcheck disable=SC2086
scripts/pcaps.sh -o "$work/1" && scripts/pcaps.sh -o "$work/2" $some && (cd "$work/2" && sha256sum -- *) >"$work/sums" &&
    [ "$(wc -l <"$work/sums")" -eq 4 ] && (cd "$work/1" && sha256sum -c --quiet "$work/sums")
ok "made twice: the same bytes"
# Bytes aren't compared with those that are kept: comments are the journal's words, and words are mended.
differ=
for file in "$work"/1/*; do
    name=$(basename "$file" | sed 's/\.pcap.*//')
    "$BUILD/tapdeck" replay "$file" | cmp -s - "pcaps/$name/expected.txt" || differ="$differ $name"
done
[ -z "$differ" ] && [ "$(find "$work/1" -type f | wc -l)" -ge 35 ]
ok "made again they replay as those that are kept${differ:+, but not}$differ"

said=$("$BUILD/tapdeck" drill -w "$work/x.pcapng" pcaps/sack/make.pkt pcaps/dsack/make.pkt 2>&1)
[ $? -eq 2 ] && [[ $said == *"one script"* ]] && [ ! -e "$work/x.pcapng" ]
ok "drill -w takes one script: $said"
said=$("$BUILD/tapdeck" drill -w "$work/none/x.pcapng" pcaps/sack/make.pkt 2>&1)
[ $? -eq 1 ] && [[ $said == *"No such file"* ]]
ok "drill -w: ${said%%$'\n'*}"
