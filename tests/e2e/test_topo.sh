#!/bin/bash
# Topologies from files: simulated in real and in virtual time, with a TAP device of this machine, and as daemons with Linux
# hosts; up, show, exec, down, and nothing left behind.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs curl "topologies with curl"
needs python3 "topologies with a web server"
topo() { "$BUILD/tapdeck" topo "$@"; }
console() { local node=$1; shift; "$BUILD/tapdeck" -n "$node" "$@"; }
leftovers() { ls "$TAPDECK_RUN"; pgrep -f "$TAPDECK_RUN" || true; }
mkdir -p "$work/site"
head -c 200000 /dev/urandom >"$work/site/big"

cat >"$work/sim.yaml" <<'YAML'
name: sim
seed: 7
nodes:
  client:
    interfaces: {eth0: 10.0.1.2/24}
    routes: [default via 10.0.1.1]
  router:
    interfaces: {left: 10.0.1.1/24, right: 10.0.2.1/24}
    forward: yes
  server:
    interfaces: {eth0: 10.0.2.2/24}
    routes: [default via 10.0.2.1]
links:
  - [client, router.left]
  - {ends: [router.right, server], impair: delay 20ms}
YAML
check "run: virtual time" topo run "$work/sim.yaml" 'client ping -c 1000 10.0.2.2'
equal "run: every ping of a thousand" "$(tail -n 2 "$work/check.log" | grep -o '1000 received')" "1000 received"
equal "run: the same file, the same output" "$(topo run "$work/sim.yaml" 'client ping -c 5 10.0.2.2' 'router why' | md5sum)" \
    "$(topo run "$work/sim.yaml" 'client ping -c 5 10.0.2.2' 'router why' | md5sum)"

check "up: simulated, real time" topo up "$work/sim.yaml"
check "a node's console" console sim.client ping -c 2 -i 0.1 10.0.2.2
# A delay is a promise downwards; upwards it depends on how busy the machine is.
between() { [ "${1:-0}" -ge "$2" ] && [ "$1" -lt "$3" ]; }
check "round trip of 40 ms" between "$(console sim.client ping -c 5 -i 0.1 10.0.2.2 | sed -n 's/.*min.*= \([0-9]*\)\..*/\1/p')" 40 400
equal "show lists it" "$(topo show | cut -d: -f1)" sim
equal "in JSON too" "$(topo show -j | grep -o '"name":"sim"')" '"name":"sim"'
topo up "$work/sim.yaml" >"$work/out" 2>&1
equal "twice is refused" "$? $(grep -c 'is up already' "$work/out")" "2 1"
check "down" topo down sim
equal "nothing is left" "$(leftovers)" ""
topo down sim >"$work/out" 2>&1
equal "down again is refused" "$? $(grep -c "no topology named 'sim' is up" "$work/out")" "1 1"

check "up: virtual time" topo up --virtual "$work/sim.yaml"
within "an hour of pings" 20 "$BUILD/tapdeck" -n sim.client ping -c 3600 10.0.2.2
equal "all of them" "$(grep -o '3600 received' "$work/out")" "3600 received"
check "down, virtual" topo down

# A command of the file that never ends: whoever waits for `up` gives up, and nothing goes on without him.
printf 'nodes:\n  a: {interfaces: {e: 10.0.0.1/24}, commands: [ping 10.0.0.1]}\n' >"$work/endless.yaml"
topo_pid() { pgrep -f "^[^ ]*tapdeckd --topo $work/endless.yaml" >/dev/null; }
"$BUILD/tapdeck" topo up "$work/endless.yaml" >"$work/out" 2>&1 &
check "a file with an endless command is on its way up" eventually 10 topo_pid
kill -TERM $!
check "given up: nothing goes on" eventually 10 sh -c "! pgrep -f 'tapdeckd --topo $work/[e]ndless.yaml' >/dev/null"
rm -f "$TAPDECK_RUN"/endless.*

# The machine curls through two simulated routers from its own TAP device to an application.
cat >"$work/tap.yaml" <<YAML
nodes:
  near:
    interfaces: {up: 10.1.0.2/24, core: 10.2.0.1/24}
    routes: [10.3.0.0/24 via 10.2.0.2]
    forward: yes
  far:
    interfaces: {core: 10.2.0.2/24, lan: 10.3.0.1/24}
    routes: [10.1.0.0/24 via 10.2.0.1]
    forward: yes
  web:
    interfaces: {eth0: 10.3.0.2/24}
    routes: [default via 10.3.0.1]
    apps: [httpd -p 80 $work/site]
links:
  - {ends: [near.core, far.core], impair: delay 2ms}
  - [far.lan, web]
taps: {deck0: near.up}
YAML
check "up: with a TAP device" topo up "$work/tap.yaml"
ip addr add 10.1.0.1/24 dev deck0
ip route add 10.3.0.0/24 via 10.1.0.2
check "curl through two simulated routers" eventually 10 curl -sS --max-time 8 -o "$work/got" http://10.3.0.2/big
check "the file is whole" cmp "$work/got" "$work/site/big"
equal "TTL 62" "$(ping -c 1 -W 2 10.3.0.2 | grep -o 'ttl=[0-9]*')" ttl=62
check "down, with a TAP device" topo down tap
check "the device is gone" sh -c '! ip link show deck0 2>/dev/null'

if ! ip link add probe type bridge 2>/dev/null; then
    skip "topologies as daemons" "this kernel has no bridges to join TAP devices by"
    exit $((failures > 0))
fi
ip link del probe
cat >"$work/linux.yaml" <<YAML
nodes:
  a:
    kind: linux
    interfaces: {eth0: 10.0.1.2/24}
    routes: [default via 10.0.1.1]
  router:
    interfaces: {left: 10.0.1.1/24, right: {address: 10.0.2.1/24, mtu: 1400}}
    forward: yes
  b:
    kind: linux
    interfaces: {eth0: {address: 10.0.2.2/24, mtu: 1400}}
    routes: [default via 10.0.2.1]
    commands: ["python3 -m http.server --directory $work/site 80 &"]
links:
  - {ends: [a, router.left], there: delay 5ms}
  - {ends: [router.right, b], impair: delay 5ms}
YAML
check "up: daemons and linux nodes" topo up "$work/linux.yaml"
on_a() { topo exec linux.a "$@"; }
check "ping" eventually 10 on_a ping -c 1 -W 1 10.0.2.2
check "15 ms: impairments of three ends" between "$(on_a ping -q -c 5 -i 0.1 10.0.2.2 | sed -n 's/.*= \([0-9]*\)\..*/\1/p')" 15 150
check "curl from one Linux host to the other" eventually 10 on_a curl -sS --max-time 8 -o "$work/got" http://10.0.2.2/big
check "whole" cmp "$work/got" "$work/site/big"
check "the router's console" console linux.router ip neigh
sed 's/via 10.0.2.1/via 9.9.9.9/' "$work/linux.yaml" >"$work/wrong.yaml"
topo up "$work/wrong.yaml" >"$work/out" 2>&1
equal "a command that fails: its line" "$? $(grep -o 'wrong.yaml:12: node b: ' "$work/out")" "2 wrong.yaml:12: node b: "
equal "and nothing stays up" "$(topo show | wc -l) $(find "$TAPDECK_RUN" -name 'wrong*' | wc -l)" "1 0"
check "down, daemons" topo down linux
equal "nothing is left of the daemons" "$(leftovers | grep -v wrong)" ""
check "nor of what a node's command started" sh -c "! pgrep -f 'directory $work/[s]ite' >/dev/null"
exit $((failures > 0))
