/* The ladder: time runs down, hosts are rails, packets arrows between them. Only the part in sight exists. */
'use strict';

const STEP = 46; /* pixels of an arrow with its label and note */
const ladder = { items: [], rails: [], at: [], first: -1, spot: new Map() };
const LANES = 6;

/* A pause is told where nothing happens for long, beside what is usual. */
function pauses(list) {
  const gaps = [];
  for (let i = 1; i < list.length; i++) gaps.push(list[i].s - list[i - 1].s);
  gaps.sort((a, b) => a - b);
  const usual = gaps.length ? gaps[gaps.length >> 1] : 0;
  return Math.max(0.1, 8 * usual);
}

function make_ladder() {
  const rows_here = view.rows;
  by_id('diagram').hidden = rows_here.length === 0;
  ladder.items = [];
  ladder.spot = new Map();
  if (view.flow) {
    ladder.rails = [view.flow.client.endpoint, view.flow.server.endpoint];
  } else {
    const names = new Set();
    for (const r of rows_here) for (const n of ends(r)) if (n) names.add(n);
    ladder.rails = [...names];
    if (ladder.rails.length > LANES) ladder.rails = [...ladder.rails.slice(0, LANES - 1), 'others'];
    if (ladder.rails.length < 2) ladder.rails.push('');
  }
  const long = pauses(rows_here);
  rows_here.forEach((r, i) => {
    if (i > 0 && r.s - rows_here[i - 1].s >= long) ladder.items.push({ pause: r.s - rows_here[i - 1].s });
    ladder.spot.set(r, ladder.items.length);
    ladder.items.push({ row: r });
  });
  const box = by_id('ladder');
  const heads = element('div', { class: 'rails' }), tall = element('div', {});
  tall.style.height = ladder.items.length * STEP + 12 + 'px';
  tall.style.position = 'relative';
  box.replaceChildren(heads, tall);
  box.style.height = Math.min(604, ladder.items.length * STEP + 44) + 'px';
  box.scrollTop = 0;
  place_rails();
}

const bare = (endpoint) => endpoint.replace(/:\d+$/, '');
function ends(r) {
  if (!r.tcp) return [r.from, r.to];
  const f = flow_of.get(r.stream);
  if (!f) return ['', ''];
  const e = [bare(f.client.endpoint), bare(f.server.endpoint)];
  return r.side === 0 ? e : [e[1], e[0]];
}

function place_rails() {
  const box = by_id('ladder'), width = box.clientWidth, n = ladder.rails.length, heads = box.firstChild;
  if (!heads) return;
  const left = width < 460 ? 88 : 112, right = view.flow ? (width < 460 ? 84 : 104) : 46;
  ladder.at = ladder.rails.map((_, i) => left + ((width - left - right) * i) / Math.max(1, n - 1));
  heads.replaceChildren(...ladder.rails.map((name, i) => {
    const s = element('span', {}, name);
    s.style.left = Math.max(50, Math.min(ladder.at[i], width - 60)) + 'px';
    if (n > 3 && i % 2 === 1) s.style.top = '0';
    return s;
  }));
  heads.style.fontSize = n > 3 || width < 460 ? '10px' : '';
  ladder.first = -1;
  draw_ladder();
}

/* What stands over an arrow: as much as fits. */
function arrow_label(r, room) {
  const fits = (s) => s.length * 7.3 < room;
  if (!r.tcp) return cut(r.words.replace(r.from + ' > ' + r.to + ': ', '').replace(r.from + ' > ' + r.to + ', ', '').replace(/, protocol \d+/, ''), room);
  let text = flags_long(r.flags) + ' ' + (r.len > 0 ? r.seq + ':' + (r.seq + r.len) : r.seq);
  const more = [r.ack !== null ? ' ack ' + r.ack : '', r.sack.length ? ' sack ' + r.sack[0] + ':' + r.sack[1] : '', r.flags.includes('R') ? '' : ' win ' + r.window];
  for (const m of more) if (fits(text + m)) text += m;
  return text;
}
function cut(text, room, each) {
  const n = Math.max(4, Math.floor(room / (each || 7.3)));
  return text.length > n ? text.slice(0, n - 1) + '\u2026' : text;
}
/* Below it: what the segment shows; states stand at the margins. */
function arrow_note(r) {
  if (!r.tcp) return r.differs && !r.extra ? r.its_words : '';
  if (r.differs) return r.its_words;
  return r.words.split('; ').filter((w) => !/^(client|server) [A-Z?-]/.test(w) && !/^RTT /.test(w)).join('; ').replace(/ \((RFC|assumed)[^)]*\)/g, '');
}

function lane(name) {
  const i = ladder.rails.indexOf(name);
  return i >= 0 ? i : ladder.rails.length - 1;
}

