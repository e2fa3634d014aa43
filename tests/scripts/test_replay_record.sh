#!/bin/bash
# tests/scripts/test_replay_record.sh: `tapdeck replay` of recorded runs at the command line: a node of a topology is
# recorded in virtual time; the same is done again, a damaged and a cut file are told, and words that don't fit.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
ok() { echo "ok - $1"; }
not_ok() {
    echo "not ok - $1"
    [ -z "${2:-}" ] || sed 's/^/#   /' "$2" | tail -n 10
    status=1
}
# run WANTED-STATUS WHAT PATTERN WORDS…: tapdeck ends with that status and says that.
run() {
    local wanted=$1 what=$2 pattern=$3 rc
    shift 3
    "$BUILD/tapdeck" "$@" >"$work/out" 2>&1
    rc=$?
    if [ $rc -eq "$wanted" ] && grep -q -e "$pattern" "$work/out"; then ok "$what"; else not_ok "$what: status $rc" "$work/out"; fi
}

f=$work/run.deck
run 0 "a node is recorded" "3 received" topo run scripts/two-nets.yaml "client record start $f" 'client ping -c 3 10.0.2.2' 'client record stop'
run 0 "replay: the same again" "frames in, .* out: identical" replay "$f"
run 0 "... and how it ended" "end: it was stopped" replay "$f"
run 0 "replay -j" '"identical":true' replay -j "$f"
run 0 "replay --list: what is in it" "^ *[0-9]*  input$" replay --list "$f"
run 0 "replay --list -j" '"kinds":{"input":[1-9]' replay --list -j "$f"
run 2 "an option for captures" "is a recorded run: --flow doesn't go with it" replay --flow 1 "$f"
run 2 "... and another" "is a recorded run: --play doesn't go with it" replay --play client "$f"

# The name doesn't matter, what is in it does.
cp "$f" "$work/run.pcap"
run 0 "recognised by what is in it" identical replay "$work/run.pcap"
size=$(stat -c %s "$f")
head -c $((size / 2)) "$f" >"$work/cut.deck"
run 0 "a cut file, as far as it goes" "identical" replay "$work/cut.deck"
run 0 "... and that it is cut" "end: it is cut off in the middle of a record\|end: it has no end" replay "$work/cut.deck"
cp "$f" "$work/bad.deck"
printf '\377' | dd of="$work/bad.deck" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
run 2 "a changed byte" "behind call [0-9]*: what stands there isn't what was written" replay "$work/bad.deck"
head -c 30 "$f" >"$work/head.deck"
run 2 "a cut header" "breaks off in its header" replay "$work/head.deck"
cp "$f" "$work/v9.deck"
printf '\011' | dd of="$work/v9.deck" bs=1 seek=8 conv=notrunc 2>/dev/null
run 2 "a format of the future" "is a recording of format 9; this program reads format 1" replay "$work/v9.deck"
mkfifo "$work/pipe"
cat pcaps/sack/sack.pcapng >"$work/pipe" &
run 0 "a capture from a pipe isn't disturbed by the question" "25 packets" replay --list "$work/pipe"
wait
run 2 "no such file" "No such file" replay "$work/nowhere.deck"
exit $status
