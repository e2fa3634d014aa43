#!/bin/sh
# scripts/uplot.sh VERSION: fetches uPlot (MIT), which draws the axes and lines of `replay --report html`, with npm from whatever
# registry npm is set up for, into apps/replay/report/vendor/. Look at the pages afterwards.
set -eu
[ $# -eq 1 ] || { echo "usage: scripts/uplot.sh VERSION    (now: $(cat "$(dirname "$0")/../apps/replay/report/vendor/uPlot.VERSION"))" >&2; exit 2; }
to=$(cd "$(dirname "$0")/../apps/replay/report/vendor" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "uplot@$1" >/dev/null
tar xzf uplot-*.tgz
cp package/dist/uPlot.iife.min.js package/dist/uPlot.min.css "$to/"
cp package/LICENSE "$to/uPlot.LICENSE"
echo "$1" >"$to/uPlot.VERSION"
ls -l "$to"
