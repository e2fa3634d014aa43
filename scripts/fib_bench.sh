#!/bin/bash
# scripts/fib_bench.sh: longest-prefix match, measured: our poptrie, the trie it is compiled from, and DPDK's rte_lpm.
#
# The same synthetic prefixes and addresses for all (tests/bench/fib.c says how they are drawn), in one process,
# one after the other, ROUNDS times (3); medians are printed. PREFIXES (1000000), LOOKUPS (20000000). The poptrie
# numbers routes as they are, next hops interned; rte_lpm stores a next hop of 24 bits. Without Debian's
# libdpdk-dev rte_lpm isn't measured. JSON, rows like those of scripts/bench.sh, goes to $BUILD/fib.json.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-3}
program=$BUILD/bench/fib
[ -x "$BUILD/bench/fib-dpdk" ] && program=$BUILD/bench/fib-dpdk
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for round in $(seq "$ROUNDS"); do
    echo "routes: round $round of $ROUNDS" >&2
    timeout 900 "$program" "${PREFIXES:-1000000}" "${LOOKUPS:-20000000}" 2>/dev/null | grep '^{"fib"' >>"$out"
done
python3 - "$out" "$BUILD/fib.json" <<'PY'
import json, statistics, sys
runs = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    runs.setdefault(row["fib"], []).append(row)
if len({row["sum"] for rows in runs.values() for row in rows}) != 1:
    sys.exit("the structures gave different answers")
what = [("lookups_per_s", "route lookups", "M/s", 1e6), ("updates_per_s", "route updates", "/s", 1),
        ("memory_mb", "memory of the routes", "MB", 1), ("load_s", "loading them", "s", 1)]
names = {"poptrie": "tapdeck", "trie": "tapdeck's trie", "rte_lpm": "rte_lpm"}
out = []
for key, title, unit, scale in what:
    base = None
    for name, rows in runs.items():
        values = [row[key] / scale for row in rows]
        median = statistics.median(values)
        base = median if name == "poptrie" else base
        out.append({"what": title, "peer": names[name], "unit": unit, "median": median, "rounds": len(values), "failed": 0,
                    "values": values, "tapdeck_to_peer": base / median if median else None,
                    "prefixes": rows[0]["prefixes"]})
        print(f"{title:30} {names[name]:16} {median:12.2f} {unit:7}" +
              (f" tapdeck is {base / median:.2f} of it" if name != "poptrie" and median else ""))
json.dump(out, open(sys.argv[2], "w"), indent=1)
print("JSON:", sys.argv[2])
PY
