#!/usr/bin/env python3
"""Compares what two programs say of the same situation, for test_parity.sh.

    parity.py LIST
        each record of LIST (they end with 1e and a line's end) has fields divided by 1f: a name, how to compare, two files,
        options. A line "ok - ..." or "not ok - ..." each, what differs below it; exit status 1 if anything does.

    json LINUX OURS [absent=KEY,…] [extra=KEY,…] [values=KEY,…]
        two files of JSON: the same shape, the same keys in each object, the same types. absent: keys of Linux's that are
        deliberately not ours; extra: ours that Linux hasn't; values: keys (with all below) whose values must agree too.
        A key is named by its path, list indices left out: addr_info.label
    text LINUX OURS [drop=REGEX]… [any=REGEX]… [sort=FIRST]
        two files of text: the same lines once every match of an `any` is replaced by a mark, of a `drop` by nothing, and
        blanks at the ends of lines are cut. sort: from line FIRST on (counted from 0) their order doesn't matter.
    words LINUX OURS [absent=WORD,…] [extra=WORD,…] [must=WORD,…]
        what `ss -O` says behind its columns: both have the words that `must` be there, none but Linux's and `extra`, and
        what both say comes in the same order. Words are judged without their values.
"""
import json
import re
import sys


def kind(v):
    return 'number' if isinstance(v, (int, float)) and not isinstance(v, bool) else type(v).__name__


def below(path, keys):
    return any(path == k or path.startswith(k + '.') for k in keys)


def compare(linux, ours, path, o, out):
    where = path or 'the whole'
    if kind(linux) != kind(ours):
        out.append('%s: %s there, %s here' % (where, kind(linux), kind(ours)))
    elif isinstance(linux, dict):
        for k in linux.keys() | ours.keys():
            p = path + '.' + k if path else k
            if k not in ours:
                if not below(p, o['absent']):
                    out.append('%s is missing here (%s there)' % (p, json.dumps(linux[k])))
            elif k not in linux:
                if not below(p, o['extra']):
                    out.append('%s is not there (%s here)' % (p, json.dumps(ours[k])))
            else:
                compare(linux[k], ours[k], p, o, out)
    elif isinstance(linux, list):
        if len(linux) != len(ours):
            out.append('%s: %d there, %d here: %s, %s' % (where, len(linux), len(ours), json.dumps(linux), json.dumps(ours)))
        for a, b in zip(linux, ours):
            compare(a, b, path, o, out)
    elif linux != ours and below(path, o['values']):
        out.append('%s: %s there, %s here' % (path, json.dumps(linux), json.dumps(ours)))


def lines(name, o):
    text = open(name).read()
    for r in o['drop']:
        text = re.sub(r, '', text)
    for r in o['any']:
        text = re.sub(r, '*', text)
    out = [line.rstrip() for line in text.splitlines()]
    first = int(o['sort'][0]) if o['sort'] else len(out)
    return out[:first] + sorted(out[first:])


def words(name):
    """All rows' words, in order; of several rows those of the one that says most."""
    best = []
    for line in open(name).read().splitlines()[1:]:
        row = [re.match(r'[a-z_]+', w).group() for w in line.split()[5:] if re.match(r'[a-z_]', w)]
        row = ['(congestion control)' if w in ('cubic', 'bbr', 'reno', 'vegas') else w for w in row]
        best = row if len(row) > len(best) else best
    return list(dict.fromkeys(best))


def compare_words(linux, ours, o, out):
    for w in o['must']:
        out += ['%s is missing %s' % (w, where) for where, said in (('there', linux), ('here', ours)) if w not in said]
    out += ['%s is no word of ss' % w for w in ours if w not in linux and w not in o['extra']]
    out += ['%s is missing here' % w for w in linux if w not in ours and w not in o['absent']]
    a, b = [w for w in linux if w in ours], [w for w in ours if w in linux]
    if a != b:
        out += ['in order there: %s' % ' '.join(a), 'in order here:  %s' % ' '.join(b)]


def judge(how, linux, ours, options):
    o = {'absent': [], 'extra': [], 'values': [], 'drop': [], 'any': [], 'sort': [], 'must': []}
    for word in options:
        name, _, value = word.partition('=')
        o[name] += [value] if name in ('drop', 'any') else value.split(',')
    out = []
    try:
        if how == 'json':
            compare(json.load(open(linux)), json.load(open(ours)), '', o, out)
        elif how == 'words':
            compare_words(words(linux), words(ours), o, out)
        else:
            a, b = lines(linux, o), lines(ours, o)
            for i in range(max(len(a), len(b))):
                x, y = a[i] if i < len(a) else '(no line)', b[i] if i < len(b) else '(no line)'
                if x != y:
                    out += ['line %d there: %s' % (i + 1, x), 'line %d here:  %s' % (i + 1, y)]
    except ValueError as e:
        out += ['no JSON: %s' % e, open(ours).read()]
    return out


def main():
    failures = 0
    for line in open(sys.argv[1]).read().split('\x1e\n'):
        if not line:
            continue
        what, how, linux, ours, *options = line.split('\x1f')
        out = judge(how, linux, ours, options)
        print('%s - %s: %s' % ('not ok' if out else 'ok', how, what))
        for detail in out[:30]:
            print('#   ' + detail.replace('\n', '\n#   '))
        failures += len(out) > 0
    return 1 if failures else 0


sys.exit(main())
