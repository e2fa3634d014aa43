#!/bin/bash
# tapdeck quiz: a student who has nothing but the sheet can work its questions out; the sheet tells none of the answers;
# the same seed makes the same bytes; what is marked, and how bad input is answered.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }
quiz() { "$BUILD/tapdeck" quiz "$@"; }

# Knows what RFC 9293 says of sequence numbers and states, and reads the sheet's JSON: no capture, no key.
cat >"$work/student.py" <<'PY'
import json, re, sys
sheet = json.load(open(sys.argv[1]))
rows = {p["number"]: p for p in sheet["packets"]}
hidden = lambda v: isinstance(v, str) and (v.startswith("?") or v == ".....")
def end(n):
    p = rows[n]
    return p["seq"] + p["len"] + ("S" in p["flags"]) + ("F" in p["flags"])
def numbers(text):
    return [int(x) for x in re.findall(r"(?:[Pp]acket|and packet) (\d+)", text)]
def known(n, *cells):
    return all(not hidden(rows[n].get(c)) for c in cells)
def span(side, n):
    """Ends of what this side sent before packet n, and what it acknowledged."""
    mine = [m for m in rows if m < n and rows[m]["from"] == side and known(m, "seq", "len", "flags") and end(m) > rows[m]["seq"] and "R" not in rows[m]["flags"]]
    return max([end(m) for m in mine], default=None)
def acked(side, n):
    """What the other end of `side` has acknowledged before packet n."""
    acks = [rows[m]["ack"] for m in rows if m < n and rows[m]["from"] != side and "ack" in rows[m] and known(m, "ack")]
    return max(acks, default=0)
def answer(q):
    n, p, ask = q["packet"], rows[q["packet"]], q["ask"]
    other = "server" if p["from"] == "client" else "client"
    if q["field"] == "tcp.ack":
        if ask.startswith("All that"):
            return span(other, n)
        if "has not arrived" in ask:
            return rows[numbers(ask)[0]]["seq"]
        return end(numbers(ask)[1])
    if q["field"] == "tcp.seq":
        if "retransmission" in ask:
            return acked(p["from"], n)
        return span(p["from"], n) - ("only wants an answer" in ask)
    if q["field"] == "tcp.len":
        a = numbers(ask)
        if "carries what follows" in ask:
            return rows[a[0]]["seq"] - rows[a[1]]["seq"] - ("F" in rows[a[1]]["flags"])
        return rows[a[0]]["ack"] - rows[a[1]]["seq"] - ("F" in rows[a[1]]["flags"])
    if q["field"] == "in_flight":
        side = re.search(r"bytes of the (\w+)", ask).group(1)
        return max(0, span(side, n + 1) - acked(side, n + 1))
    if q["field"] == "tcp.window":
        shift = {r["from"]: int(re.search(r"scale (\d+)", r["options"]).group(1)) for r in rows.values()
                 if "options" in r and "scale" in r["options"]}
        return p["window_field"] << (shift[p["from"]] if "S" not in p["flags"] and len(shift) == 2 else 0)
    if q["field"] == "tcp.flags":
        later = [rows[m]["ack"] for m in rows if m > n and rows[m]["from"] == other and "ack" in rows[m] and known(m, "ack")]
        mine = [rows[m]["seq"] for m in rows if m > n and rows[m]["from"] == p["from"] and known(m, "seq", "len") and rows[m]["len"] > 0]
        if "Nothing listens" in ask:
            return "RA"
        if "gone at once" in ask:
            return "R"
        if p["seq"] == 0:
            return "SA" if p.get("ack") else "S"
        last = p["seq"] + p["len"]
        if any(rows[m]["from"] == p["from"] and m > n and known(m, "flags", "seq", "len") and "F" in rows[m]["flags"] and rows[m]["seq"] + rows[m]["len"] == last for m in rows):
            return "A"
        return "FA" if last + 1 in later and last not in mine and all(m < last for m in mine) else "A"
    if q["field"] == "rtt":
        times = [m for m in rows if m < n and rows[m]["from"] == other and known(m, "seq", "len", "flags") and end(m) == p["ack"] and end(m) > rows[m]["seq"]]
        return "none" if len(times) > 1 else "%.6f s" % ((p["time_ns"] - rows[times[0]]["time_ns"]) / 1e9)
    if q["field"] == "state":
        return state(re.search(r"is the (\w+) behind", ask).group(1), n)
