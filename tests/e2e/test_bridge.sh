#!/bin/bash
# Linux hosts joined by a tapdeck bridge, and by two of them with a VLAN trunk between; a Linux host with a VLAN interface
# of its own on that trunk, where the kernel has them.
# shows: 8021D-01 8021D-02 8021D-03 8021Q-01 8021Q-02
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/net.sh
. tests/e2e/net.sh
needs curl "a bridge with curl"
needs python3 "a bridge with a web server"
if ! ip link add probe type bridge 2>/dev/null; then
    skip "bridges" "this kernel has no bridge to join TAP devices by"
    exit 0
fi
ip link del probe
sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
quiet_space() { # a namespace whose kernel says nothing by itself
    namespace "$1"
    on "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
}
mkdir -p "$work/site"
head -c 5000000 /dev/urandom >"$work/site/big"

# ---- one bridge, three hosts, and the switch itself as the fourth ----

cat >"$work/switch.conf" <<'CONF'
# a switch of three ports: the daemon's configuration takes the same commands as the console
tap add s1
tap add s2
tap add s3
ip link add br0 type bridge ageing_time 300   # three seconds
ip link set s1 master br0
ip link set s2 master br0
ip link set s3 master br0
ip link set br0 up
ip addr add 10.2.0.254/24 dev br0
CONF
sed -i 's/ *#.*$//' "$work/switch.conf"
start_daemon
"$BUILD/tapdeckd" -n switch -f "$work/switch.conf" >"$work/switch.log" 2>&1 &
linux="$linux $!"
eventually 20 at switch version || { not_ok "the switch starts from its file" "$work/switch.log"; exit 1; }
for i in 1 2 3; do
    quiet_space "n$i"
    give "s$i" "n$i" "10.2.0.$i/24"
done
web n2 80 "$work/site"
check "ping through the bridge" eventually 10 on n1 ping -c 1 -W 1 10.2.0.2
check "every ping of twenty" on n1 ping -q -c 20 -i 0.02 -W 2 10.2.0.2
check "the switch itself answers" on n3 ping -c 2 -i 0.2 -W 2 10.2.0.254
check "and asks" at switch ping -c 2 -i 0.2 10.2.0.1
heard() { on n3 awk '$1 == "s3:" { print $3 }' /proc/net/dev; }
first=$(heard)
on n1 curl -sS --max-time 20 -o "$work/got" http://10.2.0.2/big
check "5 MB by curl, whole" cmp "$work/got" "$work/site/big"
check "the third host hears next to nothing of it: $(($(heard) - first)) frames" [ $(($(heard) - first)) -lt 20 ]
mac() { on "$1" ip -o link show "$2" | grep -o 'ether [0-9a-f:]*' | cut -d ' ' -f 2; }
equal "bridge fdb knows who is where" "$(at switch bridge fdb show | grep -c "$(mac n1 s1) dev s1 master br0 $\|$(mac n2 s2) dev s2 master br0 $")" 2
at switch ip link set s2 down
check "a port that is down passes nothing" bash -c "! nsenter -t ${space[n1]} -n ping -c 2 -i 0.2 -W 1 10.2.0.2"
at switch ip link set s2 up
check "up again it does" eventually 5 on n1 ping -c 1 -W 1 10.2.0.2
forgotten() { ! at switch bridge fdb show dev s2 | grep -q "$(mac n2 s2)"; }
check "a silent station is forgotten" eventually 8 forgotten
equal "why tells" "$(at switch why event bridge-aged -n 50 2>/dev/null | grep -c "forgot $(mac n2 s2)" | sed 's/[1-9][0-9]*/yes/')" yes
check "and found again when it is needed" on n1 ping -c 1 -W 2 10.2.0.2

# ---- two switches, a trunk, two VLANs: four hosts with the same network, in pairs that don't hear each other ----
#
#     a ─ pa ┐ br10 ┐                      ┌ br10 ┌ pc ─ c
#            │      ├ t1 ══ 10, 20 ══ t2 ──┤      │
#     b ─ pb ┘ br20 ┘                      └ br20 └ pd ─ d

