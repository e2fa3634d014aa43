#!/bin/bash
# tests/e2e/test_daemon.sh: the daemon and the console as programs: names, sockets, configuration,
# signals, exit statuses, the control protocol. In a network namespace of its own.
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
if [ -z "${IN_NAMESPACE:-}" ]; then
    export IN_NAMESPACE=1
    if [ "$(id -u)" = 0 ]; then
        exec unshare -n bash "$0"
    elif unshare -Urn true 2>/dev/null; then
        exec unshare -Urn bash "$0"
    fi
    echo "ok - daemon # SKIP no network namespace can be made here"
    exit 0
fi
if ! [ -c /dev/net/tun ] || ! { true <>/dev/net/tun; } 2>/dev/null; then
    echo "ok - daemon # SKIP /dev/net/tun is missing or may not be opened"
    exit 0
fi
work=$(mktemp -d)
export TAPDECK_RUN=$work/run
unset XDG_RUNTIME_DIR
daemons=()
finish() {
    for pid in "${daemons[@]}"; do
        kill -9 "$pid" && wait "$pid"
    done 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
failed=0
check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then
        echo "ok - $what"
    else
        echo "not ok - $what"
        sed 's/^/# /' "$work/check.log"
        failed=1
    fi
}
# Starts a daemon and waits until it is ready; its process id in $pid.
start() {
    rm -f "$work/ready"
    mkfifo "$work/ready"
    "$BUILD/tapdeckd" --ready-fd 9 "$@" 9>"$work/ready" >"$work/daemon.out" 2>"$work/daemon.err" &
    pid=$!
    daemons+=("$pid")
    read -r -t 20 word <"$work/ready" && [ "$word" = ready ]
}
start_ignoring() {
    main_pid=$pid
    trap '' INT HUP
    start "$@"
    local status=$?
    trap - INT HUP
    return $status
}
td() { "$BUILD/tapdeck" "$@"; }
# fails STATUS PATTERN COMMAND…: exit status, and one sentence on stderr that has PATTERN.
fails() {
    local status=$1 pattern=$2
    shift 2
    "$@" >"$work/fails.out" 2>"$work/fails.err"
    local got=$?
    cat "$work/fails.out" "$work/fails.err"
    echo "(status $got)"
    [ $got = "$status" ] && [ "$(wc -l <"$work/fails.err")" = 1 ] && grep -qe "$pattern" "$work/fails.err"
}
has() { # PATTERN COMMAND…
    local pattern=$1
    shift
    "$@" >"$work/has.out" 2>&1
    cat "$work/has.out"
    grep -qe "$pattern" "$work/has.out"
}

ip link set lo up

# ---- without a daemon ----
check "no daemon: exit 3 and how to start one" fails 3 "no daemon is running: start one with" td ss
check "no daemon of that name: exit 3" fails 3 "no daemon named 'nobody'" td -n nobody ss
check "a bad name: exit 2" fails 2 "not a name for a daemon" td -n ../x ss
check "--help" has "usage: tapdeck " td --help
check "tapdeckd --help" has "usage: tapdeckd " "$BUILD/tapdeckd" --help
check "--version" has "^tapdeckd [0-9]" "$BUILD/tapdeckd" --version
check "an unknown option: exit 2" bash -c "'$BUILD/tapdeckd' --nonsense; [ \$? = 2 ]"

# ---- configuration ----
printf 'version\n\nip addr add 10.0.0.300/24 dev lo\n' >"$work/bad.conf"
check "a bad line: file, line, sentence, exit 2" fails 2 "bad.conf:3: '10.0.0.300/24' is not an address" "$BUILD/tapdeckd" -f "$work/bad.conf"
printf 'say "hello\n' >"$work/quote.conf"
check "an open quote: exit 2" fails 2 'quote.conf:1: the quote " is not closed' "$BUILD/tapdeckd" -f "$work/quote.conf"
check "no such configuration: exit 2" fails 2 "nowhere.conf can't be read" "$BUILD/tapdeckd" -f "$work/nowhere.conf"
check "a bad -e: exit 2" fails 2 "there is no command 'fly'" "$BUILD/tapdeckd" -e "fly away"
check "nothing is left behind by a failed start" bash -c "[ -z \"\$(ls -A $TAPDECK_RUN)\" ]"

