#!/bin/bash
# scripts/forward.sh: how much a router carries: ours between two TAPs, beside the Linux kernel's between two veths.
#
#     sender ──TAP── tapdeckd ──TAP── receiver        each in a network namespace of its own
#     sender ──veth── the kernel ──veth── receiver    offloads on, and off: frames as a TAP carries them
#
# UDP datagrams of SIZE (64 and 1,400) octets, sent as fast as the sender can, counted at the receiver; and TCP between
# the two kernels through the router. Rounds are interleaved, the median of ROUNDS (5) is printed with tapdeck's share.
# Beside them, without any device: our router alone, frames from memory to memory, and a host, a router and a host
# on simulated wires in one process. JSON goes to $BUILD/forward.json.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-2}
# shellcheck source=scripts/bench-lib.sh
. scripts/bench-lib.sh
inside FORWARD "$@"
end() { # NAMESPACE DEVICE ADDRESS GATEWAY
    in_ns "$1" ip addr add "$3/24" dev "$2"
    in_ns "$1" ip link set "$2" up
    in_ns "$1" ip route add default via "$4"
}
serve() { in_ns_bg "$1" "$BUILD/bench/bulk" serve 9 19 7 >/dev/null; }
declare -A from to # NAME → namespace of the sender, of the receiver

# ours
new_ns; from[tapdeck]=$ns
new_ns; to[tapdeck]=$ns
"$BUILD/tapdeckd" -n forward -e 'tap add fwda as left' -e 'ip addr add 10.1.0.1/24 dev left' -e 'tap add fwdb as right' \
    -e 'ip addr add 10.2.0.1/24 dev right' -e 'sysctl -q -w net.ipv4.ip_forward=1' 2>"$work/log" &
pids+=($!)
for _ in $(seq 100); do "$BUILD/tapdeck" -n forward version >/dev/null 2>&1 && break; sleep 0.05; done
ip link set fwda netns "${from[tapdeck]}"
ip link set fwdb netns "${to[tapdeck]}"
end "${from[tapdeck]}" fwda 10.1.0.2 10.1.0.1
end "${to[tapdeck]}" fwdb 10.2.0.2 10.2.0.1
serve "${to[tapdeck]}"

kernel() { # NAME ON|OFF
    new_ns; local a=$ns
    new_ns; local r=$ns
    new_ns; local b=$ns device
    ip link add fa type veth peer name ra
    ip link add fb type veth peer name rb
    ip link set fa netns "$a"; ip link set ra netns "$r"; ip link set rb netns "$r"; ip link set fb netns "$b"
    end "$a" fa 10.1.0.2 10.1.0.1
    end "$b" fb 10.2.0.2 10.2.0.1
    in_ns "$r" bash -c 'ip addr add 10.1.0.1/24 dev ra; ip addr add 10.2.0.1/24 dev rb; ip link set ra up; ip link set rb up
        echo 1 >/proc/sys/net/ipv4/ip_forward'
    if [ "$2" = off ]; then
        for device in "$a fa" "$r ra" "$r rb" "$b fb"; do
            in_ns "${device% *}" ethtool -K "${device#* }" tso off gso off gro off >/dev/null
        done
    fi
    serve "$b"
    from[$1]=$a to[$1]=$b
}
kernel linux on
kernel linux-no-offload off
for peer in tapdeck linux linux-no-offload; do
    for _ in $(seq 50); do in_ns "${from[$peer]}" ping -c 1 -W 1 10.2.0.2 >/dev/null 2>&1 && break; done
done

results=$work/results
: >"$results"
note() { printf '%s\t%s\t%s\n' "$1" "$2" "${3:-failed}" >>"$results"; } # WHAT PEER VALUE
rate() { # PEER SIZE: datagrams a second that arrive
    in_ns "${to[$1]}" "$BUILD/bench/forward" sink 5000 "$SECONDS_EACH" >"$work/rate" 2>>"$work/errors" &
    local sink=$!
    in_ns "${from[$1]}" "$BUILD/bench/forward" blast 10.2.0.2 5000 "$2" "$((SECONDS_EACH + 1))" 2>>"$work/errors" || true
    wait $sink || true
    cat "$work/rate"
}
for round in $(seq "$ROUNDS"); do
    echo "round $round of $ROUNDS" >&2
    for peer in tapdeck linux linux-no-offload; do
        for size in 64 1400; do note "udp$size" $peer "$(rate $peer $size)"; done
        note tcp $peer "$(in_ns "${from[$peer]}" "$BUILD/bench/bulk" send 10.2.0.2 9 "$SECONDS_EACH" 2>>"$work/errors" || true)"
    done
    note memory tapdeck "$("$BUILD/bench/forward" memory 64 "$SECONDS_EACH")"
    note wire tapdeck "$("$BUILD/bench/forward" wire 64 "$SECONDS_EACH")"
done

medians "$results" "$BUILD/forward.json" <<'NAMES'
udp64	forwarding, 64 octets of UDP	kdgram/s	1e3
udp1400	forwarding, 1,400 octets of UDP	kdgram/s	1e3
tcp	TCP through the router	Gbit/s	1e9
memory	our router alone, in memory	kdgram/s	1e3
wire	host, router, host, simulated	kdgram/s	1e3
NAMES
