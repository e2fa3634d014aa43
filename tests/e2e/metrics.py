#!/usr/bin/env python3
"""Reads metrics from standard input: are they in Prometheus' text format, version 0.0.4? Exit status 1 and a line if not."""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{{LABEL}(?:,{LABEL})*\}})? -?[0-9]+(?:\.[0-9]+)?")
HELP = re.compile(rf"# HELP ({NAME}) .+")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")

family, typed, samples = None, False, 0
for line in sys.stdin.read().splitlines():
    if m := HELP.fullmatch(line):
        family, typed = m[1], False
    elif m := TYPE.fullmatch(line):
        typed = m[1] == family and (m[2] == "counter") == family.endswith("_total")
        if not typed:
            sys.exit(f"a TYPE that doesn't fit its HELP: {line}")
    elif (m := SAMPLE.fullmatch(line)) and typed and m[1] == family:
        samples += 1
    else:
        sys.exit(f"no such line is allowed here: {line}")
sys.exit(None if samples > 300 else f"only {samples} samples")
