#!/bin/bash
# tapdeck replay --report: the page is one file that fetches nothing, its data is what -j tells, nothing of a capture
# can break out of it; statistics are tcptrace's.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }
sack=pcaps/sack/sack.pcapng

# Reads a page as a browser would: elements, and what is in its data.
cat >"$work/page.py" <<'PY'
import base64, hashlib, html.parser, json, re, sys
class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.ids, self.refs, self.outside, self.data, self.code, self.style, self.policy, self.scripts = set(), set(), [], {}, "", "", "", 0
        self.inside, self.handlers = None, []
        self.feed(text)
        self.close()
    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if "id" in a: self.ids.add(a["id"])
        for key in ("for", "aria-labelledby"):
            if key in a: self.refs.update(a[key].split())
        self.outside += [v for k, v in attributes if k in ("src", "href", "srcset", "action", "data") and v]
        self.handlers += [k for k, _ in attributes if k.startswith("on")]
        if a.get("http-equiv") == "Content-Security-Policy": self.policy = a["content"]
        if tag in ("script", "style"):
            self.inside = (tag, a)
            self.scripts += tag == "script"
    def handle_endtag(self, tag): self.inside = None
    def handle_data(self, text):
        if not self.inside: return
        tag, a = self.inside
        if tag == "style": self.style += text
        elif a.get("type") == "application/json": self.data[a["id"]] = self.data.get(a["id"], "") + text
        else: self.code += text
def sha(s): return "sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()
def read(path):
    text = open(path, encoding="utf-8").read()
    p = Page(text)
    p.head, p.rows = json.loads(p.data["head"]), json.loads(p.data["rows"])
    p.named = [dict(zip(p.head["segment_columns" if r[2] >= 0 else "other_columns"], r)) for r in p.rows]
    assert p.scripts == 3 and not p.outside and not p.handlers, (p.scripts, p.outside, p.handlers)
    assert "default-src 'none'" in p.policy and sha(p.code) in p.policy and sha(p.style) in p.policy, p.policy
    assert "url(" not in p.style and "@import" not in p.style
    used = set(re.findall(r"by_id\('([^']+)'\)", p.code)) | p.refs
    dynamic = {"side0", "side1"}
    assert used - dynamic <= p.ids, used - p.ids
    return p
PY
page() { # FILE CODE: with p the page
    PYTHONPATH="$work" python3 -c "import json, sys
from page import read
p = read('$1')
$2"
}

"$BUILD/tapdeck" replay --report html -o "$work/sack.html" $sack && "$BUILD/tapdeck" replay -j $sack >"$work/sack.json" &&
    page "$work/sack.html" "
d = json.load(open('$work/sack.json'))
assert [r['number'] for r in p.named] == [x['number'] for x in d['packets']] and len(p.named) == 25
for r, x in zip(p.named, d['packets']):
    assert (r['t'], r['seq'], r['len'], r['flags']) == (x['time_ns'], x['seq'], x['len'], x['flags'])
    assert [p.head['marks'][m] for m in r['marks']] == x['marks']
    assert p.head['states'][r['after0']] == x['client']['after']
assert p.head['flows'][0]['stream'][0] == d['streams'][0]
assert '2 segments again: 1 by fast retransmit' in p.head['flows'][0]['stream'][0]['summary']"
ok "the page: one file, a policy with the hashes of its own script and style, ids that exist; its rows are those of -j"
"$BUILD/tapdeck" replay --report html $sack | cmp -s - "$work/sack.html"
ok "to the standard output: the same"

