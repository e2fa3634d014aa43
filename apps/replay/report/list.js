/* The list of packets: a table of which only the rows in sight exist, so that its length doesn't matter. */
'use strict';

const ROW = 24; /* pixels, as in report.css */
const list = { rows: [], top: -1, body: null, head: null };

const list_columns = [
  ['#', (r) => r.number || '\u2013'],
  ['seconds', (r) => r.s.toFixed(6)],
  ['flow', (r) => (r.tcp ? r.stream : '')],
  ['', (r) => (r.tcp ? (r.side === 0 ? '\u2192' : '\u2190') : r.kind), 'left'],
  ['flags', (r) => (r.tcp ? r.flags : ''), 'left'],
  ['seq', (r) => (r.tcp ? r.seq : '')],
  ['ack', (r) => (r.tcp && r.ack !== null ? r.ack : '')],
  ['len', (r) => (r.tcp ? r.len : '')],
  ['window', (r) => (r.tcp ? r.window + (r.scaled ? '' : '?') : '')],
  ['flight', (r) => (r.tcp ? r['flight' + r.side] : '')],
  ['cwnd~', (r) => (r.tcp && r['cwnd' + r.side] ? '~' + r['cwnd' + r.side] : '')],
  ['client', (r) => (r.tcp ? state_name(r.after0) : ''), 'left state client'],
  ['server', (r) => (r.tcp ? state_name(r.after1) : ''), 'left state server'],
  ['the stack', (r) => (r.verdict === 'in' ? 'handed in' : r.verdict || ''), 'left'],
  ['sent', (r) => (r.sent != null ? (r.sent / 1e9).toFixed(6) : '')],
  ['what it shows', (r) => r.words, 'left'],
  ['what the stack did', (r) => (r.tcp || r.extra ? '' : r.its_words || ''), 'left'],
  ['comment in the capture', (r) => (r.comment || '').replace(/\n/g, '; '), 'left'],
];
let columns_shown = list_columns;

/* ---- which rows ---- */

function wanted_rows() {
  const kind = by_id('kind').value;
  const words = by_id('filter').value.toLowerCase().split(/\s+/).filter((w) => w !== '' && w !== '-');
  const kinds = {
    again: (r) => r.tcp && r.again, marked: (r) => !r.tcp || r.marks.length > 0, moved: (r) => r.tcp && (r.moved[0] || r.moved[1]),
    data: (r) => r.tcp && r.len > 0, comment: (r) => !!r.comment, differs: (r) => r.differs,
  };
  const texts = words.map((w) => (w[0] === '-' ? [w.slice(1), false] : [w, true]));
  return view.rows.filter((r) => {
    if (kind !== '' && !kinds[kind](r)) return false;
    if (texts.length === 0) return true;
    if (r.text === undefined)
      r.text = ('#' + r.number + ' ' + (r.tcp ? flags_long(r.flags) + ' ' : '') + columns_shown.map((c) => c[1](r)).join(' ')).toLowerCase();
    return texts.every(([w, has]) => (w[0] === '#' ? '#' + r.number === w : r.text.includes(w)) === has);
  });
}

function fill_list() {
  list.rows = wanted_rows();
  list.rows.forEach((r, i) => { r.line = i; });
  by_id('count').textContent = list.rows.length === view.rows.length ? grouped(view.rows.length) + ' rows' :
    grouped(list.rows.length) + ' of ' + grouped(view.rows.length) + ' rows';
  list.top = -1;
  draw_list();
}

/* A column in which nothing stands isn't shown. */
function make_list() {
  const box = by_id('list');
  columns_shown = list_columns.filter((c) => (c[0] === 'flow' ? view.flow === null && flows.length > 0 : view.rows.some((r) => c[1](r) !== '')));
  for (const r of view.rows) r.text = undefined;
  const tr = element('tr', {});
  for (const [name, , kind] of columns_shown) tr.append(element('th', { scope: 'col', class: kind || '' }, name));
  list.head = element('thead', {}, tr);
  list.body = element('tbody', {});
  const table = element('table', { 'aria-rowcount': view.rows.length }, list.head, list.body);
  box.replaceChildren(table);
  box.style.height = Math.min(500, view.rows.length * ROW + 48) + 'px';
  box.scrollTop = 0;
  fill_list();
}

/* ---- the rows in sight ---- */

