#!/bin/bash
# Chains of one, three and ten routers between two Linux hosts: ping, curl, iperf3 both ways, a shell typed at through nc,
# traceroute, mtr, tracepath; a narrow link in the middle, the black hole when nobody is told of it, and its cure.
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
listens() { on "$1" ss -tln | grep -q ":$2 "; }
# iperf NAME ADDRESS [-R]: megabits a second, by the receiver's count; the server is in the other namespace
iperf() {
    (exec nsenter -t "${space[b${1#a}]}" -n iperf3 -s -1 >"$work/iperf3-server" 2>&1) &
    local server=$!
    eventually 5 listens "b${1#a}" 5201
    on "$1" timeout 20 iperf3 -c "$2" -t 1 -f m "${@:3}" 2>&1 | tee "$work/iperf3" | awk '/receiver$/ { print int($7) }'
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
}
# A shell behind nc in NAME; typed waits for each answer before the next line, as somebody at a keyboard would.
shell_behind() { # NAME
    mkfifo "$work/$1.shell"
    (exec nsenter -t "${space[$1]}" -n bash -c 'nc -l 2222 <"$0" | sh >"$0" 2>&1' "$work/$1.shell") &
    linux="$linux $!"
    eventually 5 listens "$1" 2222
}
typed() { # NAME ADDRESS LINE…: what was answered, one a line
    local line answer
    coproc NC { exec nsenter -t "${space[$1]}" -n nc "$2" 2222; }
    for line in "${@:3}"; do
        echo "$line" >&"${NC[1]}"
        read -r -t 5 answer <&"${NC[0]}" && echo "$answer"
    done
    kill "$NC_PID" 2>/dev/null
    wait "$NC_PID" 2>/dev/null
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
    if command -v mtr >/dev/null; then
        on a$n mtr -n -r -c 3 -i 0.2 -G 1 $b >"$work/mtr" 2>&1
        equal "$n routers: mtr as well, three times without loss" "$(awk '$1 ~ /\|--$/ { print $2, $3 }' "$work/mtr")" \
            "$(for hop in $want; do echo "$hop 0.0%"; done)"
    else
        skip "$n routers: mtr" "it is not installed"
    fi
    if command -v iperf3 >/dev/null; then
        for way in "" -R; do
            rate=$(iperf a$n $b $way)
            if [ "${rate:-0}" -gt 1 ]; then ok "$n routers: iperf3 $way ($rate Mbit/s)"; else not_ok "$n routers: iperf3 $way" "$work/iperf3"; fi
        done
    else
        skip "$n routers: iperf3" "it is not installed"
    fi
    if command -v nc >/dev/null; then
        shell_behind b$n
        equal "$n routers: a shell, line by line" "$(typed a$n $b 'echo $((6 * 7))' 'a=5; echo set' 'echo $a' 'echo end' | tr '\n' ' ')" "42 set 5 end "
    else
        skip "$n routers: a shell" "nc is not installed"
    fi
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

# The MTU black hole and its cure, by two commands on the router that the server's segments come to first.
hole() { # WHAT: small things pass, large ones don't
    check "$1: small things pass" get a3 -o "$work/got" "http://$b/hello"
    within "large ones don't" 5 nsenter -t "${space[a3]}" -n curl -sS --max-time 3 -o "$work/got" "http://$b/big"
    equal "curl gives up" "$rc" 28
}
on b3 sysctl -qw net.ipv4.tcp_mtu_probing=0
at r3-3 sysctl -q -w net.ipv4.ip_mtu_blackhole=1
hole "a black hole"
equal "why tells who swallowed what" "$(at r3-3 why event ip-forward-drop -n 1 2>/dev/null | grep -c "larger than the next link's MTU")" 1
at r3-3 iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
T=5 get a3 -o "$work/got" "http://$b/big"
check "cured by clamping the MSS" cmp "$work/got" "$work/site/big"
at r3-3 iptables -t mangle -F
at r3-3 sysctl -q -w net.ipv4.ip_mtu_blackhole=0

# The same where errors are filtered: the routers beside the narrow link keep silent.
for i in 2 3; do at r3-$i iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP; done
hole "filtered errors"
equal "why tells who swallowed what" "$(at r3-3 why event nf-drop-rule -n 1 2>/dev/null | grep -c 'chain OUTPUT, table filter')" 1
for i in 2 3; do at r3-$i iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu; done
T=5 get a3 -o "$work/got" "http://$b/big"
check "cured likewise" cmp "$work/got" "$work/site/big"
finish