refused() { # WORDS… | sentence
    local said status
    said=$("$BUILD/tapdeck" replay "${@:2}" 2>&1 >/dev/null)
    status=$?
    [ $status -eq 2 ] && [[ $said == *"$1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]
    ok "refused: replay ${*:2}: $said"
}
echo text >"$work/text"
cp "$work/sack.html" "$work/kept.html"
refused "not a capture file" --report html -o "$work/kept.html" "$work/text"
refused "there is no flow 7" --report html -o "$work/new.html" --flow 7 $sack
[ ! -e "$work/new.html" ] && cmp -s "$work/kept.html" "$work/sack.html" && [ "$(find "$work" -name '*.html.*' | wc -l)" -eq 0 ]
ok "a report that fails leaves the file that was there, and no other"
# Interrupted in the middle, when the capture is still coming: neither the file nor a piece of it.
mkdir "$work/half"
mkfifo "$work/slow"
"$BUILD/tapdeck" replay --report html -o "$work/half/x.html" "$work/slow" 2>"$work/noise" &
reader=$!
exec 7>"$work/slow"
head -c 3000 $sack >&7
writes() { readlink "/proc/$reader/fd/"* 2>/dev/null | grep -q "^$work/half/"; }
for _ in $(seq 200); do
    writes && break
    sleep 0.05
done
writes
begun=$?
kill -TERM $reader
wait $reader 2>/dev/null
exec 7>&-
[ $begun -eq 0 ] && [ -z "$(ls -A "$work/half")" ]
ok "a report that is interrupted leaves nothing behind"
refused "--report needs text, json or html" --report pdf $sack
refused "-o needs the file" $sack -o

# ---- -w: the capture with comments ----

facts() { # FILE: per packet everything that must not change
    tshark -r "$1" -Y frame.protocols -T fields -e frame.time_epoch -e frame.len -e frame.cap_len -e frame.interface_name -e frame.packet_flags_direction \
        -e frame.encap_type 2>/dev/null
    tshark -r "$1" -x 2>/dev/null | md5sum
}
said=$("$BUILD/tapdeck" replay -w "$work/sack.pcapng" $sack) && [[ $said == *": 25 packets, with comments on 25" ]] &&
    facts $sack >"$work/facts" && cmp -s "$work/facts" <(facts "$work/sack.pcapng") && [ "$(wc -l <"$work/facts")" -ge 26 ] &&
    "$BUILD/tapdeck" replay "$work/sack.pcapng" | cmp -s - pcaps/sack/expected.txt
ok "-w: the packets, times, interfaces and directions as they were: ${said##*/}"
tshark -r "$work/sack.pcapng" -Y 'frame.comment contains "tapdeck: fast retransmit (RFC 5681 3.2)"' -T fields -e frame.number -e frame.comment 2>/dev/null |
    grep -q '^18.*tcp-retransmit: .*tapdeck: fast retransmit .*tapdeck: from the server; .* congestion window ~'
ok "tshark finds the retransmission by its comment; the comments that it had stand before ours"
"$BUILD/tapdeck" replay --play server "$work/sack.pcapng" | cmp -s - <("$BUILD/tapdeck" replay --play server $sack)
ok "the copy is played as the original is"

# Two interfaces with different link types, one named, directions, a comment that is no UTF-8; and a section with others.
cat >"$work/mixed.py" <<'PY'
import struct, sys
def block(kind, body): 
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
def option(code, value): return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
def section(): return block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
def interface(link, name, snap=0): return block(1, struct.pack("<HHI", link, 0, snap) + option(2, name) + option(9, b"\x09") + option(0, b""))
def packet(i, t, data, comments=(), flags=0, full=None):
    o = b"".join(option(1, c) for c in comments) + option(2, struct.pack("<I", flags)) + option(0, b"")
    return block(6, struct.pack("<IIIII", i, t >> 32, t & 0xffffffff, len(data), full or len(data)) + data + b"\0" * (-len(data) % 4) + o)
ip = bytes.fromhex("4500001c000100004001f6dd0a0000010a000002") + bytes.fromhex("0800f7fe00000001")
hostile = b"</script><script>alert(1)</script><!-- \xff & \"quoted\""
t = 1767225600 * 10**9
f = section() + interface(1, b"left") + interface(101, b"<img src=x onerror=alert(1)>")
f += packet(0, t + 1, b"\2" * 12 + b"\x08\0" + ip, [b"first", hostile], 1)
f += packet(1, t + 3, ip, [], 2) + packet(0, t + 2, b"\2" * 12 + b"\x88\xb5" + b"abc", [], 2, 99)
f += section() + interface(101, b"left") + packet(0, t + 9, ip)
open(sys.argv[1], "wb").write(f)
PY
mixed="$work/<b onclick=x>&mixed.pcapng"
python3 "$work/mixed.py" "$mixed"
"$BUILD/tapdeck" replay -w "$work/copy.pcapng" "$mixed" >/dev/null && facts "$mixed" >"$work/facts" && cmp -s "$work/facts" <(facts "$work/copy.pcapng") &&
    [ "$(wc -l <"$work/facts")" -eq 5 ]
ok "-w of two sections, three interfaces, two link types: as they were"
"$BUILD/tapdeck" replay --report html -o "$work/copy.html" -w "$work/copy2.pcapng" "$mixed" && cmp -s "$work/copy.pcapng" "$work/copy2.pcapng" &&
    page "$work/copy.html" "
assert p.head['file'].endswith('<b onclick=x>&mixed.pcapng') and 'b' not in p.ids
assert len(p.named) == 4 and p.named[0]['comment'].startswith('first\n</script><script>alert(1)</script><!-- \ufffd &')
assert p.named[0]['kind'] == 'icmp' and p.named[0]['from'] == '10.0.0.1'" &&
    ! grep -q 'alert(1)</script>' "$work/copy.html"
ok "hostile names and comments stay text: nothing ends the data"
refused "is the capture itself" -w "$work/sack.pcapng" "$work/sack.pcapng"
refused "both write to" -w "$work/x" -o "$work/x" --report html $sack
refused "-w needs the file" $sack -w

# ---- --play: verdicts beside the packets ----

# Without its diary: a sender with Reno, played by CUBIC.
reno=$work/reno.pcap
editcap -F nsecpcap pcaps/sawtooth-reno/sawtooth-reno.pcap* "$reno" 2>/dev/null
"$BUILD/tapdeck" replay --play server --report json "$reno" >"$work/play.json" &&
    "$BUILD/tapdeck" replay --play server --report html -o "$work/play.html" -w "$work/play.pcapng" "$reno" && page "$work/play.html" "
d = json.load(open('$work/play.json'))
judged = [r for r in p.named if r.get('verdict')]
for word in ('same', 'later', 'earlier', 'split', 'coalesced', 'missing', 'extra'):
    assert sum(r['verdict'] == word for r in judged) == d[word], word
assert d['extra'] > 0 and d['missing'] > 0 and d['same'] > 10
extra = [r for r in judged if r['verdict'] == 'extra']
assert all(r['number'] == 0 for r in extra) and [r['t'] for r in p.named] == sorted(r['t'] for r in p.named)
assert any(r['its_cwnd'] > 20 * 1448 and r['its_ssthresh'] == 0 for r in judged) and any(r['its_ssthresh'] > 0 for r in judged)
assert p.head['play']['side'] == 1 and 'first divergence' in ' '.join(p.head['play']['says'])"
ok "--play: the page has the verdicts of the JSON, what only the stack sent, and its congestion window"
missing=$(tshark -r "$work/play.pcapng" -Y 'frame.comment contains "missing: the stack in its place"' 2>/dev/null | wc -l)
[ "$missing" -gt 0 ] && [ "$missing" -eq "$(python3 -c "import json; print(json.load(open('$work/play.json'))['missing'])")" ]
ok "--play -w: tshark finds the $missing that are missing by their comments"
refused "goes through the capture twice" --play server --report html - <"$reno"

# ---- statistics: tcptrace says the same ----

cat >"$work/tcptrace.py" <<'PY'
import collections, json, re, subprocess, sys
def key(name, unit): return name + " " + unit if name == "initial window" else name
def theirs(path):
    out = subprocess.run(["tcptrace", "-l", "-r", "-n", path], capture_output=True, text=True, errors="replace").stdout
    flows = []
    for line in out.splitlines():
        if re.match(r"TCP connection \d+:", line): flows.append(collections.OrderedDict())
        m = re.match(r"     (\S.*?):\s+(\S+)( \S+)?\s+(\S.*?):\s+(\S+)( \S+)?\s*$", line)
        if m and flows and m[1] == m[4]: flows[-1].setdefault(key(m[1], (m[3] or "").strip()), (m[2], m[5]))
    return flows
def near(a, b): # rounded otherwise
    try: return a == b or abs(float(a) - float(b)) <= max(1, 0.001 * float(a))
    except ValueError: return False
# What it has that we leave out, and where the two mean different things: probes that ask with an old byte, and their answers.
out = re.compile(r"ttl stream|missed data|RTT from 3WHS|RTT full_sz|post-loss|ambiguous|.*\(last\)")
other = {"zero-window": {"zwnd probe pkts", "duplicate acks"}}
from page import read
compared = 0
for path, page, name in (a.split("=") for a in sys.argv[1:]):
    mine = [{key(n, u): (a, b) for n, a, b, u in f["tcptrace"]} for f in read(page).head["flows"]]
    them = theirs(path)
    assert len(mine) == len(them) > 0, name
    for m, t in zip(mine, them):
        for k, v in t.items():
            if out.match(k) or k in other.get(name, ()): continue
            assert k in m and near(v[0], m[k][0]) and near(v[1], m[k][1]), (name, k, v, m.get(k))
            compared += 1
print(compared)
PY
pairs=()
for name in sack fast-retransmit tail-loss dsack zero-window rst-middle half-close sawtooth-reno; do
    file=$(echo pcaps/$name/$name.pcap*)
    editcap -F pcap "$file" "$work/$name.pcap" 2>/dev/null
    "$BUILD/tapdeck" replay --report html -o "$work/$name.html" "$file"
    pairs+=("$work/$name.pcap=$work/$name.html=$name")
done
compared=$(PYTHONPATH="$work" python3 "$work/tcptrace.py" "${pairs[@]}") && [ "$compared" -ge 300 ]
ok "tcptrace -l -r of 8 captures: $compared lines, the same numbers"

"$BUILD/tapdeck" replay --report text $sack >"$work/text.txt" &&
    cmp -s <("$BUILD/tapdeck" replay $sack) <(sed '/^==== connection 0/,$d' "$work/text.txt" | sed '$d') &&
    grep -q '^   203.000              |<=* ACK 501:1001 ack 1 win 64256 ===|$' "$work/text.txt" &&
    grep -q '^     0.000 ESTABLISHED  |<-* SYN,ACK 0 ack 1 win 64240 ---| SYN-RECEIVED$' "$work/text.txt" &&
    grep -q '^  rexmt data bytes  *0  *1000$' "$work/text.txt"
ok "--report text: what replay says, then the story, the ladder and the statistics"

# ---- a host is played: ARP, ICMP, fragments ----

overlap=$(echo pcaps/fragments-overlap/fragments-overlap.pcap*)
"$BUILD/tapdeck" replay --play 10.0.0.2 --report html -o "$work/host.html" -w "$work/host.pcapng" "$overlap" && page "$work/host.html" "
assert p.head['play']['who'] == '10.0.0.2' and p.head['play']['side'] == -1
judged = {r['number']: r for r in p.named if r['number'] > 0}
assert len(judged) == 7 and judged[7]['verdict'] == 'same' and all(judged[n]['verdict'] == 'in' for n in range(1, 7))
assert 'fragments overlap' in judged[2]['its_words'] and '1 same' in p.head['play']['says'][0]" &&
    tshark -r "$work/host.pcapng" -Y 'frame.comment contains "fragments overlap. [RFC 5722 4]"' -T fields -e frame.number 2>/dev/null | grep -q '^2$'
ok "--play of a host: the page and the copy have its verdicts, and what its journal says"
refused "are of one file" --play 10.0.0.1 --play 10.0.0.2 --report html "$overlap" "$overlap"
