#!/bin/bash
# Chains of one, three and ten routers between two Linux hosts: ping, curl, traceroute, tracepath; a narrow link in the
# middle, the black hole when nobody is told of it, and its cure.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/net.sh
. tests/e2e/net.sh
needs curl "routers with curl"
needs python3 "routers with a web server"
needs traceroute "routers with traceroute"
if ! ip link add probe type bridge 2>/dev/null; then
    skip "routers" "this kernel has no bridges to join TAP devices by"
    exit 0
fi
ip link del probe
start_daemon 'sysctl -q -w net.ipv4.ip_forward=1' # for lib.sh's sake; the routers have their own
mkdir -p "$work/site"
head -c 300000 /dev/urandom >"$work/site/big"
echo hello >"$work/site/hello"

# chain N: a ─ r1 ─ r2 … rN ─ b; link i between router i and i+1 is 10.9.i.0/24, a's is 10.9.0.0/24, b's 10.9.N.0/24.
chain() {
    local n=$1 i k
    for i in $(seq "$n"); do
        local commands=("tap add x$n-${i}l as left" "ip addr add 10.9.$((i - 1)).2/24 dev left"
            "tap add x$n-${i}r as right" "ip addr add 10.9.$i.1/24 dev right" "sysctl -q -w net.ipv4.ip_forward=1")
        for k in $(seq 0 "$n"); do
            [ "$k" -lt $((i - 1)) ] && commands+=("ip route add 10.9.$k.0/24 via 10.9.$((i - 1)).1")
            [ "$k" -gt "$i" ] && commands+=("ip route add 10.9.$k.0/24 via 10.9.$i.2")
        done
        router "r$n-$i" "${commands[@]}"
    done
    for i in $(seq 2 "$n"); do join_taps "br$n-$i" "x$n-$((i - 1))r" "x$n-${i}l"; done
    namespace "a$n"
    namespace "b$n"
    give "x$n-1l" "a$n" 10.9.0.1/24 10.9.0.2
    give "x$n-${n}r" "b$n" "10.9.$n.2/24" "10.9.$n.1"
    web "b$n" 80 "$work/site"
}
get() { on "$1" curl -sS --max-time "${T:-10}" "${@:2}"; }

for n in 1 3 10; do
    chain $n
    b=10.9.$n.2
    check "$n routers: ping" eventually 10 on a$n ping -c 1 -W 1 $b
    check "$n routers: every ping of twenty" on a$n ping -q -c 20 -i 0.02 -W 2 $b
    equal "$n routers: TTL $((64 - n))" "$(on a$n ping -c 1 -W 2 $b | grep -o 'ttl=[0-9]*')" "ttl=$((64 - n))"
    get a$n -o "$work/got" "http://$b/big"
    check "$n routers: 300 kB by curl, whole" cmp "$work/got" "$work/site/big"
    want=$(for i in $(seq 0 $((n - 1))); do echo "10.9.$i.2"; done; echo "$b")
    equal "$n routers: traceroute sees each" "$(on a$n traceroute -n -q 1 -w 2 -m 30 $b | awk 'NR > 1 { print $2 }')" "$want"
done

# The middle router's right-hand link takes 1,400 bytes.
b=10.9.3.2
at r3-2 ip link set right mtu 1400
at r3-3 ip link set left mtu 1400
if command -v tracepath >/dev/null; then
    equal "tracepath finds 1,400 bytes in the middle" "$(on a3 tracepath -n -m 8 $b | grep -o 'Resume: pmtu [0-9]*')" "Resume: pmtu 1400"
else
    skip "tracepath" "it is not installed"
fi
on a3 ip route flush cache
check "curl finds it too" get a3 -o "$work/got" "http://$b/big"
on b3 ip route flush cache
on a3 ip route flush cache

# The hole: the routers beside the narrow link keep silent.
for i in 2 3; do at r3-$i iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP; done
on b3 sysctl -qw net.ipv4.tcp_mtu_probing=0
check "a black hole: small things pass" get a3 -o "$work/got" "http://$b/hello"
within "large ones don't" 5 nsenter -t "${space[a3]}" -n curl -sS --max-time 3 -o "$work/got" "http://$b/big"
equal "curl gives up" "$rc" 28
equal "why tells who swallowed what" "$(at r3-3 why event nf-drop-rule -n 1 2>/dev/null | grep -c 'chain OUTPUT, table filter')" 1
# The cure, by one command on each router beside the link.
for i in 2 3; do at r3-$i iptables -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu; done
T=5 get a3 -o "$work/got" "http://$b/big"
check "cured by clamping the MSS" cmp "$work/got" "$work/site/big"
finish
