# tests/e2e/net.sh: several network namespaces and routers in one test; after lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154
#
#     namespace NAME        a namespace, $NAME its process; `on NAME COMMAND…` runs in it
#     router NAME COMMAND…  another daemon
#     give DEVICE NAME ADDRESS/LEN [GATEWAY]   moves a device into a namespace and configures it

declare -A space
namespace() {
    unshare --net sleep 600 &
    space[$1]=$!
    linux="$linux $!"
    eventually 5 other_namespace "${space[$1]}" || { not_ok "namespace $1"; exit 1; }
    on "$1" ip link set lo up
}
on() {
    local name=$1
    shift
    nsenter -t "${space[$name]}" -n "$@"
}
give() {
    ip link set "$1" netns "${space[$2]}"
    on "$2" ip addr add "$3" dev "$1"
    on "$2" ip link set "$1" up
    if [ -n "${4:-}" ]; then on "$2" ip route add default via "$4"; fi
}
router() {
    local name=$1 arguments=() command
    shift
    for command in "$@"; do arguments+=(-e "$command"); done
    "$BUILD/tapdeckd" -n "$name" "${arguments[@]}" >"$work/$name.log" 2>&1 &
    linux="$linux $!"
    if ! eventually 20 "$BUILD/tapdeck" -n "$name" version; then
        not_ok "router $name starts" "$work/$name.log"
        exit 1
    fi
}
at() { # ROUTER COMMAND…
    local name=$1
    shift
    "$BUILD/tapdeck" -n "$name" "$@"
}
# A link between two TAP devices of routers.
join_taps() { # NAME TAP TAP
    ip link add "$1" type bridge
    ip link set "$1" up
    for tap in "$2" "$3"; do
        ip link set "$tap" master "$1"
        ip link set "$tap" up
    done
}
# web NAME PORT FOLDER: a web server in a namespace, its log in $work/NAME.web
web() {
    (cd "$3" && exec nsenter -t "${space[$1]}" -n python3 -u -m http.server "$2" >"$work/$1.web" 2>&1) &
    linux="$linux $!"
    eventually 10 on "$1" curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$2/"
}
