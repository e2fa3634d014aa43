# shellcheck shell=bash
# pcaps/two-kernels.sh: sourced by make.sh: two network namespaces of the Linux kernel, 10.0.0.1 ($a, where the capture is taken)
# and 10.0.0.2 ($b), joined by a cable, with offloads off so that what is captured is what is on the cable.
#     begin NAME FILTER     makes them and captures into NAME.tmp     in_a COMMAND…, in_b COMMAND…
#     job COMMAND…          one that is stopped at the end             until_true COMMAND…   waits for it, 5 s at most
#     listens PORT             does somebody in $b?
#     finish                ends the capture: NAME.pcap
set -eu
a=pc-a-$$ b=pc-b-$$ jobs=
trap 'kill $jobs 2>/dev/null || true; ip netns del $a; ip netns del $b' EXIT

in_a() { ip netns exec "$a" "$@"; }
in_b() { ip netns exec "$b" "$@"; }
job() {
    "$@" &
    jobs="$jobs $!"
}
until_true() {
    for _ in $(seq 100); do
        if "$@"; then return; fi
        sleep 0.05
    done
    echo "two-kernels.sh: '$*' never came true" >&2
    exit 1
}
listens() { in_b ss -Hltun sport = ":$1" | grep -q .; }
begin() {
    name=$1
    ip netns add "$a"
    ip netns add "$b"
    ip -n "$a" link add eth0 address 02:00:00:00:00:0a type veth peer name eth0 address 02:00:00:00:00:0b netns "$b"
    for n in "$a" "$b"; do
        ip netns exec "$n" sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
        ip netns exec "$n" ethtool -K eth0 tso off gso off gro off tx off >/dev/null
    done
    ip -n "$a" addr add 10.0.0.1/24 dev eth0
    ip -n "$b" addr add 10.0.0.2/24 dev eth0
    ip -n "$a" link set eth0 up
    ip -n "$b" link set eth0 up
    job ip netns exec "$a" tcpdump -q -U -n -i eth0 -w "$name.tmp" "$2" 2>/dev/null
    until_true test -s "$name.tmp"
}
finish() {
    sleep 0.5
    # shellcheck disable=SC2086
    kill $jobs
    # shellcheck disable=SC2086
    wait $jobs 2>/dev/null || true
    mv "$name.tmp" "$name.pcap"
}
