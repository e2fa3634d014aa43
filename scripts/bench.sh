#!/bin/bash
# scripts/bench.sh: the measured figures, tapdeck and its peers side by side in one run.
#
# Peers: the kernel over veth (with its offloads, and without: what a TAP frame is), and slirp4netns,
# another user-space stack behind a TAP. The same client (tests/bench/bulk.c, kernel sockets, cubic)
# runs against each. Rounds are interleaved (tapdeck, veth, veth without offloads, slirp; again), and
# the median of ROUNDS (5) is printed with the ratio to tapdeck. Everything happens in network
# namespaces made here, which end with this process. At the end scripts/goodput.sh compares the goodput
# over a line that loses 1 % of the frames with the kernel's own, and scripts/forward.sh what a router carries between two
# TAPs with the kernel's between two veths, and scripts/fib_bench.sh our routing table with DPDK's. JSON goes to $BUILD/bench.json.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-2}
# shellcheck source=scripts/bench-lib.sh
. scripts/bench-lib.sh
inside BENCH "$@"
bulk=$BUILD/bench/bulk

ip link set lo up

# tapdeck: its TAP in a namespace of its own, the client there too
new_ns; td=$ns
mkdir "$work/www"
head -c 1000 /dev/urandom >"$work/www/small"
cat >"$work/td.conf" <<CONF
tap add tap0 as eth0
ip addr add 10.0.0.2/24 dev eth0
app start httpd -p 80 -c 8192 $work/www
app start echo
app start discard
app start chargen
CONF
mkfifo "$work/ready"
exec 9<>"$work/ready"
in_ns_bg "$td" "$BUILD/tapdeckd" -n bench -f "$work/td.conf" --ready-fd 9 2>"$work/td.log"
read -r -t 10 _ <&9 || { cat "$work/td.log" >&2; exit 1; }
in_ns "$td" ip addr add 10.0.0.1/24 dev tap0

# the kernel over veth, twice: offloads on and off
veth() { # NAME NET ON|OFF
    new_ns; local a=$ns
    new_ns; local b=$ns
    ip link add "v$1a" type veth peer name "v$1b"
    ip link set "v$1a" netns "$a"; ip link set "v$1b" netns "$b"
    in_ns "$a" ip addr add "$2.1/24" dev "v$1a"; in_ns "$a" ip link set "v$1a" up
    in_ns "$b" ip addr add "$2.2/24" dev "v$1b"; in_ns "$b" ip link set "v$1b" up
    if [ "$3" = off ]; then
        in_ns "$a" ethtool -K "v$1a" tso off gso off gro off >/dev/null
        in_ns "$b" ethtool -K "v$1b" tso off gso off gro off >/dev/null
    fi
    in_ns_bg "$b" "$bulk" serve 9 19 7 >/dev/null
    eval "$1=$a $1_server=$b"
}
veth von 10.1.0 on
veth voff 10.2.0 off
mkdir -p "$work/nginx"
cat >"$work/nginx.conf" <<CONF
daemon off; master_process off; pid $work/nginx/pid; error_log $work/nginx/error.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; client_body_temp_path $work/nginx; proxy_temp_path $work/nginx;
  fastcgi_temp_path $work/nginx; uwsgi_temp_path $work/nginx; scgi_temp_path $work/nginx;
  server { listen 80; root $work/www; } }
CONF
in_ns_bg "$von_server" nginx -c "$work/nginx.conf" 2>/dev/null

# slirp4netns: a namespace whose TAP it serves; its host is this namespace's loopback (10.0.2.2)
have_slirp=0
if command -v slirp4netns >/dev/null 2>&1; then
    new_ns; slirp=$ns
    "$bulk" serve 9 19 7 >/dev/null &
    pids+=($!)
    slirp4netns --configure --mtu=1500 "$slirp" tap0 >"$work/slirp.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 100); do
        in_ns "$slirp" ip addr show tap0 2>/dev/null | grep -q 10.0.2 && have_slirp=1 && break
        sleep 0.05
    done
fi
sleep 0.5

