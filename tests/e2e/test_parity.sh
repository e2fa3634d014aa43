#!/bin/bash
# What ip, tc, bridge, ss and nstat say here and of Linux's own stack, in the same situation: JSON key by key, text column
# by column. Linux's is a namespace with a host called like ours: lo, eth0 (one end of a veth pair; the other is eth1's
# far end, a port of br0), the same addresses, routes, rules and neighbours.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/net.sh
. tests/e2e/net.sh
needs python3 "what the tools print here and on Linux"

namespace linux
for probe in bridge veth; do
    if ! on linux ip link add probe type $probe 2>/dev/null; then
        skip "what the tools print here and on Linux" "this kernel has no $probe"
        exit 0
    fi
    on linux ip link del probe
done
on linux ip link add eth0 address 02:00:00:00:07:00 type veth peer name far
on linux ip link add eth1 address 02:00:00:00:07:01 type veth peer name far1
for dev in far far1; do on linux ip link set $dev up; done
on linux sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null

# Both are told the same.
cat >"$work/situation" <<'END'
ip link set eth0 up
ip link set eth1 up
ip link set eth0 mtu 1400
ip addr add 10.7.0.1/24 brd + dev eth0
ip addr add 10.7.0.9/24 brd + dev eth0 label eth0:x
ip addr add 10.8.0.1/16 dev eth0
ip addr add 169.254.3.4/16 dev eth0
ip link add br0 type bridge
ip link set eth1 master br0
ip link set br0 up
ip addr add 10.9.0.1/24 dev br0
ip route add 192.0.2.0/24 via 10.7.0.254
ip route add 198.51.100.0/24 via 10.7.0.254 dev eth0 metric 50 mtu 1200
ip route add 198.51.100.7 via 10.7.0.253 src 10.7.0.9
ip route add blackhole 203.0.113.0/24
ip route add unreachable 203.0.114.0/24 metric 9
ip route add prohibit 203.0.115.0/24
ip route add 100.64.0.0/10 nexthop via 10.7.0.7 weight 1 nexthop via 10.8.0.7 weight 2
ip route add default via 10.7.0.254 table 100
ip route add 10.99.0.0/16 dev eth0 proto static scope link
ip neigh add 10.7.0.254 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
ip neigh add 10.7.0.8 lladdr 02:00:00:00:00:98 dev eth0 nud stale
ip rule add from 10.7.0.0/24 table 100 priority 500
ip rule add to 10.9.0.0/16 iif eth0 lookup 200 priority 501
ip rule add blackhole from 1.2.3.4 priority 502
ip rule add not from 1.2.3.0/24 oif br0 table 100 priority 503
END
on linux bash -e "$work/situation" || { not_ok "the situation on Linux"; exit 1; }
situation=()
while read -r command; do situation+=("$command"); done <"$work/situation"
start_daemon 'tap add tap7 as xeth0' 'ip link del xeth0'  # placeholder
