#!/bin/bash
# scripts/demo.sh: the guided tour that `make demo` runs.
#
# It makes a network namespace of its own (with root, or rootless through a user namespace), so it
# touches nothing of the machine's network and leaves nothing behind: when this process ends, the
# namespace, the TAP in it and the daemon are gone. KEEP=1 stays and opens the console at the end.
# Where there is no TAP device or no namespace to be had, a simulated network is shown instead.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}

# Three hosts in one process, in virtual time: it needs nothing of the machine but a processor.
simulated_demo() { # WHAT-IS-LACKING
    echo "tapdeck: $1"
    echo "tapdeck: until then, here is the same stack three times over, joined by simulated wires, in virtual time."
    echo
    grep -v '^#' scripts/two-nets.yaml
    echo
    echo "\$ tapdeck topo run scripts/two-nets.yaml 'client ping -c 5 10.0.2.2' 'router ip neigh' 'router ip route' 'router why -n 12'"
    exec "$BUILD/tapdeck" topo run scripts/two-nets.yaml 'client ping -c 5 10.0.2.2' 'router ip neigh' 'router ip route' \
        'router why -n 12'
}

if [ -z "${TAPDECK_DEMO_INSIDE:-}" ]; then
    export TAPDECK_DEMO_INSIDE=1
    if [ ! -c /dev/net/tun ]; then
        lacks="there is no /dev/net/tun, so no TAP device can be made: load the module with: sudo modprobe tun"
    elif [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
        exec unshare --net "$0" "$@"
    elif unshare --user --map-root-user --net true 2>/dev/null; then
        exec unshare --user --map-root-user --net "$0" "$@"
    else
        lacks="this user may not make a network namespace: run 'sudo make demo', or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
    fi
    simulated_demo "$lacks"
fi

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') blue=$(printf '\033[1;34m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else
    bold='' blue='' dim='' off=''
fi
work=$(mktemp -d)
export TAPDECK_RUN=$work/run
mkdir -m 700 "$TAPDECK_RUN"
daemon=
finish() {
    status=$?
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

screen=0
title() { # what this screen shows
    screen=$((screen + 1))
    printf '\n%s── %d. %s%s\n' "$blue" $screen "$1" "$off"
    shift
    for line in "$@"; do printf '%s   %s%s\n' "$dim" "$line" "$off"; done
    echo
}
run() { # shows a command as one would type it, then runs it
    printf '%s$ %s%s\n' "$bold" "$*" "$off"
    "$@"
}
deck() { # a console command
    printf '%s$ tapdeck %s%s\n' "$bold" "$*" "$off"
    "$BUILD/tapdeck" -n demo "$@"
}

title "A second TCP/IP stack on this machine" \
    "tapdeckd is a host of its own in userspace. A TAP device is the cable between it and" \
    "the kernel; both ends live in a network namespace made for this demo." \
    "" \
    "   the kernel             cable             tapdeck" \
    "   tap0 10.0.0.1/24  ───────────────  eth0 10.0.0.2/24"
ip link set lo up
# Only IPv4 is spoken here: without this, the kernel's IPv6 would knock, and fill the journal with drops.
echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true
mkfifo "$work/ready"
printf '%s$ tapdeckd -n demo -f scripts/demo.conf &%s\n' "$bold" "$off"
exec 9<>"$work/ready"
"$BUILD/tapdeckd" -n demo -f scripts/demo.conf --ready-fd 9 2>"$work/daemon.log" &
daemon=$!
ready=
for _ in $(seq 100); do # ten seconds; a daemon that ends before it is ready is noticed at once
    read -r -t 0.1 ready <&9 && break
    kill -0 "$daemon" 2>/dev/null || break
done
if [ "$ready" != ready ]; then
    echo "tapdeck: the daemon did not start:" >&2
    cat "$work/daemon.log" >&2
    kill "$daemon" 2>/dev/null || true
    status=0
    wait "$daemon" || status=$?
    daemon=
    exit $((status == 0 ? 1 : status))
fi
exec 9>&-
run ip addr add 10.0.0.1/24 dev tap0
deck ip addr

title "ping: the first packet needs ARP" \
    "The kernel knows no MAC address for 10.0.0.2, so it asks; tapdeck answers, and learns" \
    "the kernel's address from the question."
run ping -c 3 -i 0.2 10.0.0.2
deck ip neigh

title "curl: a TCP connection from handshake to TIME_WAIT" \
    "httpd runs on tapdeck's own sockets. First a page. Then 2 MB up: the receive window grows." \
    "'Connection: close' asks the server to close first, so TIME_WAIT is on tapdeck's side."
run curl -sS --max-time 10 http://10.0.0.2/
head -c 2000000 /dev/zero | tr '\0' 'x' >"$work/upload"
printf '%s$ curl -sS -H "Connection: close" -T upload http://10.0.0.2/sink%s\n' "$bold" "$off"
curl -sS --max-time 20 -H 'Connection: close' -T "$work/upload" -w '%{local_port}' http://10.0.0.2/sink >"$work/answer"
port=$(tail -n 1 "$work/answer")
sed '$d' "$work/answer"
sum=$(sha256sum <"$work/upload")
printf '%s   sha256 here: %s%s\n' "$dim" "${sum%% *}" "$off"

title "The tables, from inside" \
    "The same words as the tools you know; what they print is tapdeck's, not the kernel's."
deck ip route
deck ss -tan
deck nstat

title "Why? The journal of that very ping" \
    "Every decision the stack took is an event with its reason, its cause and the RFC clause," \
    "newest first. The kernel's question, our answer, and what was learned from it:"
deck why arp -n 4
deck why neigh -n 4

title "Why? The life of that very upload" \
    "The kernel's port was $port. Read from the bottom: SYN, ESTABLISHED, windows, FIN, TIME_WAIT."
deck why "10.0.0.1:$port" -n 30

if [ -n "${KEEP:-}" ]; then
    title "Yours now" \
        "This is the console; 'help' lists the commands, Ctrl-D leaves and takes the demo down." \
        "Another terminal: sudo nsenter -t $$ -n ping 10.0.0.2"
    # A process group of its own: Ctrl-C there cancels a command, not the demo.
    set -m
    "$BUILD/tapdeck" -n demo || true
    set +m
else
    printf '\n%sThat was it. make demo KEEP=1 stays and opens the console; README.md says more.%s\n' "$bold" "$off"
fi