half() { # DAEMON TRUNK PORT10 PORT20
    router "$1" "tap add $2" "tap add $3" "tap add $4" \
        "ip link add link $2 name $2.10 up type vlan id 10" "ip link add link $2 name $2.20 up type vlan id 20" \
        "ip link add br10 up type bridge" "ip link add br20 up type bridge" \
        "ip link set $3 master br10" "ip link set $2.10 master br10" \
        "ip link set $4 master br20" "ip link set $2.20 master br20"
}
half left t1 pa pb
half right t2 pc pd
join_taps trunk t1 t2
n=1
for name in a b c d; do
    quiet_space $name
    give p$name $name 10.3.0.$n/24
    n=$((n + 1))
done
web c 80 "$work/site"
check "VLAN 10: a reaches c" eventually 10 on a ping -c 1 -W 1 10.3.0.3
check "VLAN 20: b reaches d" eventually 10 on b ping -c 1 -W 1 10.3.0.4
check "a doesn't reach d, on the other VLAN" bash -c "! nsenter -t ${space[a]} -n ping -c 2 -i 0.2 -W 1 10.3.0.4"
check "nor b, behind the same switch" bash -c "! nsenter -t ${space[a]} -n ping -c 2 -i 0.2 -W 1 10.3.0.2"
if command -v tcpdump >/dev/null; then
    tcpdump -e -n -c 4 -i trunk icmp or vlan >"$work/trunk.txt" 2>"$work/tcpdump.log" &
    watching=$!
    eventually 5 grep -q listening "$work/tcpdump.log"
    on a ping -q -c 3 -i 0.1 -W 1 10.3.0.3 >/dev/null
    on b ping -q -c 3 -i 0.1 -W 1 10.3.0.4 >/dev/null
    eventually 5 gone "$watching"
    kill "$watching" 2>/dev/null
    equal "the trunk carries tags" "$(grep -c '802.1Q (0x8100)' "$work/trunk.txt")" 4
fi
on a curl -sS --max-time 20 -o "$work/got" http://10.3.0.3/big
check "5 MB through both switches, whole" cmp "$work/got" "$work/site/big"
full() { on a ping -q -c 2 -i 0.1 -W 1 -M do -s 1472 10.3.0.3; }
check "1,500 bytes in a VLAN on a 1,500-byte link" full
at left ip link del t1.10
check "without its VLAN a is cut off" bash -c "! nsenter -t ${space[a]} -n ping -c 2 -i 0.2 -W 1 10.3.0.3"
check "and b isn't" on b ping -c 1 -W 1 10.3.0.4
on c ping -q -c 1 -W 1 10.3.0.1 >/dev/null # c still knows a's address, and speaks to it in VLAN 10
equal "what comes for it is told and counted" "$(at left nstat -az | grep -c 'EthInUnknownVlans *[1-9]') $(at left why event eth-drop-vlan -n 1 |
    grep -c "VLAN 10 isn't configured")" "1 1"
at left ip link add link t1 name t1.10 up type vlan id 10
at left ip link set t1.10 master br10
check "with it again there" eventually 5 on a ping -c 1 -W 1 10.3.0.3

# ---- the kernel's own VLANs at the other end ----

quiet_space k
router stick 'tap add k0' 'ip link add link k0 name k0.30 up type vlan id 30' 'ip addr add 10.4.0.1/24 dev k0.30'
ip link set k0 netns "${space[k]}"
on k ip link set k0 up
if on k ip link add link k0 name k0.30 type vlan id 30 2>/dev/null; then
    on k ip link set k0.30 up
    on k ip addr add 10.4.0.2/24 dev k0.30
    check "a VLAN of the kernel's and ours" eventually 10 on k ping -c 1 -W 1 10.4.0.1
    check "1,500 bytes in it" on k ping -q -c 2 -i 0.1 -W 1 -M do -s 1472 10.4.0.1
    on k ip link set k0.30 type vlan id 30 egress 0:5 2>/dev/null
    check "with a priority" on k ping -c 1 -W 1 10.4.0.1
else
    skip "a VLAN of the kernel's and ours" "this kernel has no 802.1Q"
fi
finish