results=$work/results
: >"$results"
note() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$results"; } # WHAT PEER VALUE
attempt() { # WHAT PEER command…: one measurement, bounded by itself; a failure is reported, not hidden
    local what=$1 peer=$2 value
    shift 2
    if value=$("$@" 2>>"$work/errors"); then note "$what" "$peer" "$value"; else note "$what" "$peer" failed; fi
}
ab_rate() { "$@" 2>/dev/null | awk '/^Requests per second/ { print $4 } /^Failed requests/ && $3 != 0 { exit 1 }'; }
ping_median() { # median RTT in microseconds of 500 pings, 2 ms apart
    "$@" -c 500 -i 0.002 | sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] * 1000 }'
}
for round in $(seq "$ROUNDS"); do
    echo "round $round of $ROUNDS" >&2
    for mode in send recv rr; do
        port=9; [ $mode = recv ] && port=19; [ $mode = rr ] && port=7
        attempt $mode tapdeck in_ns "$td" "$bulk" $mode 10.0.0.2 $port "$SECONDS_EACH"
        attempt $mode veth in_ns "$von" "$bulk" $mode 10.1.0.2 $port "$SECONDS_EACH"
        attempt $mode veth-no-offload in_ns "$voff" "$bulk" $mode 10.2.0.2 $port "$SECONDS_EACH"
        [ $have_slirp = 1 ] && attempt $mode slirp4netns in_ns "$slirp" "$bulk" $mode 10.0.2.2 $port "$SECONDS_EACH"
    done
    export -f ab_rate ping_median in_ns
    for k in "" -k; do
        attempt "requests$k" tapdeck bash -c "ab_rate in_ns $td ab -q $k -n 20000 -c 16 http://10.0.0.2/small"
        attempt "requests$k" veth bash -c "ab_rate in_ns $von ab -q $k -n 20000 -c 16 http://10.1.0.2/small"
    done
    attempt ping tapdeck bash -c "ping_median in_ns $td ping 10.0.0.2"
    attempt ping veth bash -c "ping_median in_ns $von ping 10.1.0.2"
done

# memory of an idle connection, counted by the allocator
memory() { "$BUILD/tapdeck" -n bench -j table memory | python3 -c 'import json,sys; print(next(r["used"] for r in json.load(sys.stdin) if r["tag"] == "total"))'; }
before=$(memory)
mkfifo "$work/hold"
exec 8<>"$work/hold"
in_ns_bg "$td" "$bulk" hold 10.0.0.2 80 4000 <&8 >"$work/held"
holder=${pids[-1]}
for _ in $(seq 200); do grep -q ready "$work/held" 2>/dev/null && break; sleep 0.1; done
held=$("$BUILD/tapdeck" -n bench ss -tn | grep -c ESTAB || true)
[ "$held" -gt 0 ] && note idle tapdeck "$((($(memory) - before) / held))"
echo "idle connections held: $held" >&2
kill "$holder" 2>/dev/null || true

medians "$results" "$BUILD/bench.json" <<'NAMES'
send	TCP to the stack	Gbit/s	1e9
recv	TCP from the stack	Gbit/s	1e9
rr	one byte there and back	/s	1
requests	HTTP, a connection each	/s	1
requests-k	HTTP, kept alive	/s	1
ping	ping round trip	us	1
idle	memory of an idle connection	bytes	1
NAMES

# goodput over a bad line, in namespaces of its own
GOODPUT_ROUNDS=${GOODPUT_ROUNDS:-15}
ROUNDS=$GOODPUT_ROUNDS scripts/goodput.sh
# what a router carries, likewise
ROUNDS=${FORWARD_ROUNDS:-5} scripts/forward.sh

# what the journal costs
ROUNDS=${JOURNAL_ROUNDS:-7} scripts/journal-cost.sh || true

# routes: lookups, updates and memory beside rte_lpm
ROUNDS=${FIB_ROUNDS:-3} scripts/fib_bench.sh
python3 - "$BUILD/bench.json" "$BUILD/goodput.json" "$BUILD/forward.json" "$BUILD/fib.json" <<'PY'
import json, sys
both = [row for path in sys.argv[1:] for row in json.load(open(path))]
json.dump(both, open(sys.argv[1], "w"), indent=1)
PY
