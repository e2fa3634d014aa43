#!/bin/bash
# scripts/journal-cost.sh [instructions|throughput]: what the journal costs; without a word, both.
#
#   instructions  of a segment and its share of acknowledgments, a bulk transfer between two stacks in virtual time
#                 (tests/bench/journal.c), counted by callgrind: at the level "counters only" at most 1 % more than
#                 with the journal compiled out (-DTAPDECK_NO_JOURNAL, in a tree of its own). Quick, and the same
#                 each time: tests/scripts/test_journal_cost.sh runs it.
#   throughput    bulk transfer to and from a kernel's client through a TAP device, MTU 1500, no offloads: with everything in
#                 the journal at least 0.9 of what the default level carries, each the median of ROUNDS (7), the levels
#                 taking turns; and how many events a second that is.
#
# The last line of each says "ok" or "not ok" and the figure; status 1 when one isn't met. JSON: $BUILD/journal-cost.json.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-7}
SECONDS_EACH=${SECONDS_EACH:-2}
what=${1:-all}
case $what in
all | instructions | throughput) ;;
*)
    echo "journal-cost.sh: '$what' is not to be measured: write instructions, throughput or nothing" >&2
    exit 2
    ;;
esac
failed=0
unset MAKEFLAGS MFLAGS # of a make that runs this

# ---- instructions ----

out_tree=$BUILD-nojournal
per_segment() { # PROGRAM LEVEL: instructions of a segment, the difference between two lengths
    local mb figures
    for mb in 1 4; do
        figures=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" "$mb" 2>"$tmp/callgrind" | cut -d' ' -f1)
        echo "$(sed -n 's/.*Collected : *//p' "$tmp/callgrind") $figures"
    done | awk '{ i[NR] = $1; s[NR] = $2 } END { if (s[2] <= s[1]) exit 1; printf "%.1f\n", (i[2] - i[1]) / (s[2] - s[1]) }'
}
instructions() {
    tmp=$(mktemp -d)
    make --no-print-directory -s -j"$(nproc)" "$BUILD/bench/journal"
    make --no-print-directory -s -j"$(nproc)" BUILD="$out_tree" OPT='-O2 -DTAPDECK_NO_JOURNAL' "$out_tree/bench/journal"
    local without counters default everything
    without=$(per_segment "$out_tree/bench/journal" 0)
    counters=$(per_segment "$BUILD/bench/journal" 0)
    default=$(per_segment "$BUILD/bench/journal" 1)
    everything=$(per_segment "$BUILD/bench/journal" 2)
    rm -rf "$tmp"
    echo "instructions a segment: $without without a journal, $counters counters only, $default by default, $everything with everything"
    awk -v a="$without" -v b="$counters" -v d="$default" -v e="$everything" -v json="$BUILD/journal-cost.instructions" 'BEGIN {
        more = (b / a - 1) * 100
        printf "{\"instructions_without\": %s, \"counters_only\": %s, \"default\": %s, \"everything\": %s, \"more_percent\": %.2f}\n", a, b, d, e, more >json
        printf "%s - counters only: %.2f %% more instructions a segment than without a journal (1 %% at most)\n", more <= 1 ? "ok" : "not ok", more
        exit more > 1
    }' || failed=1
}

# ---- throughput ----

throughput() {
    # shellcheck source=scripts/bench-lib.sh
    . scripts/bench-lib.sh
    inside JOURNAL_COST throughput
    ip link set lo up
    new_ns
    local td=$ns level round way bits before after
    cat >"$work/td.conf" <<'CONF'
tap add tap0 as eth0
ip addr add 10.0.0.2/24 dev eth0
app start discard
app start chargen
CONF
    mkfifo "$work/ready"
    exec 9<>"$work/ready"
    in_ns_bg "$td" "$BUILD/tapdeckd" -n cost -f "$work/td.conf" --ready-fd 9 2>"$work/td.log"
    read -r -t 10 _ <&9 || { cat "$work/td.log" >&2; exit 1; }
    in_ns "$td" ip addr add 10.0.0.1/24 dev tap0
    events() { "$BUILD/tapdeck" -n cost -j table events | python3 -c 'import json, sys; print(sum(r["count"] for r in json.load(sys.stdin)))'; }
    in_ns "$td" "$BUILD/bench/bulk" send 10.0.0.2 9 1 >/dev/null
    for round in $(seq "$ROUNDS"); do
        for level in $((2 - round % 2)) $((1 + round % 2)); do # each goes first as often
            "$BUILD/tapdeck" -n cost sysctl -w tapdeck.journal.level="$level" >/dev/null
            for way in send recv; do
                before=$(events)
                bits=$(in_ns "$td" "$BUILD/bench/bulk" "$way" 10.0.0.2 "$([ "$way" = send ] && echo 9 || echo 19)" "$SECONDS_EACH")
                after=$(events)
                echo "$way $level $bits $(((after - before) / SECONDS_EACH))" >>"$work/results"
            done
        done
        echo "round $round of $ROUNDS" >&2
    done
    python3 - "$work/results" "$BUILD/journal-cost.throughput" <<'PY' || failed=1
import json, statistics, sys
rows, out, bad = [line.split() for line in open(sys.argv[1])], {}, False
median = lambda way, level, column: statistics.median(float(r[column]) for r in rows if r[:2] == [way, level])
for way, name in (("send", "to the stack"), ("recv", "from the stack")):
    default, everything, events = median(way, "1", 2) / 1e9, median(way, "2", 2) / 1e9, median(way, "2", 3)
    share = everything / default
    bad = bad or share < 0.9
    print(f"bulk {name}, MTU 1500, no offloads: {default:.2f} Gbit/s by default, {everything:.2f} Gbit/s with everything in the "
          f"journal, {events:,.0f} events a second")
    print(f"{'ok' if share >= 0.9 else 'not ok'} - {name}, everything: {share:.3f} of the default level's throughput (0.9 at least)")
    out |= {f"{way}_default_gbit": default, f"{way}_everything_gbit": everything, f"{way}_share": share,
            f"{way}_events_per_second": events}
json.dump(out, open(sys.argv[2], "w"))
sys.exit(bad)
PY
}

[ "$what" = throughput ] || instructions
if [ "$what" = all ]; then
    "$0" throughput || failed=1
elif [ "$what" = throughput ]; then
    throughput
fi
for part in instructions throughput; do
    [ -f "$BUILD/journal-cost.$part" ] && cat "$BUILD/journal-cost.$part"
done | python3 -c 'import json, sys; json.dump({k: v for line in sys.stdin for k, v in json.loads(line).items()}, open(sys.argv[1], "w"))' \
    "$BUILD/journal-cost.json" 2>/dev/null || true
exit $failed