function draw_arrow(g, r, y) {
  const at = ladder.at;
  let a, b;
  if (view.flow) [a, b] = r.side === 0 ? [0, 1] : [1, 0];
  else {
    const [from, to] = ends(r);
    [a, b] = [lane(from), lane(to)];
  }
  let x1 = at[a], x2 = at[b];
  if (a === b) x2 = x1 + (a === at.length - 1 ? -40 : 40); /* to itself, or to one who has no rail */
  const way = x2 > x1 ? 1 : -1, y1 = y + 18, y2 = y + 25, h = 6;
  g.append(svg('line', { class: 'shaft', x1, y1, x2: x2 - way * 3, y2: y2 }));
  if (r.again) g.append(svg('line', { class: 'shaft', x1, y1: y1 + 3.5, x2: x2 - way * 3, y2: y2 + 3.5 }));
  const yh = r.again ? y2 + 1.7 : y2;
  g.append(svg('path', { class: 'head', d: `M${x2} ${yh}l${-way * 9} ${-h / 1.3}v${h * 1.5}z` }));
  const two = at.length === 2, middle = (x1 + x2) / 2, room = two ? at[1] - at[0] - 12 : by_id('ladder').clientWidth - at[0] - 20;
  const anchor = two ? 'middle' : 'start', x = two ? (at[0] + at[1]) / 2 : at[0] + 8;
  g.append(svg('text', { class: 'label', x, y: y + 14, 'text-anchor': anchor }, arrow_label(r, room)));
  const note = arrow_note(r);
  if (note) g.append(svg('text', { class: 'small note', x: middle, y: y + 40, 'text-anchor': 'middle' }, cut(note, Math.abs(x2 - x1) - 4, 6.7)));
}

function ladder_item(item, y) {
  const box = by_id('ladder'), width = box.clientWidth, g = svg('g', { class: 'item' });
  if (item.pause !== undefined) {
    const x = (ladder.at[0] + ladder.at[ladder.at.length - 1]) / 2;
    g.append(svg('text', { class: 'small', x, y: y + STEP / 2 + 4, 'text-anchor': 'middle' }, '\u22ee  ' + duration(item.pause) + ' later  \u22ee'));
    return g;
  }
  const r = item.row;
  g.setAttribute('class', 'item' + (r.again ? ' again' : '') + (r.extra ? ' extra' : '') + (r.differs ? ' differs' : '') + (r === view.chosen ? ' chosen' : ''));
  g.append(svg('rect', { class: 'back', x: 0, y, width, height: STEP }));
  for (const x of ladder.at) g.append(svg('line', { class: 'rail', x1: x, y1: y, x2: x, y2: y + STEP }));
  g.append(svg('text', { class: 'small', x: 4, y: y + 15 }, (width < 460 ? '' : r.extra ? '' : '#' + r.number + ' ') + r.s.toFixed(4)));
  if (r.tcp && view.flow) {
    if (r.moved[0] || item.first) g.append(svg('text', { class: 'state', x: 4, y: y + 34 }, cut(state_name(r.after0), ladder.at[0] - 6, 6.7)));
    if (r.moved[1] || item.first)
      g.append(svg('text', { class: 'state', x: ladder.at[1] + 6, y: y + 34 }, cut(state_name(r.after1), width - ladder.at[1] - 8, 6.7)));
  }
  if (r.tcp || r.from !== '') draw_arrow(g, r, y);
  else g.append(svg('text', { class: 'small', x: ladder.at[0] + 8, y: y + 26 }, cut(r.words, width - ladder.at[0] - 16)));
  g.append(svg('title', {}, 'packet ' + r.number + (r.words ? ': ' + r.words : '')));
  g.addEventListener('click', () => choose(r, 'ladder'));
  return g;
}

function draw_ladder() {
  const box = by_id('ladder'), tall = box.children[1];
  if (!tall) return;
  const n = ladder.items.length, fits = Math.ceil(box.clientHeight / STEP);
  const first = Math.max(0, Math.floor(box.scrollTop / STEP) - 6), last = Math.min(n, first + fits + 14);
  if (first === ladder.first) return;
  ladder.first = first;
  const s = svg('svg', { width: box.clientWidth, height: (last - first) * STEP + 12, role: 'presentation' });
  s.style.top = first * STEP + 'px';
  for (const x of ladder.at) s.append(svg('line', { class: 'rail', x1: x, y1: 0, x2: x, y2: (last - first) * STEP }));
  for (let i = first; i < last; i++) s.append(ladder_item(ladder.items[i], (i - first) * STEP + 4));
  tall.replaceChildren(s);
}

function ladder_shows(row, from) {
  const box = by_id('ladder'), place = ladder.spot.get(row);
  if (row && from !== 'ladder' && place !== undefined) {
    const y = place * STEP;
    if (y < box.scrollTop || y > box.scrollTop + box.clientHeight - 2 * STEP) box.scrollTop = y - box.clientHeight / 2;
  }
  ladder.first = -1;
  draw_ladder();
}