function spacer(height) {
  const td = element('td', { colspan: columns_shown.length });
  td.style.height = height + 'px';
  return element('tr', { class: 'spacer', 'aria-hidden': 'true' }, td);
}

function list_row(r) {
  const tr = element('tr', { 'aria-rowindex': r.line + 1 });
  tr.className = (r.again ? 'again ' : '') + (r.differs ? 'differs ' : '') + (r.tcp && (r.moved[0] || r.moved[1]) ? 'moved ' : '') + (r === view.chosen ? 'chosen' : '');
  if (r === view.chosen) tr.setAttribute('aria-selected', 'true');
  for (const [, cell, kind] of columns_shown) {
    const td = element('td', kind ? { class: kind } : {});
    td.textContent = cell(r);
    tr.append(td);
  }
  tr.addEventListener('click', () => choose(r, 'list'));
  return tr;
}

function draw_list() {
  const box = by_id('list'), n = list.rows.length, fits = Math.ceil(box.clientHeight / ROW);
  const first = Math.max(0, Math.min(Math.floor(box.scrollTop / ROW) - 12, n - fits)), last = Math.min(n, first + fits + 24);
  if (first === list.top) return;
  list.top = first;
  const lines = [];
  if (first > 0) lines.push(spacer(first * ROW));
  for (let i = first; i < last; i++) lines.push(list_row(list.rows[i]));
  if (last < n) lines.push(spacer((n - last) * ROW));
  if (n === 0) lines.push(element('tr', {}, element('td', { colspan: columns_shown.length, class: 'left' }, 'no row is like that')));
  list.body.replaceChildren(...lines);
}

function list_shows(row, from) {
  const box = by_id('list');
  if (row && from !== 'list' && list.rows[row.line] === row) {
    const y = row.line * ROW;
    if (y < box.scrollTop || y > box.scrollTop + box.clientHeight - 3 * ROW) box.scrollTop = y - box.clientHeight / 2;
  }
  list.top = -1;
  draw_list();
}

/* dy rows further; at the keyboard. */
function step_list(dy) {
  if (list.rows.length === 0) return;
  const at = view.chosen && list.rows[view.chosen.line] === view.chosen ? view.chosen.line + dy : dy > 0 ? 0 : list.rows.length - 1;
  choose(list.rows[Math.max(0, Math.min(list.rows.length - 1, at))], 'keys');
}

/* ---- one packet in full ---- */

function detail(row) {
  const box = by_id('detail');
  box.replaceChildren();
  if (!row) {
    box.append(element('p', { class: 'muted' }, 'Choose a packet: here stands all that is known of it.'));
    return;
  }
  const line = element('p', {}, element('strong', {}, row.extra ? 'No packet' : 'Packet ' + row.number), ' at ' + row.s.toFixed(6) + ' s. ');
  box.append(line);
  if (!row.tcp) {
    line.append(row.words);
  } else {
    const other = 1 - row.side;
    line.append('From the ' + side_names[row.side] + ': ' + flags_long(row.flags) + ', sequence number ' + grouped(row.seq) +
      (row.ack !== null ? ', acknowledges ' + grouped(row.ack) : '') + ', ' + grouped(row.len) + ' bytes, offers a window of ' +
      grouped(row.window) + (row.scaled ? '' : ' (as the field has it: its scaling isn\u2019t known)') + '. In flight: ' + grouped(row['flight' + row.side]) +
      (row['cwnd' + row.side] ? '; congestion window ~' + grouped(row['cwnd' + row.side]) + ' (inferred)' : '') +
      '. The client is now in ' + state_name(row.after0) + ', the server in ' + state_name(row.after1) + '.');
    if (row.rtt >= 0) line.append(' Data of the ' + side_names[other] + ' took ' + duration(row.rtt / 1e9) + ' to be acknowledged.');
    const says = row.words.split('; ').filter((w) => w !== '');
    if (says.length > 0) {
      const ul = element('ul', {});
      for (const w of says) ul.append(element('li', {}, w));
      box.append(ul);
    }
  }
  if (row.its_words && !(row.extra && !row.tcp)) box.append(element('p', { class: 'verdict' }, 'The stack in its place: ' + row.its_words + '.'));
  if (row.comment) box.append(element('p', { class: 'comment', title: 'comment in the capture' }, row.comment));
}
