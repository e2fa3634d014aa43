/* The page's data and what the other parts share: the rows by name, who is chosen, and small helpers.
 * What comes from the capture is only ever set as text, never as HTML. */
'use strict';

window.addEventListener('error', (e) => {
  const p = document.getElementById('failed');
  p.hidden = false;
  p.textContent = 'Something in this page went wrong: ' + e.message;
});

const head = JSON.parse(document.getElementById('head').textContent);
const by_id = (id) => document.getElementById(id);

/* ---- rows ---- */

function read_rows() {
  const named = (columns, cells) => {
    const row = {};
    for (let i = 0; i < columns.length && i < cells.length; i++)
      row[columns[i]] = cells[i];
    return row;
  };
  const list = JSON.parse(by_id('rows').textContent);
  by_id('rows').remove(); /* it is large, and read once */
  return list.map((cells, index) => {
    const tcp = cells[2] >= 0;
    const row = named(tcp ? head.segment_columns : head.other_columns, cells);
    row.tcp = tcp;
    row.index = index;
    row.s = row.t / 1e9;
    row.extra = row.number === 0; /* nobody captured it: the played stack sent it */
    row.differs = row.verdict !== undefined && !['same', 'in', 'unseen'].includes(row.verdict);
    if (tcp) {
      row.names = row.marks.map((m) => head.marks[m]);
      row.again = row.names.some((n) => again_marks.has(n));
      row.moved = [row.before0 !== row.after0, row.before1 !== row.after1];
      row.end = row.seq + row.len + (row.flags.includes('S') ? 1 : 0) + (row.flags.includes('F') ? 1 : 0);
    }
    return row;
  });
}

const again_marks = new Set(head.again.map((m) => head.marks[m]));
const rows = read_rows();
const is = (row, mark) => row.names.includes(mark);
const state_name = (n) => head.states[n];
const side_names = ['client', 'server'];

/* The connections; behind them, as `other`, what is no segment. */
const flows = head.flows.map((f) => ({ ...f.stream[0], table: f.tcptrace, rows: [] }));
const flow_of = new Map(flows.map((f) => [f.stream, f]));
const other_rows = [];
for (const row of rows) {
  const flow = row.tcp ? flow_of.get(row.stream) : null;
  if (flow) flow.rows.push(row);
  else if (!row.tcp) other_rows.push(row);
}

/* ---- who is chosen ---- */

const view = {
  flow: null,     /* one of flows; null: everything, or what is no segment */
  rows: [],       /* the rows shown */
  chosen: null,   /* a row */
  side: 0,        /* whose data the graphs show */
  listeners: [],
};
function choose(row, from) {
  view.chosen = row;
  for (const told of view.listeners) told(row, from);
}

/* ---- helpers ---- */

function element(name, attributes, ...inside) {
  const e = document.createElement(name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  e.append(...inside);
  return e;
}
function svg(name, attributes, text) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  return e;
}
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const grouped = (n) => Number(n).toLocaleString('en-GB');

function duration(s) {
  if (s < 1e-3) return (s * 1e6).toFixed(0) + ' \u00b5s';
  if (s < 1) return (s * 1e3).toFixed(s < 0.1 ? 1 : 0) + ' ms';
  return s.toFixed(s < 100 ? 2 : 0) + ' s';
}
/* 1200 → 1.2k: for axes */
function short_number(n) {
  for (const [unit, name] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
    if (Math.abs(n) >= unit) return +(n / unit).toPrecision(4) + name;
  return String(+n.toPrecision(4));
}
/* The first index whose time is not before t. */
function at_time(list, t) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].s < t) low = middle + 1;
    else high = middle;
  }
  return low;
}
const flag_words = { S: 'SYN', F: 'FIN', R: 'RST', P: 'PSH', U: 'URG', E: 'ECE', W: 'CWR', e: 'AE', '.': 'ACK', '-': 'no flags' };
const flags_long = (flags) => [...flags].map((c) => flag_words[c] || c).join(',');
