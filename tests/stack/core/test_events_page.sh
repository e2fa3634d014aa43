#!/bin/bash
# tests/stack/core/test_events_page.sh: stack/EVENTS.md is what `make docs` makes of the catalogue, every event once,
# and a catalogue it can't read is refused.
set -u
cd "$(dirname "$0")/../../.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
result() { # STATUS WHAT
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; failed=1; fi
}
awk -f scripts/events.awk stack/core/events.def >"$tmp/page"
cmp -s "$tmp/page" stack/EVENTS.md
result $? "stack/EVENTS.md is what make docs makes (if not: run it, and commit the page)"
[ "$(grep -c '^EVENT(' stack/core/events.def)" = "$(grep -c '^| `' stack/EVENTS.md)" ]
result $? "every event has one line"
{ cat stack/core/events.def; echo 'EVENT(X, "x-y", EVK_NOISE, "-", "", "No such kind.")'; } >"$tmp/bad.def"
! awk -f scripts/events.awk "$tmp/bad.def" >/dev/null 2>&1
result $? "an event of no known kind is refused"
exit $failed