# ---- a daemon ----
cat >"$work/good.conf" <<CONF
# the host of this test
tap add tdtest0 as eth0 mac 02:00:00:00:00:02   # a cable
ip addr add 10.77.0.2/24 dev eth0
app start echo -p 7007
CONF
check "the daemon starts and says that it is ready" start -f "$work/good.conf" -e "sysctl -q -w net.ipv4.ip_default_ttl=77"
ip addr add 10.77.0.1/24 dev tdtest0
check "the socket has mode 600, its directory 700" bash -c "[ \$(stat -c %a $TAPDECK_RUN/default.sock) = 600 ] && [ \$(stat -c %a $TAPDECK_RUN) = 700 ]"
check "the kernel's side is up, 4000 frames long" has "state UN.*qlen 4000\|UP.*qlen 4000" ip link show tdtest0
check "a second daemon of the name is refused, exit 2" fails 2 "a daemon named 'default' is running already" "$BUILD/tapdeckd"
check "and the first is still there" has "daemon 'default'" td version
check "a device in use: exit 2" fails 2 "tdtest0 is in use by another program" "$BUILD/tapdeckd" -n second -e "tap add tdtest0"
check "a name that is no TAP: exit 2" fails 2 "no TAP device" "$BUILD/tapdeckd" -n second -e "tap add lo"
check "a port in use: exit 2" fails 2 "7007" td app start echo -p 7007
check "a malformed address: exit 2" fails 2 "is not an address" td ip addr add 10.77.0/24 dev eth0
check "the host is reached" ping -q -c 3 -i 0.01 -W 2 10.77.0.2
check "with the TTL of -e" has "ttl=77" ping -c 1 -W 2 10.77.0.2
check "ping from the stack" has "2 packets transmitted, 2 received, 0% packet loss" td ping -c 2 -i 0.01 10.77.0.1
check "an unanswered ping: exit 1" bash -c "'$BUILD/tapdeck' ping -c 1 -W 0.1 10.77.0.1 >/dev/null; '$BUILD/tapdeck' ping -c 1 -W 0.1 -t 1 10.77.0.99; [ \$? = 1 ]"
check "JSON" has '^\[{"ifindex":1,' td -j ip addr
check "why names the clause" has 'RFC 826\|RFC 1122' td why 10.77.0.1 -n 100
td nc -z -w 2 10.77.0.1 1 >/dev/null 2>&1
check "a question is answered in a sentence" has '^10.77.0.1 answered our SYN to port 1 with a reset: nobody listens' td why connect 10.77.0.1:1
check "events are JSON lines" bash -c "'$BUILD/tapdeck' events -j --since 60s -n 5 | python3 -c 'import json, sys; rows = [json.loads(l) for l in sys.stdin]; sys.exit(len(rows) != 5 or not all(\"seq\" in r for r in rows))'"
check "a stream ends with its reader" bash -c "timeout 5 '$BUILD/tapdeck' events -j --since 60s | head -n 1 | grep -q '\"seq\"'"
check "metrics are in Prometheus' format" bash -c "'$BUILD/tapdeck' metrics | python3 tests/e2e/metrics.py"
check "MTU on both sides" bash -c "'$BUILD/tapdeck' ip link set eth0 mtu 1400 && ip link show tdtest0 | grep -q 'mtu 1400' && '$BUILD/tapdeck' ip link show eth0 | grep -q 'mtu 1400'"

# ---- the console as a script ----
printf 'ip route get 10.77.0.1\n# nothing\nsysctl net.ipv4.ip_forward\n' >"$work/script"
check "a script on stdin" has "net.ipv4.ip_forward = 0" bash -c "'$BUILD/tapdeck' <$work/script"
printf 'version\nip route get nowhere\nversion\n' >"$work/script"
check "ends at the first bad line with its number" bash -c "'$BUILD/tapdeck' <$work/script >$work/o 2>$work/e; [ \$? = 2 ] && grep -q '^stdin:2: ' $work/e && [ \$(wc -l <$work/o) = 1 ]"

# ---- the protocol ----
say() { timeout 5 nc -N -U "$TAPDECK_RUN/default.sock"; }
check "a request and its answer" has '^{"id":1,"out":"net.ipv4.ip_forward = 0\\n"}$' bash -c "printf '{\"id\":1,\"cmd\":[\"sysctl\",\"net.ipv4.ip_forward\"]}\n' | timeout 5 nc -N -U $TAPDECK_RUN/default.sock"
check "nonsense is answered with a sentence" has '"id":-1,"err":"a request is one JSON object a line.*"status":2}' bash -c "echo hello | timeout 5 nc -N -U $TAPDECK_RUN/default.sock"
check "a last line without newline" has '"status":0}' bash -c "printf '{\"id\":1,\"cmd\":[\"version\"]}' | timeout 5 nc -N -U $TAPDECK_RUN/default.sock"
check "many commands at once, each answered" bash -c "for i in \$(seq 1 300); do printf '{\"id\":%d,\"cmd\":[\"sysctl\",\"-a\"]}\n' \$i; done | timeout 10 nc -N -U $TAPDECK_RUN/default.sock | grep -c '\"status\":0}' | grep -qx 300"
check "several commands on one connection" bash -c "printf '{\"id\":4,\"cmd\":[\"version\"]}\n{\"id\":5,\"cmd\":[\"fly\"]}\n' | timeout 5 nc -N -U $TAPDECK_RUN/default.sock | grep -c status | grep -qx 2"
check "an endless line is refused" has 'at most 65536 bytes' bash -c "head -c 200000 /dev/zero | tr '\0' x | timeout 5 nc -N -U $TAPDECK_RUN/default.sock"
check "a cancel ends a ping with its summary" has '1 received\|2 received\|3 received' bash -c "(printf '{\"id\":1,\"cmd\":[\"ping\",\"-i\",\"0.1\",\"10.77.0.1\"]}\n'; sleep 0.25; printf '{\"id\":1,\"cancel\":true}\n') | timeout 5 nc -N -U $TAPDECK_RUN/default.sock"
(printf '{"id":1,"cmd":["ping","10.77.0.1"]}\n'; sleep 0.2) | timeout 0.3 nc -U "$TAPDECK_RUN/default.sock" >/dev/null
check "a client that leaves takes its ping along" bash -c "for i in 1 2 3 4 5 6 7 8 9 10; do '$BUILD/tapdeck' why -n 1 event socket-close >$work/o; grep -q socket-close $work/o && exit 0; sleep 0.1; done; exit 1"
# A client that asks for much and never reads: the daemon goes on, and keeps a bounded queue.
td sysctl -q -w tapdeck.journal.level=2
(for i in $(seq 1 2000); do printf '{"id":%d,"cmd":["sysctl","-a"]}\n' "$i"; done; sleep 2) | timeout 3 nc -U "$TAPDECK_RUN/default.sock" | sleep 2 &
sleep 0.5
check "a client that doesn't read holds nobody up" timeout 2 "$BUILD/tapdeck" version
check "and costs a bounded amount of memory" bash -c "[ \$(awk '/VmRSS/ {print \$2}' /proc/$pid/status) -lt 100000 ]"
wait $! 2>/dev/null

