#!/bin/bash
# tests/scripts/test_journal_cost.sh: counting what happens, and keeping nothing of it, costs a segment at most 1 % more
# instructions than no journal at all (scripts/journal-cost.sh, which make bench runs whole).
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build}
if [ -n "${SANITIZED:-}" ] || ! command -v valgrind >/dev/null; then
    echo "ok - the journal's cost # SKIP needs valgrind and a build without sanitizers"
    exit 0
fi
BUILD=$BUILD timeout 300 scripts/journal-cost.sh instructions 2>&1 | sed '/^\(not \)\?ok/!s/^/# /'
exit "${PIPESTATUS[0]}"