def state(who, n):
    """RFC 9293 figure 5, walked packet by packet."""
    s = {"client": "CLOSED", "server": "LISTEN"}
    fin = {}
    for m in sorted(rows):
        if m > n:
            break
        p = rows[m]
        a, b = p["from"], "server" if p["from"] == "client" else "client"
        f = p["flags"] if known(m, "flags") else "."
        if "R" in f:
            s[a] = s[b] = "CLOSED"
            continue
        if "S" in f:
            s[a] = "SYN-SENT" if "." not in f else "SYN-RECEIVED"
            if "." not in f and s[b] in ("LISTEN", "SYN-SENT"):
                s[b] = "SYN-RECEIVED"
        if "." in f and s[b] == "SYN-SENT" and "S" in f:
            s[b] = "ESTABLISHED"
        elif "." in f and s[b] == "SYN-RECEIVED":
            s[b] = "ESTABLISHED"
        if "F" in f:
            if b in fin and known(m, "ack") and p["ack"] < fin[b]:
                s[a] = "CLOSING" # it hadn't heard the other's
            s[a] = {"ESTABLISHED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}.get(s[a], s[a])
            fin[a] = end(m)
        if "." in f and b in fin and known(m, "ack") and p["ack"] >= fin[b]:
            s[b] = {"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT", "LAST-ACK": "CLOSED"}.get(s[b], s[b])
        if "F" in f:
            s[b] = {"ESTABLISHED": "CLOSE-WAIT", "FIN-WAIT-1": "CLOSING", "FIN-WAIT-2": "TIME-WAIT"}.get(s[b], s[b])
    return s[who]
print("student: a pencil\nquiz:", sheet["quiz"])
for q in sheet["questions"]:
    said = answer(q)
    if said is not None:
        print(f"{q['question']}: {said}")
PY
asked=0
for capture in half-close fast-retransmit zero-window simultaneous-close silly-window rst-middle nagle-delayed-ack sawtooth-reno keep-alive simultaneous-open dsack; do
    file=$(echo pcaps/$capture/$capture.pcap*)
    bad=
    for seed in alice 7; do
        quiz --hide tcp.seq,tcp.ack,tcp.len,in_flight,tcp.window,tcp.flags,rtt,state --count 12 --seed $seed --key "$work/key" -j "$file" >"$work/sheet" 2>"$work/note" &&
            python3 "$work/student.py" "$work/sheet" >"$work/answers" && quiz --grade --key "$work/key" -j "$work/answers" >"$work/marks" || bad="$bad $seed"
        said=$(python3 - "$work/marks" "$work/sheet" "$work/key" <<'PY'
import json, re, sys
marks, sheet, key = (json.load(open(a)) for a in sys.argv[1:])
m = marks["students"][0]
wrong = [q for q in m["questions"] if q["mark"] != "right"]
for q in wrong:
    print("wrong:", q["question"], q["field"], q.get("given"))
cell = {"tcp.seq": "seq", "tcp.ack": "ack", "tcp.len": "len", "tcp.flags": "flags"}
rows = {p["number"]: p for p in sheet["packets"]}
for q in key["questions"]:
    if q["field"] in cell and rows[q["packet"]][cell[q["field"]]] != "?%d" % q["question"]:
        print("shown:", q["question"])
    if any(len(a) > 2 and a != "none" and re.search(r"(?<![\d.])%s(?![\d.])" % re.escape(a), s["ask"]) for a in q["accepted"] for s in sheet["questions"] if s["question"] == q["question"]):
        print("told:", q["question"], q["accepted"])
    if any(len(a) > 3 and a in w["feedback"] for a in q["accepted"] for w in q["wrong"]):
        print("given away:", q["question"])
print("#", m["asked"])
PY
)
        asked=$((asked + ${said##*# }))
        [ "$said" = "# ${said##*# }" ] || bad="$bad $seed: $said"
    done
    [ -z "$bad" ]
    ok "$capture: what a pencil works out of the sheet is the key, and the sheet has no answer${bad:+: $bad}"
done
[ $asked -ge 150 ]
ok "$asked questions"

f=pcaps/fast-retransmit/fast-retransmit.pcapng
words="--hide tcp.ack,tcp.flags,cwnd,ssthresh,rto,mark,next --play server --count 12"
# shellcheck disable=SC2086
quiz $words --seed bob -o "$work/1" --key "$work/k1" --answers "$work/a1" $f && cp $f "$work/copy.pcapng" &&
    quiz $words --seed bob -o "$work/2" --key "$work/k2" --answers "$work/a2" $f && quiz $words --seed eve -o "$work/3" --key "$work/k3" $f &&
    cmp "$work/1" "$work/2" && cmp "$work/k1" "$work/k2" && cmp "$work/a1" "$work/a2" && ! cmp -s <(sed 1d "$work/1") <(sed 1d "$work/3")
ok "the same seed: the same bytes; another one: another quiz"
[ "$(grep -c '\[cwnd\]\|\[rto\]\|\[ssthresh\]' "$work/1")" -ge 3 ] && [ "$(stat -c %a "$work/k1")" = 600 ]
ok "with --play the stack's own congestion window, threshold and timer are asked; the key is its owner's alone"

quiz --hide tcp.ack,tcp.flags,cwnd --seed ID $f 2>/dev/null >"$work/4" && grep -q "^The server is tapdeck's own stack" "$work/4" && grep -q '\[cwnd\]' "$work/4" &&
    cmp -s "$work/4" <(quiz --hide tcp.ack,tcp.flags,cwnd --play server --seed ID $f 2>/dev/null)
ok "without --play the stack plays the end that says more"

fill() { # KEY TEMPLATE: the right answers
    python3 - "$1" "$2" <<'PY'
import json, re, sys
key = {q["question"]: q["answer"] for q in json.load(open(sys.argv[1]))["questions"]}
for line in open(sys.argv[2]):
    m = re.match(r"(\d+): $", line)
    print(f"{m.group(1)}: {key[int(m.group(1))]}" if m else line, end="\n" if m else "")
PY
}
fill "$work/k1" "$work/a1" | sed 's/^student: /student: =HYPERLINK("x","y"), Bob/' >"$work/bob.ans"
quiz --grade --key "$work/k1" -o "$work/csv" -j "$work/bob.ans" >"$work/json" &&
    python3 - "$work/csv" "$work/json" <<'PY'
import csv, json, sys
head, line = list(csv.reader(open(sys.argv[1], newline="")))
m = json.load(open(sys.argv[2]))["students"][0]
d = dict(zip(head, line))
assert d["student"] == '\'=HYPERLINK("x","y"), Bob' and d["right"] == d["asked"] == "12" and d["percent"] == "100" and d["q12"] == "1", d
assert m["right"] == 12 and m["student"].startswith("=HYPERLINK") and m["fields"]["cwnd"]["right"] == m["fields"]["cwnd"]["asked"], m
PY
ok "right answers: all marks; a name that looks like a formula is none in the table"

sed 's/^seed: .*/seed: eve/; s/^quiz: .*//' "$work/a1" >"$work/eve.ans"
# shellcheck disable=SC2086
quiz --grade --capture $f $words -o "$work/csv" "$work/bob.ans" "$work/eve.ans" >"$work/text" &&
    [ "$(tr -d '\r' <"$work/csv" | cut -d, -f 5- | sed 's/.*"bob",//; s/.*"eve",//; 1d' | cut -d, -f 1,2 | tr '\n' ' ')" = "12,12 0,12 " ]
ok "a class of different quizzes: each file's key is made again of capture and seed"

cat >"$work/bad.ans" <<'EOF'
student: Mallory
1: SYN # a comment
twelve
3: twelve potatoes
99: 1
1: ACK
4 : ten
EOF
quiz --grade --key "$work/k1" "$work/bad.ans" >"$work/text" 2>"$work/err"
status=$?
first=$(head -1 "$work/err" | sed 's/.*bad/bad/')
[ $status -eq 1 ] && [ "$(grep -c "^$work/bad.ans:[0-9]*: " "$work/err")" -eq "$(wc -l <"$work/err")" ] && grep -q "bad.ans:3: 'twelve' is no answer: write" "$work/err" &&
    grep -q "bad.ans:5: there is no question 99: they are numbered 1 to 12" "$work/err" && grep -q "bad.ans:6: question 1 has an answer already" "$work/err" &&
    grep -q "bad.ans:4: question 3: 'twelve potatoes' can't be read: write" "$work/err" && grep -q '^Mallory: ' "$work/text"
ok "answers that can't be read: a sentence each with its line, the rest is marked, status 1: $first"

quiz --grade --key "$work/k1" "$work/a1" | grep -q '1\. .*no answer' && quiz --grade --key "$work/k1" --explain "$work/a1" | grep -q '(RFC'
ok "no answers: none of the marks; --explain tells them"
# A wrong answer of a kind that is known gets told what is wrong about it.
quiz --hide tcp.ack --seed 1 --count 3 --key "$work/k" -o "$work/s" pcaps/half-close/half-close.pcapng 2>/dev/null
python3 - "$work/k" >"$work/wrong.ans" <<'PY'
import json, sys
for q in json.load(open(sys.argv[1]))["questions"]:
    print(f"{q['question']}: {q['wrong'][0]['answer']}")
PY
quiz --grade --key "$work/k" "$work/wrong.ans" >"$work/text" && grep -q 'wrong: .*an acknowledgment names the byte that is expected next' "$work/text"
ok "the segment's own number as the acknowledgment: told so"
printf '500\nquit\n' | quiz -i --hide tcp.len --explain --seed 3 pcaps/zero-window/zero-window.pcapng >"$work/text" && grep -q '^Right\.' "$work/text" && grep -q '^1 of ' "$work/text"
ok "quiz -i: asks, answers, counts"
quiz pcaps/fragments-out-of-order/fragments-out-of-order.pcapng 2>/dev/null | grep -q '\[ip.frag\]' && quiz --hide arp pcaps/arp-first-contact/arp-first-contact.pcapng 2>/dev/null | grep -q 'Whose answer'
ok "captures without TCP: fragments, ARP"

refused() { # SENTENCE WORDS…
    local said status
    said=$(quiz "${@:2}" 2>&1 >/dev/null)
    status=$?
    [ $status -eq 2 ] && [[ $said == *"$1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]
    ok "refused: quiz ${*:2}: $said"
}
: >"$work/empty"
python3 - pcaps/http-keep-alive/http-keep-alive.pcap.gz "$work/middle.pcap" <<'PY'
import gzip, struct, sys
b = gzip.open(sys.argv[1]).read()
at = 24
for _ in range(3): # without its handshake
    at += 16 + struct.unpack("<I", b[at + 8:at + 12])[0]
open(sys.argv[2], "wb").write(b[:24] + b[at:])
PY
refused "what could be inferred is no key for a quiz" --hide tcp.ack,cwnd "$work/middle.pcap"
refused "takes the capture twice" --hide rto -
refused "did you mean 'tcp.ack'" --hide tcp.akc $f
refused "which capture" --seed 3
refused "made of one capture" $f $f
refused "it is empty" "$work/empty"
refused "there is no flow 9; the last is 0" --flow 9 $f
refused "--count needs a number" --count 0 $f
refused "is of 192.0.2.1:40000 (client)" --play 10.0.0.1:1 $f
refused "there is no TCP connection in it" --hide tcp.ack pcaps/arp-spoof/arp-spoof.pcapng
refused "no option '--hid'" --hid x $f
refused "can't be both the sheet and the key" -o "$work/x" --key "$work/x" $f
refused "--grade needs the key" --grade "$work/bob.ans"
refused "the key knows" --grade --key "$work/k1" --seed 3 "$work/bob.ans"
refused "these are answers to quiz" --grade --key "$work/k3" "$work/bob.ans"
refused "this is no key" --grade --key "$work/bob.ans" "$work/bob.ans"
refused "No such file" --grade --key "$work/k1" "$work/none"
[ ! -e "$work/x" ]
ok "nothing was written by what was refused"
