#!/bin/bash
# A lab as a student works in it: start, look, mend, check, reset, stop; the same commands by file get the same marks.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
work=$(mktemp -d)
export PATH=$BUILD:$PATH TAPDECK_RUN=$work/run TAPDECK_LABS=$PWD/labs
mkdir -m 700 "$work/run"
trap 'cd "$work/mine" 2>/dev/null && tapdeck lab stop >/dev/null 2>&1; cd /; rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }

tapdeck lab start 5 "$work/mine" --id alice --no-shell >"$work/start" 2>&1 &&
    grep -q 'r1.a 10.0.12.1/30 ---- r2.left 10.0.12.2/30' "$work/start" && grep -q 'tapdeck -n three-routers.client' "$work/start"
ok "start shows the map and the nodes"
# The rest is a student's: in their folder.
cd "$work/mine" || exit 1
far=$(tapdeck -n three-routers.r3 ip -j addr show dev lan | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["addr_info"][0]["local"].rsplit(".", 1)[0])')
near=$(tapdeck -n three-routers.r1 ip -j addr show dev lan | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["addr_info"][0]["local"].rsplit(".", 1)[0])')
grep -q "client $near.2" README.md && ! grep -q '[$]{' README.md net.yaml
ok "the page has this student's addresses"
said=$(tapdeck lab check)
[ $? -eq 1 ] && [[ $said == *"alice  0 of 7"* && $said == *"0 of 3 echo requests"* && $said == *"it isn't answered"* ]]
ok "nothing holds at the start: status 1, and why"
[[ $(tapdeck lab hint) == "reach: follow the packet"*"$far.2"* ]] && [[ $(tapdeck lab hint q-ttl) == "q-ttl: "* ]]
ok "a hint for the first task, and for one that is named"
echo "ip route add $far.0/24 via 10.0.12.2" >r1.conf
printf 'ip route add %s.0/24 via 10.0.23.2\nip route add %s.0/24 via 10.0.12.1\n' "$far" "$near" >r2.conf
echo "ip route add $near.0/24 via 10.0.23.1" >r3.conf
for node in r1 r2 r3; do tapdeck -n three-routers.$node source $node.conf || break; done
ttl=$(sed -n 's/.*with TTL \([0-9]*\),.*/\1/p' answers.txt)
sed -i "s/^q-ttl:.*/q-ttl: $((ttl - 1))/" answers.txt
said=$(tapdeck lab check)
[ $? -eq 0 ] && [[ $said == *"alice  7 of 7"* ]]
ok "all holds when the routes are there: ${said%%$'\n'*}"
hint=$(tapdeck lab hint 2>&1) reach=$(tapdeck lab hint reach 2>&1)
[[ $hint == "all is done" && $reach == "reach is done" ]]
ok "no hint is left: $hint; $reach"
said=$(tapdeck lab grade 5 --id alice .)
[ $? -eq 0 ] && [[ $said == *"alice  7 of 7"* ]]
ok "the files get the same marks"
tapdeck lab reset >/dev/null 2>&1 && [[ $(tapdeck lab check) == *"alice  1 of 7"* ]] && [ -s r2.conf ]
ok "reset: the network is as it was, the files and answers are kept"
said=$(cd "$work" && tapdeck lab start 5 mine --id bob --no-shell 2>&1)
[ $? -eq 2 ] && [[ $said == *"name another folder"* ]]
ok "another student's work isn't mixed in: $said"
tapdeck lab stop && said=$(tapdeck lab check 2>&1)
[ $? -eq 1 ] && [[ $said == *"isn't running"* ]]
ok "stop ends it: $said"
said=$(cd "$work" && tapdeck lab check 2>&1)
[ $? -eq 2 ] && [[ $said == *"no lab has been started"* ]]
ok "where no lab was started: $said"
