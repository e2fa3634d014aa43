# tests/e2e/lib.sh: what the end-to-end tests share. A test begins with
#
#     . "$(dirname "$0")/lib.sh"
#
# and from there on runs in a network namespace of its own (root's, or of a user namespace), which
# has nothing in it but lo; it ends with `finish`. When the script ends, however it ends, the daemon is
# stopped, the temporary directory removed, and with the last process the namespace and its devices go.
#
#     the kernel             cable             tapdeck
#     tap0 10.0.0.1/24  ───────────────  eth0 10.0.0.2/24
#
# Lines: "ok - what", "not ok - what", "ok - what # SKIP why"; what begins with # explains.
# shellcheck shell=bash disable=SC2034
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
BUILD=${BUILD:-build}

if [ -z "${E2E_INSIDE:-}" ]; then
    export E2E_INSIDE=1
    name=$(basename "$0" .sh)
    if ! { [ -r /dev/net/tun ] && [ -w /dev/net/tun ]; }; then
        echo "ok - $name # SKIP there is no /dev/net/tun that this user may open"
        exit 0
    fi
    if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
        exec unshare --net bash "tests/e2e/$name.sh"
    elif unshare --user --map-root-user --net true 2>/dev/null; then
        exec unshare --user --map-root-user --net bash "tests/e2e/$name.sh"
    fi
    echo "ok - $name # SKIP this user may not make a network namespace"
    exit 0
fi

failures=0
daemon=
daemon_prefix=() # what starts the daemon: words in front of it
linux=
work=$(mktemp -d)
export TAPDECK_RUN=$work/run
mkdir -m 700 "$TAPDECK_RUN"

cleanup() {
    status=$?
    trap - EXIT
    for process in $daemon $linux; do
        kill -KILL "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    done
    rm -rf "$work"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- saying what was seen ----

ok() { echo "ok - $1"; }
not_ok() { # WHAT [DETAIL-FILE]
    echo "not ok - $1"
    failures=$((failures + 1))
    if [ -n "${2:-}" ] && [ -f "$2" ]; then tail -n 30 "$2" | sed 's/^/#   /'; fi
}
skip() { echo "ok - $1 # SKIP $2"; }
# check WHAT COMMAND…: ok if the command succeeds; its output is shown if it doesn't.
check() {
    local what=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then ok "$what"; else not_ok "$what" "$work/check.log"; fi
}
# equal WHAT GOT WANTED
equal() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        printf '#   got:    %s\n#   wanted: %s\n' "$2" "$3"
    fi
}
# within WHAT SECONDS COMMAND…: the command ends within that time, whatever its status (left in $rc,
# its output in $work/out).
within() {
    local what=$1 limit=$2 start
    shift 2
    start=$(date +%s%N)
    timeout 60 "$@" >"$work/out" 2>&1 </dev/null
    rc=$?
    local took=$((($(date +%s%N) - start) / 1000000))
    if awk -v t="$took" -v l="$limit" 'BEGIN { exit !(t <= l * 1000) }'; then
        ok "$what ($took ms)"
    else
        not_ok "$what: it took $took ms" "$work/out"
    fi
}
# eventually SECONDS COMMAND…: tries ten times a second.
eventually() {
    local tries=$(($1 * 10))
    shift
    while [ $tries -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        tries=$((tries - 1))
        sleep 0.1
    done
    return 1
}
needs() { # PROGRAM WHAT: skips the whole test
    if ! command -v "$1" >/dev/null; then
        skip "$2" "$1 is not installed"
        exit 0
    fi
}

# ---- the daemon ----

# start_daemon COMMAND…: each a console command, after tap0 and the address; $daemon_options, if set, before.
start_daemon() {
    local arguments=() command
    for command in "$@"; do arguments+=(-e "$command"); done
    mkfifo "$work/ready"
    exec 9<>"$work/ready"
    # shellcheck disable=SC2086
    ${daemon_prefix[@]+"${daemon_prefix[@]}"} "$BUILD/tapdeckd" ${daemon_options:-} -n e2e -e 'tap add tap0 as eth0' -e 'ip addr add 10.0.0.2/24 dev eth0' \
        "${arguments[@]}" --ready-fd 9 2>"$work/daemon.log" &
    daemon=$!
    if ! read -r -t 20 _ <&9; then
        not_ok "the daemon starts" "$work/daemon.log"
        exit 1
    fi
    exec 9>&-
    ip link set lo up
    ip addr add 10.0.0.1/24 dev tap0
    ip link set tap0 up
    # The first second may belong to address conflict detection.
    if ! eventually 10 ping -c 1 -W 1 10.0.0.2; then
        not_ok "the daemon answers a ping" "$work/daemon.log"
        exit 1
    fi
}
deck() { "$BUILD/tapdeck" -n e2e "$@"; }
alive() { kill -0 "$daemon" 2>/dev/null && deck version >/dev/null && ping -c 1 -W 2 10.0.0.2 >/dev/null; }

# finish: the daemon is still there and ends in order; the script ends.
finish() {
    if alive; then ok "the daemon is alive at the end"; else not_ok "the daemon is alive at the end" "$work/daemon.log"; fi
    kill -TERM "$daemon" 2>/dev/null
    eventually 10 gone "$daemon"
    if gone "$daemon"; then
        wait "$daemon"
        equal "the daemon ends in order" $? 0
        daemon=
    else
        not_ok "the daemon ends in order: it doesn't end" "$work/daemon.log"
    fi
    if grep -qE 'ERROR: |runtime error' "$work/daemon.log"; then
        not_ok "the daemon says nothing bad" "$work/daemon.log"
    fi
    [ $failures -eq 0 ]
    exit
}
gone() { ! [ -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# ---- a Linux host to compare with: 10.1.0.2 behind a veth pair, in another namespace ----

start_linux() {
    unshare --net sleep 600 &
    linux=$!
    eventually 5 other_namespace "$linux" || { not_ok "a second namespace"; exit 1; }
    if ! ip link add veth0 type veth peer name veth1 netns "$linux" 2>"$work/linux.log"; then
        not_ok "a veth pair" "$work/linux.log"
        exit 1
    fi
    ip addr add 10.1.0.1/24 dev veth0
    ip link set veth0 up
    on_linux ip link set lo up
    on_linux ip addr add 10.1.0.2/24 dev veth1
    on_linux ip link set veth1 up
    eventually 5 ping -c 1 -W 1 10.1.0.2 || { not_ok "the Linux host answers a ping"; exit 1; }
}
other_namespace() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
on_linux() { nsenter -t "$linux" -n "$@"; }
