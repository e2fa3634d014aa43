#!/bin/bash
# tapdeck replay --play ADDR: the stack as a host of a capture: its words, its reports, and what it refuses.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }
refused() { # WORDS… | sentence
    local said status
    said=$("$BUILD/tapdeck" replay "${@:2}" 2>&1 >/dev/null)
    status=$?
    [ $status -eq 2 ] && [[ $said == *"$1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]
    ok "refused: replay ${*:2}: $said"
}
arp=pcaps/arp-first-contact/arp-first-contact.pcapng
for host in 10.0.0.1 10.0.0.2/24; do
    "$BUILD/tapdeck" replay --play $host $arp >"$work/said" && grep -q '^[34] same, 0 later, 0 earlier, 0 differs, 0 extra, 0 unseen, 0 missing' "$work/said" &&
        grep -q '^no divergence' "$work/said"
    ok "--play $host: our own stack says the same again"
done
"$BUILD/tapdeck" replay --play 10.0.0.1 -j $arp | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["same"] == 3 and r["in"] == 4 and r["packets"] == 7 == len(r["frames"])
assert [f["verdict"] for f in r["frames"]] == ["same", "in", "same", "in", "in", "same", "in"]
assert any("INCOMPLETE" in w for w in r["frames"][1]["why"])'
ok "--play ADDR -j: the same as JSON"
cmp -s <("$BUILD/tapdeck" replay --play 10.0.0.1 $arp) <("$BUILD/tapdeck" replay --play 10.0.0.1 - <$arp)
ok "from the standard input: the same"
nat=(--play 10.0.1.1/24 --play 10.0.2.1/24 --run 'iptables -t nat -A POSTROUTING -o right -j MASQUERADE')
printf '%s\n' '# delays of its cables' 'tc qdisc add dev left root netem delay 5ms' '' 'tc qdisc add dev right root netem delay 10ms' >"$work/config"
"$BUILD/tapdeck" replay "${nat[@]}" --config "$work/config" pcaps/nat-inside/nat-inside.pcapng pcaps/nat-outside/nat-outside.pcapng >"$work/said" &&
    grep -q '^9 same, 0 later, 0 earlier, 0 differs, 0 extra, [0-9]* unseen, 0 missing' "$work/said" && grep -q 'nf-flow-new: A new flow: TCP' "$work/said"
ok "a box that translates, a file for each side"
"$BUILD/tapdeck" replay --play 10.0.1.1/24 --play 10.0.2.1/24 --on right pcaps/icmp-unreachable/icmp-unreachable.pcapng \
    --run '+3 iptables -A FORWARD -p icmp -s 10.0.1.2 -d 10.0.2.3 -j REJECT --reject-with icmp-proto-unreachable' >"$work/said" &&
    grep -q 'must have come in on right' "$work/said" && grep -q '^ *6 .* same .*no such protocol there' "$work/said"
ok "a router of which one side was captured, with a rule that comes later"
printf '%s\n' step 'ip neigh' 'goto 4' 'ip neigh' 'goto 1' 'ip neigh' | "$BUILD/tapdeck" replay -i --play 10.0.0.1 $arp | grep -o '^10.0.0.2 dev.*' >"$work/said"
[ "$(sed 's/ *$//' "$work/said")" = $'10.0.0.2 dev eth0 INCOMPLETE\n10.0.0.2 dev eth0 lladdr 02:00:00:02:00:01 DELAY\n10.0.0.2 dev eth0 INCOMPLETE' ]
ok "-i: the neighbour table, forward and back"
"$BUILD/tapdeck" replay -i -e 'goto 8' -e 'conntrack -L' "${nat[@]}" pcaps/nat-inside/nat-inside.pcapng pcaps/nat-outside/nat-outside.pcapng | grep -q 'src=10.0.1.2 .* dst=10.0.2.1 sport=13'
ok "-i -e: the translations of a box with two sides"
refused "a file for each --play" --play 10.0.0.1 $arp $arp
refused "no frame in it is from or to 10.9.9.9" --play 10.9.9.9 $arp
refused "which capture" --play 10.0.0.1
refused "and so must the others be" --play 10.0.0.1 --play client $arp
refused "there is no command 'frob'" --play 10.0.0.1 --run frob $arp
refused "--config $work/none: No such file" --play 10.0.0.1 --config "$work/none" $arp
refused "$work/bad:2: " --play 10.0.0.1 --config <(:) --config "$(printf '\nip frob\n' >"$work/bad"; echo "$work/bad")" $arp
refused "there is no such knob" --play 10.0.0.1 --knob net.nothing=1 $arp
refused "--mtu needs a number" --play 10.0.0.1 --mtu 5 $arp
refused "--mac x" --play 10.0.0.1 --mac x $arp
refused "doesn't go with --play of a whole host" --play 10.0.0.1 --flow 3 $arp
: >"$work/empty"
refused "it is empty" --play 10.0.0.1 "$work/empty"
echo "this is text" >"$work/text"
refused "not a capture file" --play 10.0.0.1 "$work/text"
head -c 1300 $arp >"$work/half.pcapng"
said=$("$BUILD/tapdeck" replay --play 10.0.0.1 "$work/half.pcapng" | tail -1)
[[ $said == "note: "*"half.pcapng: breaks off after"* ]]
ok "a file that breaks off: what is there, and a note: $said"

# What is done about the flaws of a capture.
editcap -r pcaps/half-close/half-close.pcapng "$work/middle.pcapng" 4-12
refused "(--midstream assume plays it all the same" --play client "$work/middle.pcapng"
refused "its handshake wasn't captured" --play client --midstream refuse "$work/middle.pcapng"
"$BUILD/tapdeck" replay --play client --midstream assume "$work/middle.pcapng" >"$work/said" && grep -q '^5 same, 0 later, 0 earlier, 0 split, 0 coalesced, 0 extra, 0 missing' "$work/said" &&
    grep -q "^note: its handshake wasn't captured, and is assumed" "$work/said"
ok "--midstream assume: a connection without its handshake"
for answer in p o q; do
    printf '%s\n' $answer >"$work/answer"
    script -qec "$BUILD/tapdeck replay --play client $work/middle.pcapng" /dev/null <"$work/answer" >"$work/said.$answer" 2>&1
done
grep -q 'Play it from one that is assumed (p), only observe it (o), or leave it (q)?' "$work/said.p" && grep -q '5 same' "$work/said.p" &&
    grep -q 'average segment' "$work/said.o" && ! grep -q '[0-9] same, ' "$work/said.q" && grep -q "can't be played" "$work/said.q"
ok "on a terminal: a question, with three answers"
refused "--midstream needs assume or refuse" --play client --midstream perhaps "$work/middle.pcapng"
refused "and --play isn't asked for" --midstream assume "$work/middle.pcapng"
refused "--checksums needs honour, repair or drop" --play client --checksums no "$work/middle.pcapng"
refused "--mtu needs a number" --play client --mtu 12 "$work/middle.pcapng"
"$BUILD/tapdeck" replay --play server --mtu 300 -j pcaps/sack/sack.pcapng | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["resegmented"] > 0 and max(f["captured"]["len"] for f in r["frames"] if "captured" in f) <= 260'
ok "--mtu: larger segments are cut"
mapfile -t flows < <("$BUILD/tapdeck" replay --list -j pcaps/time-wait-reuse/time-wait-reuse.pcapng | python3 -c 'import json, sys; print("\n".join(str(s["stream"]) for s in json.load(sys.stdin)["streams"]))')
for flow in "${flows[@]}"; do
    "$BUILD/tapdeck" replay --play server --flow "$flow" pcaps/time-wait-reuse/time-wait-reuse.pcapng >"$work/said" && grep -q ', 0 extra, 0 missing' "$work/said" || break
done
[ "${#flows[@]}" -ge 2 ] && grep -q ', 0 extra, 0 missing' "$work/said"
ok "ports that are used again: each of the ${#flows[@]} incarnations can be played"
n=0
while read -r line; do
    n=$((n + 1))
    eval "\"\$BUILD/\"$line" 2>&1 | grep -q ', 0 differs, 0 extra, [0-9]* unseen, 0 missing' || echo "# $line"
done < <(grep -oh 'tapdeck replay --play [0-9][^`]*' pcaps/*/README.md) >"$work/said"
[ $n -ge 15 ] && [ ! -s "$work/said" ]
ok "what the pages of pcaps/ tell to play: $n hosts that say again what was captured"
cat "$work/said"
