#!/bin/bash
# The page of `replay --report html` in a browser, 1280 and 400 pixels wide: its scripts run under its own policy, rows, ladder and
# graphs are drawn, a reader's clicks and keys do what they should, and what a capture says stays text.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }

browse() { # PAGE#PLACE: its elements as they are once its scripts have run
    HOME="$work" timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking \
        --host-resolver-rules="MAP * ~NOTFOUND" --window-size=1280,900 --virtual-time-budget=2000 \
        --user-data-dir="$work/profile" --dump-dom "file://$work/$1" 2>"$work/said"
}
# A copy with a script more, which the page's policy would not let run; in a frame as wide as is wanted, for a window can't be
# narrower than 500 pixels. The frame around it takes what the script says.
drive() { # PAGE WIDTH: prints the elements of the page around
    python3 - "$1" "$work/driven.html" tests/scripts/page_driver.js <<'PY'
import re, sys
page = open(sys.argv[1], encoding="utf-8").read()
page, n = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
assert n == 1
driver = "<script id=driver>" + open(sys.argv[3]).read() + "</script></body>"
open(sys.argv[2], "w", encoding="utf-8").write(page.replace("</body>", driver))
PY
    echo "<!doctype html><style>body{margin:0}</style>" \
        "<script>onmessage = (e) => { document.documentElement.dataset.results = e.data }</script>" \
        "<iframe src=driven.html style='border:0;width:$2px;height:900px'></iframe>" >"$work/around.html"
    browse around.html
}
cat >"$work/driven.py" <<'PY'
import html, json, re, sys
r = json.loads(html.unescape(re.search(r'data-results="([^"]*)"', sys.stdin.read())[1]))
def same(what, got, want):
    assert got == want, f"{what}: {str(got)[:300]} and not {want}"
for what, want in (("failed", False), ("fetched", 0), ("alerted", "undefined"), ("foreign", 0)):
    same(what, r[what], want)
assert r["wide"] <= 0, r["wide"]
PY
check() { # CODE: with r what the driver said
    PYTHONPATH="$work" python3 -c "from driven import r, same
$1"
}

"$BUILD/tapdeck" replay --report html -o "$work/sack.html" pcaps/sack/sack.pcapng
browse "sack.html#18" >"$work/sack.dom"
grep -q 'data-ready="25"' "$work/sack.dom" && grep -q 'id="failed" role="alert" hidden' "$work/sack.dom" &&
    grep -q '<tr aria-rowindex="18" class="again chosen" aria-selected="true">' "$work/sack.dom" &&
    grep -q '<g class="item again chosen">' "$work/sack.dom" && ! grep -qi 'Content Security Policy' "$work/said"
ok "a page as it is made: 25 rows, packet 18 of the link chosen in the list and in the ladder, nothing refused by its policy"

for width in 1280 400; do
    drive "$work/sack.html" $width | check "
same('size', (r['width'], r['rows']), ($width, 25))
assert all(n > 20 for n in r['painted'].values()) and r['flight'] > 50 and r['rtt'] > 20, (r['painted'], r['flight'], r['rtt'])
same('clicked', r['clicked'], [18, 1, 1, True])
assert abs(r['zoomed'] - 0.5) < 0.01 and abs(r['whole'] - 1) < 0.01, (r['zoomed'], r['whole'])
same('side', r['side'], [0, True])
same('first', r['first'], [1, 1, 1, '#1'])
assert 2 <= r['moved'] < 25, r['moved']
same('filtered', [len(r['filtered']), len([s for s in r['filtered'] if 'duplicate' in s]), len(r['commented'])], [8, 8, 25])
assert r['statistics'] > 40 and r['arrows'] >= 8 and all(len(s) > 20 for s in r['captions']), r['captions']"
    ok "$width pixels: the graphs are painted, a click in one chooses the packet in all; zoom, keys, filter; no scrolling to the side"
done

# What is no TCP, with names and comments made to break out.
file="$work/<b>&amp;.pcap"
python3 - "$file" <<'PY'
import struct, sys
def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
def option(code, value): return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
ping = bytes.fromhex("4500001c000100004001f6dd0a0000010a0000020800f7fe00000001")
f = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)) + block(1, struct.pack("<HHI", 101, 0, 0) + option(0, b""))
for c in (b"</script><script>alerted = 1</script>", b"<img src=x onerror='alerted=1'>", b"<!--<script>", b"]]>\xff\"'`${alerted=1}"):
    f += block(6, struct.pack("<IIIII", 0, 0, 1, len(ping), len(ping)) + ping + option(1, c) + option(0, b""))
open(sys.argv[1], "wb").write(f)
PY
"$BUILD/tapdeck" replay --report html -o "$work/hostile.html" "$file"
drive "$work/hostile.html" 400 | check "
assert len(r['commented']) == 4 and '<img src=x onerror=' in r['commented'][1] and '</script><script>' in r['commented'][0], r['commented']
same('the rest', [r['rows'], r['filtered'], r['first'][:3]], [4, [], [1, 1, 1]])"
ok "comments and names made to break out are shown as text; a capture without TCP has list and ladder"
