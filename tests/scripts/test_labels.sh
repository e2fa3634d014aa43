#!/bin/bash
# The tests themselves: where `ok WHAT` reports the status of the command before it, WHAT must not run a command, for then it
# would report that one's status, and could never fail.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck disable=SC2016
runs_a_command='^[^#]*\bok "[^"]*(\$\([^(]|`)'
files=$(grep -rlE --include='*.sh' 'local status=\$\?' tests)
[ "$(wc -l <<<"$files")" -ge 10 ] && grep -qE "$runs_a_command" <<<'ok "so many: $(wc -l <file)"' && ! grep -qE "$runs_a_command" <<<'ok "so many: $((n + 1)) of $of"'
status=$?
if [ $status -eq 0 ]; then echo "ok - such labels are found"; else echo "not ok - such labels are found"; fi
# shellcheck disable=SC2086
found=$(grep -nE "$runs_a_command" $files /dev/null)
if [ -z "$found" ]; then
    echo "ok - no label of a check runs a command"
else
    echo "not ok - labels that run commands hide their check's status"
    sed 's/^/# /' <<<"$found"
fi