# ---- signals that its starter ignores ----
check "another one, started as nohup and scripts start it" start_ignoring -n ignoring
kill -INT "$pid"
kill -HUP "$pid"
check "goes on after the SIGINT and SIGHUP that were ignored" has "daemon 'ignoring'" td -n ignoring version
kill -TERM "$pid"
wait "$pid"
check "and ends with SIGTERM" [ $? = 0 ]
pid=$main_pid

# ---- the end ----
exec 8<>/dev/tcp/10.77.0.2/7007
echo hello >&8
read -r -t 5 line <&8
check "the echo server echoes" [ "$line" = hello ]
kill -TERM "$pid"
check "SIGTERM closes connections in order: the peer sees the end, no reset" bash -c "timeout 5 cat <&8"
exec 8<&- 8>&-
wait "$pid"
check "and ends with status 0" [ $? = 0 ]
check "the socket is gone" bash -c "[ -z \"\$(ls -A $TAPDECK_RUN)\" ]"
check "the device is gone" bash -c "! ip link show tdtest0 2>/dev/null"

# ---- another ----
check "a daemon with another name" start -n other
kill -9 "$pid"
wait "$pid" 2>/dev/null
check "what a dead daemon left is passed over: exit 3" fails 3 "no daemon named 'other'" td -n other version
check "and cleared by the next of its name" start -n other
check "which answers" has "daemon 'other'" td -n other version
check "shutdown returns when it is done" bash -c "'$BUILD/tapdeck' -n other shutdown && ! [ -e $TAPDECK_RUN/other.sock ]"
wait "$pid"
check "with status 0" [ $? = 0 ]
check "--daemon returns when it is ready" "$BUILD/tapdeckd" -n back --daemon
check "and the daemon is there" has "daemon 'back'" td -n back version
check "and ends on request" td -n back shutdown
check "--daemon reports a bad configuration" fails 2 "bad.conf:3:" "$BUILD/tapdeckd" -n back --daemon -f "$work/bad.conf"

# ---- the wire: two namespaces, joined by 20 ms each way ----
unshare -n sleep 600 &
peer=$!
daemons+=("$peer")
"$BUILD/tapdeck" wire wa0 wb0 delay 20ms seed 7 >"$work/wire.out" 2>&1 &
wire=$!
daemons+=("$wire")
for i in $(seq 1 50); do grep -q ready "$work/wire.out" && break; sleep 0.1; done
ip link set wb0 netns "$peer"
ip addr add 10.78.0.1/24 dev wa0
nsenter -t "$peer" -n sh -c 'ip addr add 10.78.0.2/24 dev wb0; ip link set wb0 up'
check "two kernels ping each other over the wire" ping -q -c 5 -i 0.2 -W 2 10.78.0.2
check "and it takes 40 ms" bash -c "ping -c 3 -i 0.2 10.78.0.2 | awk -F'[=/ ]' '/^rtt/ { exit !(\$8 >= 40 && \$8 < 60) }'"
kill -INT "$wire"
wait "$wire"
check "the wire ends with its figures" has "wa0 -> wb0: [0-9]* frames" cat "$work/wire.out"
check "bad words are refused: exit 2" fails 2 "'soon'" td wire wa0 wb0 delay soon

check "doctor finds this machine good enough" bash -c "'$BUILD/tapdeck' doctor; [ \$? -le 1 ]"
exit $failed
