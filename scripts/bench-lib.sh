# scripts/bench-lib.sh: what the scripts that measure share: namespaces, and the table of medians. Sourced.
# shellcheck shell=bash disable=SC2034

# inside NAME ARGUMENTS…: runs the script again in a network namespace of its own, once.
inside() {
    local mark=TAPDECK_$1_INSIDE
    shift
    if [ -z "${!mark:-}" ]; then
        export "$mark=1"
        if [ "$(id -u)" = 0 ]; then exec unshare --net "$0" "$@"; fi
        exec unshare --user --map-root-user --net "$0" "$@"
    fi
    work=$(mktemp -d)
    export TAPDECK_RUN=$work/run
    mkdir -m 700 "$TAPDECK_RUN"
    pids=()
    trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}
# A namespace is a process that sleeps in it, $ns; `in_ns PID cmd…` runs there. Bounded: two hours.
new_ns() {
    unshare --net sleep 7200 &
    ns=$!
    pids+=("$ns")
    for _ in $(seq 100); do
        [ "$(readlink /proc/$ns/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break
        sleep 0.05
    done
    in_ns "$ns" ip link set lo up
}
in_ns() { local pid=$1; shift; nsenter --target "$pid" --net -- "$@"; }
# In the background there: exec, so that the pid noted is the program's own and ends with us.
in_ns_bg() {
    local pid=$1
    shift
    (exec nsenter --target "$pid" --net -- "$@") <&0 & # <&0: bash would give it /dev/null
    pids+=($!)
}
# medians RESULTS JSON: reads WHAT PEER VALUE lines (tabs), and from standard input WHAT, title, unit, scale (tabs); prints
# the median of each with tapdeck's share of it, and writes all as JSON.
medians() {
    python3 -c '
import json, statistics, sys
names, rows, out = {}, {}, []
for line in sys.stdin:
    what, title, unit, scale = line.rstrip("\n").split("\t")
    names[what] = (title, unit, float(scale))
for line in open(sys.argv[1]):
    what, peer, value = line.rstrip("\n").split("\t")
    rows.setdefault(what, {}).setdefault(peer, []).append(None if value in ("failed", "") else float(value))
for what, peers in rows.items():
    title, unit, scale = names[what]
    base = None
    for peer, values in peers.items():
        good = [v for v in values if v is not None]
        median = statistics.median(good) / scale if good else None
        if peer == "tapdeck":
            base = median
        ratio = base / median if base and median else None
        out.append({"what": title, "peer": peer, "unit": unit, "median": median, "rounds": len(values),
                    "failed": len(values) - len(good), "values": [None if v is None else v / scale for v in values],
                    "tapdeck_to_peer": ratio})
        print(f"{title:32} {peer:16} " + (f"{median:12.2f} {unit:8}" if median is not None else "      failed         ") +
              (f" tapdeck is {ratio:.2f} of it" if ratio is not None and peer != "tapdeck" else ""))
json.dump(out, open(sys.argv[2], "w"), indent=1)
print("JSON:", sys.argv[2])' "$1" "$2"
}
