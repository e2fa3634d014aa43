#!/bin/bash
# A daemon's run is recorded with real traffic and done again, the same: by command and from the start, with a pause, with
# losses, beyond a hundred thousand packets; after kill -9; and when the disk is full.
. "$(dirname "$0")/lib.sh"
needs curl "recording"
needs nc "recording"
needs python3 "recording"
mkdir "$work/srv"
head -c 3000000 /dev/urandom >"$work/srv/file"

stop_daemon() {
    kill -TERM "$daemon" 2>/dev/null
    wait "$daemon"
    daemon=
    rm -f "$work/ready"
}
# of FILE KEY: from the replay's JSON
key() { python3 -c 'import json, sys; v = json.load(sys.stdin)[sys.argv[1]]; print(str(v).lower() if v is True else v)' "$1"; }
of() { "$BUILD/tapdeck" -j replay "$1" | key "$2"; }
recorded() { deck -j record status | key "$1"; }

# ---- begun by a command, in a daemon that has already run ----
start_daemon "app start httpd -p 80 $work/srv" 'app start discard -p 9' 'app start echo -p 7'
ping -c 3 -i 0.02 10.0.0.2 >/dev/null
equal "before: all is kept" "$(recorded state)" kept
check "record start" deck record start "$work/a.deck"
equal "... as a file that is the user's alone" "$(stat -c %a "$work/a.deck")" 600
check "a download" curl -sf --max-time 60 -o "$work/got" http://10.0.0.2/file
check "... that is whole" cmp "$work/got" "$work/srv/file"
deck pause >/dev/null
ping -c 1 -W 1 10.0.0.2 >/dev/null # is held
deck resume >/dev/null
deck tc qdisc add dev eth0 root netem delay 1ms loss 2%
head -c 1000000 /dev/zero | timeout 60 nc -N 10.0.0.2 9
deck tc qdisc del dev eth0 root
deck iptables -A INPUT -p tcp --dport 99 -j DROP
deck ping -c 2 -i 0.1 10.0.0.1 >/dev/null
deck sysctl -w net.ipv4.tcp_congestion_control=reno >/dev/null
echo hello | timeout 20 nc -N 10.0.0.2 7 >/dev/null
check "record stop" deck record stop
in=$(recorded in) out=$(recorded out)
equal "... and then it has ended" "$(recorded state)" ended
deck record start "$work/b.deck" 2>"$work/late" && not_ok "a second recording of the same run"
check "a second one would lack what came between" grep -q 'has ended, and what came since' "$work/late"
stop_daemon
check "the replay is identical" "$BUILD/tapdeck" replay "$work/a.deck"
equal "... all frames of it" "$(of "$work/a.deck" in) $(of "$work/a.deck" out) $(of "$work/a.deck" identical)" "$in $out true"
check "its contents can be listed" "$BUILD/tapdeck" replay --list "$work/a.deck"

# ---- from the start, killed in the middle ----
daemon_options="--record $work/k.deck"
start_daemon 'app start discard -p 9'
head -c 3000000 /dev/zero | timeout 60 nc -N 10.0.0.2 9
timeout 60 nc 10.0.0.2 9 </dev/zero >/dev/null 2>&1 &
feeder=$!
moved() { [ "$(recorded in)" -gt 3000 ]; }
check "it is in the middle of a transfer" eventually 30 moved
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon=
rm -f "$work/ready"
kill "$feeder" 2>/dev/null
wait "$feeder" 2>/dev/null
check "after kill -9 the file is there, and replays" "$BUILD/tapdeck" replay "$work/k.deck"
equal "... as far as it went" "$(of "$work/k.deck" end)" "it has no end: the daemon was killed, or still records"

# ---- a crash, and the same crash again: a malloc that aborts when a ping of 700 bytes is copied ----
cat >"$work/crash.c" <<'END'
#include <stdlib.h>
extern void *__libc_malloc(size_t);
void *malloc(size_t n) { if (n == 14 + 20 + 8 + 700 + 160 + 16) abort(); return __libc_malloc(n); }
END
if [ -n "${SANITIZED:-}" ] || ! ${CC:-cc} -shared -fPIC -o "$work/crash.so" "$work/crash.c" 2>/dev/null; then
    skip "a crash" "needs a compiler, and a build without sanitizers"
