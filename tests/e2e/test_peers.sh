#!/bin/bash
# Our stack and the kernel's, with a bad line between them: 20 ms each way, 0, 1, 5 and 20 % of the frames lost in
# both directions, or mixed up. Files go both ways and arrive whole (SHA-256).
#
#     the kernel                                 tapdeck, netem at both its ends of each cable
#     tap0 10.0.0.1  ────────── 0 % ───────────  eth0 10.0.0.2, .3, .4
#     tap1 10.1.0.1  ──── 0 %, reordered ──────  eth1 10.1.0.2, .3, .4
#     tap2 10.2.0.1  ────────── 1 % ───────────  eth2
#     tap3 10.3.0.1  ────────── 5 % ───────────  eth3
#     tap4 10.4.0.1  ───────── 20 % ───────────  eth4
#
# Reordered: each frame takes up to 1 ms more or less than 20, and one in two hundred overtakes all others.
# The kernel sends with the congestion control of the route, one for each of our addresses (.2 reno, .3 cubic,
# .4 bbr); we send with each of ours. All lines are busy at once, so the test takes as long as the
# slowest. FULL=1: 50 MB without loss, reordered and at 1 %, 5 MB at 5 %, 500 KB at 20 %; minutes.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs curl "files over bad lines with curl"
FULL=${FULL:-}
lines=(0 1 2 3 4)
losses=(0 0 1 5 20)
mixed=("" "1ms reorder 0.5%" "" "" "")
names=("nothing lost" "nothing lost, reordered" "1 % lost" "5 % lost" "20 % lost")
if [ -n "$FULL" ]; then
    sizes=(50000000 50000000 50000000 5000000 500000) limit=5000
else
    sizes=(20000000 2000000 2000000 500000 30000) limit=240
fi
controls=(reno cubic bbr)
ours="reno cubic"

mkdir "$work/site"
head -c "${sizes[0]}" /dev/urandom >"$work/site/0"
commands=()
for i in 1 2 3 4; do
    commands+=("tap add tap$i as eth$i" "ip addr add 10.$i.0.2/24 dev eth$i")
    head -c "${sizes[i]}" "$work/site/0" >"$work/site/$i"
done
for i in "${lines[@]}"; do commands+=("ip addr add 10.$i.0.3/24 dev eth$i" "ip addr add 10.$i.0.4/24 dev eth$i"); done
start_daemon "${commands[@]}" "app start httpd -p 80 -t $limit $work/site"
for i in 1 2 3 4; do
    ip addr add "10.$i.0.1/24" dev "tap$i"
    ip link set "tap$i" up
done
# Each connection by itself: nothing learnt from the one before.
echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save
available=" $(cat /proc/sys/net/ipv4/tcp_available_congestion_control) "
for i in "${lines[@]}"; do
    # Where three questions in a row may be lost, the neighbours are told beforehand.
    deck ip neigh replace "10.$i.0.1" lladdr "$(ip -br link show dev "tap$i" | awk '{ print $3 }')" dev "eth$i" nud permanent
    for k in 2 3 4; do
        eventually 10 ping -c 1 -W 1 "10.$i.0.$k" || not_ok "10.$i.0.$k answers"
        ip neigh replace "10.$i.0.$k" lladdr "$(ip neigh show to "10.$i.0.$k" dev "tap$i" | awk '{ print $3 }')" dev "tap$i" nud permanent ||
            not_ok "10.$i.0.$k has a MAC address"
    done
    for k in 0 1 2; do
        if [[ $available == *" ${controls[k]} "* ]]; then
            ip route add "10.$i.0.$((k + 2))/32" dev "tap$i" src "10.$i.0.1" congctl "${controls[k]}" || not_ok "a route with ${controls[k]}"
        fi
    done
    for end in root ingress; do
        # shellcheck disable=SC2086
        check "eth$i $end: ${names[i]}" deck tc qdisc add dev "eth$i" $end netem delay 20ms ${mixed[i]} loss "${losses[i]}%" limit 20000
    done
done

flows=()
# flow NAME curl-arguments…: in the background; what it got and how long it took is in its file.
flow() {
    local name=$1
    shift
    flows+=("$name")
    curl -sS --connect-timeout 60 --max-time $limit -w '\n%{time_total}\n' "$@" >"$work/flow.$name" 2>&1 </dev/null &
}
for i in 4 3 2 1 0; do
    for k in 0 1 2; do
        [[ $available == *" ${controls[k]} "* ]] && flow "$i.up.${controls[k]}" -H 'Expect:' -T "$work/site/$i" "http://10.$i.0.$((k + 2))/sink"
    done
done
for cc in $ours; do
    check "we send with $cc" deck sysctl net.ipv4.tcp_congestion_control="$cc"
    for i in 4 3 2 1 0; do
        flow "$i.down.$cc" -o "$work/got.$i.$cc" "http://10.$i.0.2/$i"
    done
    sleep 1 # until the connections are there
done
for job in $(jobs -p); do [ "$job" = "$daemon" ] || wait "$job"; done

sum() { sha256sum | cut -d ' ' -f 1; }
mbit() { awk -v n="$1" -v f="$2" 'END { if ($0 > 0) printf "%.3f Mbit/s (%.1f s)", n * 8 / $0 / 1e6, $0 }' "$2"; }
for i in "${lines[@]}"; do
    want=$(sum <"$work/site/$i")
    for cc in "${controls[@]}"; do
        what="${sizes[i]} bytes to us, the kernel's $cc, ${names[i]}"
        if [[ $available == *" $cc "* ]]; then
            equal "$what: $(mbit "${sizes[i]}" "$work/flow.$i.up.$cc")" "$(head -n 1 "$work/flow.$i.up.$cc")" "{\"length\":${sizes[i]},\"sha256\":\"$want\"}"
        else
            skip "$what" "this kernel has no $cc"
        fi
    done
    for cc in $ours; do
        equal "${sizes[i]} bytes from us, our $cc, ${names[i]}: $(mbit "${sizes[i]}" "$work/flow.$i.down.$cc")" "$(sum <"$work/got.$i.$cc")" "$want"
    done
done
for i in 2 3 4; do # the lines were as bad as they should be
    lost=$(deck tc -s qdisc show dev "eth$i" | awk '/Sent/ { sub(/[(]dropped/, ""); sent += $4; lost += $6 } END { printf "%.1f", lost * 100 / (sent + lost) }')
    if awk -v l="$lost" -v w="${losses[i]}" 'BEGIN { exit !(l > w / 2 && l < w * 1.5) }'; then ok "eth$i lost $lost % of the frames"; else not_ok "eth$i lost $lost %, ${losses[i]} were meant"; fi
done
for i in "${lines[@]}"; do deck tc qdisc del dev "eth$i" root && deck tc qdisc del dev "eth$i" ingress; done
finish
