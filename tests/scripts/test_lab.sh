#!/bin/bash
# Labs: each is right by its own lint; grading is reproducible, writes what others read, and contains what doesn't behave.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }
lab() { "$BUILD/tapdeck" lab "$@"; }

n=0
for dir in labs/[0-9]*/; do
    n=$((n + 1))
    said=$(lab lint "${dir%/}" 2>&1)
    ok "lint: $said"
done
[ $n -gt 0 ] && [ "$(lab list -j | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" -eq $n ]
ok "lab list has all $n"

# A class of forty, of one lab: model solutions with each student's own parameters, others that lack something.
cat >"$work/class.py" <<'PY'
import json, os, subprocess, sys
lab, out, tapdeck = sys.argv[1:4]
for i in range(40):
    name = f"s{i:02}"
    os.makedirs(f"{out}/{name}")
    if i % 4 == 0:
        continue # handed in nothing
    said = json.loads(subprocess.run([tapdeck, "lab", "grade", "-j", lab, f"{out}/{name}"], capture_output=True, text=True).stdout)
    tasks = {t["id"]: t for t in said[0]["tasks"]}
    far = tasks["reach"]["why"].split()[-1].rsplit(".", 1)[0]
    near = tasks["path"]["came"].split("\n")[1].split()[1].rsplit(".", 1)[0]
    ttl = int(tasks["q-ttl"]["title"].split("TTL ")[1].split(",")[0])
    with open(f"{out}/{name}/r1.conf", "w") as f:
        f.write(f"ip route add {far}.0/24 via 10.0.12.2\n")
    with open(f"{out}/{name}/r2.conf", "w") as f:
        f.write(f"ip route add {far}.0/24 via 10.0.23.2\n" + ("" if i % 4 == 1 else f"ip route add {near}.0/24 via 10.0.12.1\n"))
    with open(f"{out}/{name}/r3.conf", "w") as f:
        f.write(f"ip route add {near}.0/24 via 10.0.23.1\n")
    with open(f"{out}/{name}/answers.txt", "w") as f:
        f.write(f"q-ttl: {ttl - 1 if i % 4 != 2 else ttl}\n")
PY
mkdir "$work/in"
python3 "$work/class.py" labs/05-three-routers "$work/in" "$BUILD/tapdeck"
mkdir "$work/in/=evil" "$work/in/hangs" "$work/in/grows"
printf 'capture start /etc/tapdeck-was-here dev a\napp start httpd -p 80 /lab\nget http://127.0.0.1/05-three-routers/solution/answers.txt\ncapture start ../r1.conf dev a\n' >"$work/in/=evil/r1.conf"
echo "ip monitor" >"$work/in/hangs/r2.conf"
for i in $(seq 60); do echo "app start discard -p $i"; echo "app start chargen -p $((i + 1000))"; done >"$work/in/grows/r2.conf"
head -c 3000000 /dev/zero | tr '\0' 'x' >>"$work/in/grows/r2.conf"
lab grade 5 --seconds 5 -o "$work/1.csv" --junit "$work/1.xml" "$work"/in/* >"$work/1.txt" 2>&1
ok "forty and three submissions are graded"
lab grade 5 --seconds 5 --jobs 1 -j "$work"/in/[!=hg]* >"$work/2.json" 2>&1
cat >"$work/marks.py" <<'PY'
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
again = {r["id"]: r["points"] for r in json.load(open(sys.argv[2]))}
wrong = []
for r in rows:
    if not r["id"].startswith("s"):
        continue
    want = [0, 1, 6, 7][int(r["id"][1:]) % 4]
    if int(r["points"]) != want or again[r["id"]] != want or r["of"] != "7":
        wrong.append((r["id"], r["points"], again[r["id"]], want))
odd = {r["id"]: r for r in rows if not r["id"].startswith("s")}
print(len(rows), wrong, odd["'=evil"]["points"], "5 seconds, at r2.conf:1: ip monitor" in odd["hangs"]["note"], odd["grows"]["points"])
PY
marks=$(python3 "$work/marks.py" "$work/1.csv" "$work/2.json")
[ "$marks" = "43 [] 0 True 0" ]
ok "their marks are right, and the same again: $marks"
[ ! -e /etc/tapdeck-was-here ] && ! grep -q 'q-ttl: [$]' "$work/1.txt" && [ "$(wc -l <"$work/in/=evil/r1.conf")" -eq 4 ]
ok "one that writes into /etc, reads the solution or its own folder has done neither"
python3 -c 'import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]); sys.exit(len(d.getElementsByTagName("testsuite")) != 43 or len(d.getElementsByTagName("error")) < 1)' "$work/1.xml"
ok "JUnit's XML is XML, a suite each"
lab grade 5 --id x --gradescope "$work/g.json" "$work/in/s03" >/dev/null
python3 -c 'import json, sys; g = json.load(open(sys.argv[1])); sys.exit(not (len(g["tests"]) == 3 and g["score"] == sum(t["score"] for t in g["tests"])))' "$work/g.json"
ok "Gradescope's results.json has a test each"

refused() { # WORDS… | sentence
    local said status
    said=$(lab "${@:2}" 2>&1 >/dev/null)
    status=$?
    [ $status -eq 2 ] && [[ $said == *"$1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]
    ok "refused: lab ${*:2}: $said"
}
refused "write list, start, check, hint, reset, stop, grade or lint" lisp
refused "there is no lab '99'" grade 99 "$work"
refused "did you mean 'three-routers'?" grade thre-routers "$work"
refused "which submissions?" grade 5
refused "is no folder with a submission" grade 5 "$work/none"
refused "has no option '--sed'" grade 5 --sed 3 "$work"
refused "needs a number from 1 to 3600" grade 5 --jobs none "$work"
refused "no quotes" grade 5 --id "it's" "$work"
refused "can't be read" grade 5 --salt "$work/none" "$work/in/s00"