else
    ulimit -c 0
    daemon_options="--record $work/crash.deck"
    daemon_prefix=(env "LD_PRELOAD=$work/crash.so")
    start_daemon
    ping -c 3 -i 0.1 -W 1 10.0.0.2 >/dev/null
    ping -c 1 -W 1 -s 700 10.0.0.2 >/dev/null
    eventually 20 gone "$daemon" || kill -TERM "$daemon"
    wait "$daemon" 2>/dev/null
    crashed=$?
    equal "the daemon crashes" $crashed $((128 + 6))
    daemon=
    daemon_prefix=()
    rm -f "$work/ready"
    LD_PRELOAD=$work/crash.so "$BUILD/tapdeck" replay "$work/crash.deck" >/dev/null 2>"$work/crashed"
    equal "the replay comes to the same crash: status 1" $? 1
    check "... in the same call, by the same signal" grep -q '(input, .*: here the recording ends, in this very call; done again, it ends the program by signal 6' "$work/crashed"
    printf 'goto 6\nip neigh\n' | LD_PRELOAD=$work/crash.so "$BUILD/tapdeck" replay -i "$work/crash.deck" >"$work/before" 2>&1
    check "... and before it can be looked at" grep -q '10.0.0.1 dev eth0 lladdr' "$work/before"
    check "where nothing crashes it replays" "$BUILD/tapdeck" replay "$work/crash.deck"
fi

# ---- a changed byte ----
cp "$work/a.deck" "$work/c.deck"
printf '\125' | dd of="$work/c.deck" bs=1 seek=500000 conv=notrunc 2>/dev/null
"$BUILD/tapdeck" replay "$work/c.deck" >/dev/null 2>"$work/changed"
equal "a changed byte: status 2" $? 2
check "... and the place" grep -q "behind call [0-9]*: what stands there isn't what was written" "$work/changed"

# ---- more than a hundred thousand packets, bounded files ----
daemon_options=
start_daemon 'app start discard -p 9' "record start $work/big.deck --size 64m --files 8"
many() { [ $(($(recorded in) + $(recorded out))) -gt 100000 ]; }
while ! many; do head -c 40000000 /dev/zero | timeout 60 nc -N 10.0.0.2 9 || break; done
check "more than 100,000 packets" many
stop_daemon
start=$(date +%s%N)
"$BUILD/tapdeck" -j replay "$work/big.deck" >"$work/big.json" 2>&1
took=$((($(date +%s%N) - start) / 1000000))
equal "100,000 packets and more replay identically" "$(key identical <"$work/big.json")" true
echo "# $(key in <"$work/big.json") frames in, $(key out <"$work/big.json") out, in $took ms"

# The same place, come to from in front and from behind, shows the same.
at() { # COMMAND…: what is to be seen behind those
    printf '%s\n' "$@" 'ss -tane' 'ip neigh' nstat 'app list' | "$BUILD/tapdeck" replay -i "$work/big.deck" 2>&1 | grep -v '^[-+ ]*[0-9]* .* eth0 '
}
at 'goto 90000' >"$work/forward"
at 'goto 99000' 'goto 1000' 'goto 89990' 'goto 90000' >"$work/back"
check "forward and back the tables are the same" cmp "$work/forward" "$work/back"
check "... and know who was there" grep -q '^1: discard -p 9' "$work/back"

# ---- bounds ----
daemon_options="--keep 300k"
start_daemon 'app start discard -p 9'
head -c 3000000 /dev/zero | timeout 60 nc -N 10.0.0.2 9
equal "more than is kept" "$(recorded state)" off
deck record start "$work/late.deck" 2>"$work/late"
equal "... is too late: status 1" $? 1
check "... and how to do it" grep -q -e '--record FILE' "$work/late"
stop_daemon
daemon_options=
mkdir "$work/disk"
if mount -t tmpfs -o size=3m tmpfs "$work/disk" 2>/dev/null; then
    daemon_options="--record $work/disk/full.deck"
    start_daemon 'app start discard -p 9'
    head -c 6000000 /dev/zero | timeout 60 nc -N 10.0.0.2 9
    equal "a full disk ends the recording" "$(recorded state): $(recorded ended)" "ended: no more could be written: No space left on device"
    check "... not the daemon" ping -c 1 -W 2 10.0.0.2
    check "... and is in the journal" sh -c "$BUILD/tapdeck -n e2e why record-ended | grep -q 'recording ended'"
    check "... and what was written replays" "$BUILD/tapdeck" replay "$work/disk/full.deck"
    umount "$work/disk"
else
    skip "a full disk" "no tmpfs may be mounted here"
    start_daemon
fi
finish
