#!/bin/bash
# scripts/goodput.sh: our TCP's goodput over a line that loses 1 % of the frames, beside the kernel's.
#
#     sends      receives          over `tapdeck wire`: 20 ms each way, 1 % lost in each, 100 Mbit/s
#     tapdeck    the kernel  |  compared with the
#     the kernel tapdeck     |  kernel to the kernel, the same client, the same congestion control
#
# Four lines stand side by side: ours sending and the kernel's own as it gets (`bulk get`), ours
# receiving and the kernel's own as it puts. tapdeck's TAP is bridged to its end of the line, so that the line is the same program for
# all, in no stack's hands. In a round all four transfer BYTES at the same time, over lines with the same seed (the
# round's number): frame n of a line is lost for all or none, and what else the machine does
# hits all alike. ROUNDS (15) rounds, for each congestion control that both have;
# what we don't send with (bbr) is shown where the kernel sends. Medians, and ours as a share of the kernel's.
# JSON goes to $BUILD/goodput.json.
#
#     BYTES=3000000 ROUNDS=15 LOSS=1 DELAY=20ms EXTRA='reorder 0.5%' CONTROLS='reno cubic bbr'
#     TRACE=DIR keeps a capture of each line of each run (headers), both ends' `ss -ti` each 100 ms and our journal
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-15}
BYTES=${BYTES:-3000000}
LOSS=${LOSS:-1}
DELAY=${DELAY:-20ms}
EXTRA=${EXTRA:-}
CONTROLS=${CONTROLS:-reno cubic bbr}
LIMIT=${LIMIT:-180}
TRACE=${TRACE:-}
# shellcheck source=scripts/bench-lib.sh
. scripts/bench-lib.sh
inside GOODPUT "$@"
bulk=$BUILD/bench/bulk
quiet_ns() { # nothing there speaks unasked
    new_ns
    in_ns "$ns" bash -c 'echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save
        ! [ -d /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
}
available=" $(cat /proc/sys/net/ipv4/tcp_available_congestion_control) "

# ---- the ends: NAME.l sends, NAME.r receives ----
declare -A ns_of kind_of
mac() { if [ "$1" = l ]; then echo 02:00:00:00:00:01; else echo 02:00:00:00:00:02; fi; }
addr() { if [ "$1" = l ]; then echo 10.9.0.1; else echo 10.9.0.2; fi; }
other() { if [ "$1" = l ]; then echo r; else echo l; fi; }
kernel_end() {
    quiet_ns
    ns_of[$1]=$ns kind_of[$1]=kernel
    local cc port=1000
    for cc in $CONTROLS; do
        [[ $available == *" $cc "* ]] && in_ns_bg "$ns" "$bulk" serve $((port + 9)) $((port + 19)) $((port + 7)) "$cc" >/dev/null
        port=$((port + 1000))
    done
}
our_end() { # its TAP is on a bridge; each wire's end will be the other port
    quiet_ns
    ns_of[$1]=$ns kind_of[$1]=ours
    local side=${1#*.} name=${1/./-}
    mkfifo "$work/ready.$name"
    exec 9<>"$work/ready.$name"
    in_ns_bg "$ns" "$BUILD/tapdeckd" -n "$name" -e "tap add tap0 as eth0 mac $(mac "$side")" -e "ip addr add $(addr "$side")/24 dev eth0" \
        -e "ip neigh replace $(addr "$(other "$side")") lladdr $(mac "$(other "$side")") dev eth0 nud permanent" \
        -e 'app start discard' -e 'app start chargen' --ready-fd 9 2>"$work/td.$name"
    read -r -t 20 _ <&9 || { cat "$work/td.$name" >&2; exit 1; }
    exec 9>&-
    if [ -n "$TRACE" ]; then
        "$BUILD/tapdeck" -n "$name" sysctl tapdeck.journal.records=262144 tapdeck.journal.level=2 >/dev/null
    fi
    in_ns "$ns" bash -c 'ip link add br0 type bridge mcast_snooping 0 && ip link set tap0 master br0 && ip link set tap0 up && ip link set br0 up'
}
lines=(ours-sends kernel-sends ours-receives kernel-receives)
our_end ours-sends.l; kernel_end ours-sends.r
kernel_end kernel-sends.l; kernel_end kernel-sends.r
kernel_end ours-receives.l; our_end ours-receives.r
kernel_end kernel-receives.l; kernel_end kernel-receives.r
sleep 3 # the addresses are probed for (RFC 5227)

# ---- the line between them, a new one for each run ----
declare -A wire_of
lay() { # NAME SEED
    local side end dev
    mkfifo "$work/wire.$1"
    # shellcheck disable=SC2086
    "$BUILD/tapdeck" wire "w$1l" "w$1r" delay "$DELAY" loss "$LOSS%" rate 100mbit limit 10000 $EXTRA seed "$2" \
        back delay "$DELAY" loss "$LOSS%" rate 100mbit limit 10000 $EXTRA seed $((1000000 + $2)) >"$work/wire.$1" &
    wire_of[$1]=$!
    pids+=($!)
    # shellcheck disable=SC2094
    grep -q -m 1 ready <"$work/wire.$1"
    rm "$work/wire.$1"
    for side in l r; do
        end=${line[$1]}.$side dev=w$1$side
        ip link set "$dev" netns "${ns_of[$end]}"
        if [ "${kind_of[$end]}" = ours ]; then
            in_ns "${ns_of[$end]}" bash -c "ip link set $dev master br0 && ip link set $dev up"
        else
            in_ns "${ns_of[$end]}" bash -c "ip link set $dev address $(mac $side) && ip addr add $(addr $side)/24 dev $dev && ip link set $dev up &&
                ip neigh replace $(addr "$(other $side)") lladdr $(mac "$(other $side)") dev $dev nud permanent"
        fi
    done
}
watch_line() { # NAME TAG: for whoever looks at one closely
    in_ns_bg "${ns_of[${line[$1]}.l]}" tcpdump -q -s 120 -i "w$1l" -w "$TRACE/$2.pcap" 2>/dev/null
    watchers+=("${pids[-1]}")
    local side
    for side in l r; do
        if [ "${kind_of[${line[$1]}.$side]}" = kernel ]; then
            in_ns_bg "${ns_of[${line[$1]}.$side]}" bash -c 'while sleep 0.1; do date +%s.%N; ss -tin; done' >"$TRACE/$2.$side.ss"
        else
            bash -c 'while sleep 0.1; do date +%s.%N; '"$BUILD/tapdeck"' -n '"${line[$1]}-$side"' ss -tin; done' >"$TRACE/$2.$side.ss" &
            pids+=($!)
        fi
        watchers+=("${pids[-1]}")
    done
}
if [ -n "$TRACE" ]; then mkdir -p "$TRACE"; fi
line=("${lines[@]}")
results=$work/results
: >"$results"
one() { # NAME CC PORT-BASE: one transfer; the line stands
    local what=${line[$1]} cc=$2 base=$3 mode=get from=r value
    local server=${line[$1]}.l sink=$((base + 9)) source=$((base + 19))
    if [[ $what == *receives ]]; then mode=put from=l server=${line[$1]}.r; fi
    [ "${kind_of[$server]}" = ours ] && sink=9 source=19
    local port=$source to
    [ $mode = put ] && port=$sink
    to=$(addr "$(other $from)")
    if value=$(in_ns "${ns_of[${line[$1]}.$from]}" timeout "$LIMIT" "$bulk" $mode "$to" "$port" "$BYTES" "$cc" 2>>"$work/errors"); then
        printf '%s\t%s\t%s\n' "$cc" "$what" "$value" >>"$results"
    else
        printf '%s\t%s\tfailed\n' "$cc" "$what" >>"$results"
    fi
}
for round in $(seq "$ROUNDS"); do
    base=1000
    for cc in $CONTROLS; do
        names=(0 1 2 3)
        for end in ours-sends-l ours-receives-r; do
            "$BUILD/tapdeck" -n $end sysctl "net.ipv4.tcp_congestion_control=$cc" >/dev/null 2>&1 || names=(2 3)
        done
        [[ $available == *" $cc "* ]] || names=()
        watchers=()
        for name in "${names[@]}"; do
            lay "$name" "$round"
            [ -z "$TRACE" ] || watch_line "$name" "$round.$cc.${line[$name]}"
        done
        [ -z "$TRACE" ] || sleep 0.5
        flows=()
        for name in "${names[@]}"; do
            one "$name" "$cc" $base &
            flows+=($!)
        done
        [ ${#flows[@]} = 0 ] || wait "${flows[@]}"
        for name in "${names[@]}"; do
            for side in l r; do
                [ -n "$TRACE" ] && [ "${kind_of[${line[$name]}.$side]}" = ours ] || continue
                "$BUILD/tapdeck" -n "${line[$name]}-$side" why event 'tcp-*' -n 10000 >"$TRACE/$round.$cc.${line[$name]}.why"
            done
        done
        [ ${#watchers[@]} = 0 ] || kill "${watchers[@]}" 2>/dev/null || true
        for name in "${names[@]}"; do kill "${wire_of[$name]}"; wait "${wire_of[$name]}" || true; done
        base=$((base + 1000))
    done
    echo "round $round of $ROUNDS" >&2
done
sort -u "$work/errors" >&2 || true

python3 - "$results" "$BUILD/goodput.json" "$LOSS" "$DELAY" "$EXTRA" "$BYTES" "$available" "$CONTROLS" <<'PY'
import json, statistics, sys
results, path, loss, delay, extra, size, available, controls = sys.argv[1:]
rows = {}
for line in open(results):
    cc, what, value = line.rstrip("\n").split("\t")
    rows.setdefault(cc, {}).setdefault(what, []).append(None if value == "failed" else float(value) / 1e6)
print(f"goodput at {loss} % loss, {delay} each way{', ' + extra if extra else ''}: {int(size) / 1e6:g} MB, Mbit/s")
out = []
for cc in controls.split():
    if cc not in available.split():
        print(f"{cc:6} this kernel has none")
        continue
    for ours, kernel, words in (("ours-sends", "kernel-sends", "tapdeck to the kernel"),
                                ("ours-receives", "kernel-receives", "the kernel to tapdeck")):
        if ours not in rows.get(cc, {}):
            print(f"{cc:6} {words:22}  not offered by tapdeck")
            continue
        a, b = rows[cc][ours], rows[cc][kernel]
        ga, gb = [v for v in a if v is not None], [v for v in b if v is not None]
        # A run that failed counts as nothing at all.
        ma = statistics.median([v or 0 for v in a])
        mb = statistics.median([v or 0 for v in b])
        ratio = ma / mb if mb else None
        out.append({"what": "goodput", "control": cc, "direction": words, "loss_percent": float(loss), "delay": delay, "extra": extra, "unit": "Mbit/s",
                    "bytes": int(size), "rounds": len(a), "failed": len(a) - len(ga), "kernel_failed": len(b) - len(gb),
                    "median": ma, "kernel_median": mb, "ratio": ratio, "values": a, "kernel_values": b})
        print(f"{cc:6} {words:22} {ma:9.3f}   the kernel's own {mb:9.3f}   ratio " + (f"{ratio:.2f}" if ratio else "-") +
              f"   ({len(ga)} and {len(gb)} of {len(a)} runs)")
json.dump(out, open(path, "w"), indent=1)
print("JSON:", path)
PY
