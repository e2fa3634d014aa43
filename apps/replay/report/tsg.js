/* The time-sequence graph, in tcptrace's conventions: a segment is an upright line from its first sequence number to its last with
 * arrow heads, what was sent again is red; below runs the line of acknowledgements, above that of the window's edge; SACK blocks are
 * purple, duplicate ACKs ticks, the third of them a 3; SYN, FIN, R (sent again), O (out of order), HD (duplicated on the way),
 * P (probe), K (keep-alive), CE, ECE, CWR (RFC 3168), Z (window closed), U (urgent), a diamond for PSH. */
'use strict';

const tsg = { window: true };

const edge_of = (row) => row.ack + row.window;

/* What a segment is drawn as: colour, letter. */
function look_of(row) {
  if (row.extra) return ['copy', 'X'];
  if (row.verdict === 'missing') return ['late', 'M'];
  if (row.again) return ['again', 'R'];
  if (is(row, 'out_of_order')) return ['late', 'O'];
  if (is(row, 'duplicated')) return ['copy', 'HD'];
  if (is(row, 'window_probe')) return ['synfin', 'P'];
  if (row.flags.includes('S')) return ['synfin', 'SYN'];
  if (row.flags.includes('F')) return ['synfin', 'FIN'];
  if (row.flags.includes('U')) return ['again', 'U'];
  return ['data', ''];
}

function tsg_plot(d) {
  const list = view.rows, o = 1 - d, x = list.map((r) => r.s);
  let high = 0, edge = 0;
  for (const r of list) {
    if (r.side === d) high = Math.max(high, r.end);
    else if (r.ack !== null) edge = Math.max(edge, r.scaled ? edge_of(r) : 0);
  }
  const far = edge > 3 * high + 3000;
  tsg.window = !far;
  const p = {
    box: 'plot-tsg', y_label: 'sequence number (bytes)', unit: '', side: d, data: [x, list.map((r) => (r.side === d ? r.end : r.ack))],
    series: [{}, { paths: () => null, points: { show: false } }], height: () => (innerWidth < 700 ? 300 : 400),
    y_range: (min, max) => tsg_range(d, min, max), draw: tsg_draw,
    nearest: (u, q, px, py) => nearest_row(u, px, py, (r) => tsg_value(r, d)),
    chosen_y: (row) => tsg_value(row, d),
  };
  make_plot(p);
  tsg_legend(p, o, far, edge);
  tsg_words(d);
}

const tsg_value = (row, d) => (row.side === d ? (row.end > row.seq ? (row.seq + row.end) / 2 : row.seq) : row.ack);

function tsg_range(d, min, max) {
  const list = view.rows, from = Math.max(0, at_time(list, min) - 1), to = Math.min(list.length, at_time(list, max) + 1);
  let low = Infinity, high = -Infinity;
  for (let i = from; i < to; i++) {
    const r = list[i];
    if (r.flags.includes('R')) continue;
    if (r.side === d) {
      if (r.end > r.seq || high < r.end) [low, high] = [Math.min(low, r.seq), Math.max(high, r.end)];
    } else if (r.ack !== null) {
      low = Math.min(low, r.ack);
      high = Math.max(high, tsg.window && r.scaled ? edge_of(r) : r.ack);
    }
  }
  if (high < low) return [0, 1];
  const pad = Math.max((high - low) * 0.06, 2);
  return [low - pad, high + pad];
}

function tsg_draw(u, p) {
  const d = p.side, c = u.ctx, k = devicePixelRatio, list = view.rows;
  const from = Math.max(0, at_time(list, u.scales.x.min) - 2), to = Math.min(list.length, at_time(list, u.scales.x.max) + 2);
  const X = (r) => u.valToPos(r.s, 'x', true), Y = (v) => u.valToPos(v, 'y', true);
  const close = to - from < 700;
  const paint = {};
  const pen = (name) => paint[name] || (paint[name] = new Path2D());
  const letters = [];
  let ack = null, edge = null; /* the last of each: [x, y, value] */

  /* the lines below and above: where they came from is outside of what is seen */
  for (let i = from - 1; i >= 0 && i > from - 2000; i--) {
    const r = list[i];
    if (r.side === d || r.ack === null || r.flags.includes('R')) continue;
    ack = [X(r), Y(r.ack), r.ack];
    if (r.scaled) edge = [X(r), Y(edge_of(r)), edge_of(r)];
    break;
  }
  for (let i = from; i < to; i++) {
    const r = list[i], x = X(r);
    if (r.side === d) {
      tsg_segment(u, r, x, Y, k, close, pen, letters);
    } else if (r.ack !== null && !r.flags.includes('R')) {
      ack = tsg_step(pen('ack'), ack, x, Y(r.ack), r.ack, close && is(r, 'duplicate_ack') ? 5 * k : 0);
      if (tsg.window && r.scaled) edge = tsg_step(pen('window'), edge, x, Y(edge_of(r)), edge_of(r), close ? -3 * k : 0);
      if (r.dup === 3 || (is(r, 'duplicate_ack') && /#3\b/.test(r.words))) letters.push([x, Y(r.ack) + 16 * k, '3', 'ack']);
      if (is(r, 'ece')) letters.push([x, Y(r.ack) + 28 * k, 'ECE', 'window']);
      if (is(r, 'zero_window')) letters.push([x, Y(r.ack) - 4 * k, 'Z', 'window']);
      for (let b = 0; b < r.sack.length; b += 2) {
        const path = pen('sack'), top = Y(r.sack[b + 1]), bottom = Y(r.sack[b]);
        path.moveTo(x, bottom);
        path.lineTo(x, top);
        if (close) {
          path.moveTo(x - 3 * k, top);
          path.lineTo(x + 3 * k, top);
          path.moveTo(x - 3 * k, bottom);
          path.lineTo(x + 3 * k, bottom);
        }
        letters.push([x, top - 3 * k, 'S', 'sack']);
      }
    } else if (r.flags.includes('R')) {
      letters.push([x, (r.ack !== null ? Y(r.ack) : ack ? ack[1] : Y(0)) - 4 * k, 'RST', 'again']);
    }
  }
  const widths = { data: 1.3, again: 2.2, ack: 1.6, window: 1.4, sack: 2.4, synfin: 2, late: 2, copy: 2, its: 1.2 };
  for (const name of ['its', 'window', 'ack', 'data', 'synfin', 'late', 'copy', 'sack', 'again']) {
    if (!paint[name]) continue;
    c.strokeStyle = colour(name);
    c.lineWidth = widths[name] * k;
    c.stroke(paint[name]);
  }
  tsg_letters(u, letters, k);
}

/* To the right, then up: a tick where it stays as it was. */
function tsg_step(path, last, x, y, value, tick) {
  if (last) {
    path.moveTo(last[0], last[1]);
    path.lineTo(x, last[1]);
    if (value !== last[2]) path.lineTo(x, y);
  }
  if (tick !== 0 && last && value === last[2]) {
    path.moveTo(x, y);
    path.lineTo(x, y + tick);
  }
  return [x, y, value];
}

function tsg_segment(u, r, x, Y, k, close, pen, letters) {
  const [name, letter] = look_of(r);
  if (r.flags.includes('R')) {
    letters.push([x, Y(r.seq) - 4 * k, 'RST', 'again']);
    return;
  }
  if (r.sent != null && r.end > r.seq && Math.abs(r.sent - r.t) > 1e6) { /* when the stack sent it */
    const path = pen('its'), y = (Y(r.seq) + Y(r.end)) / 2, there = u.valToPos(r.sent / 1e9, 'x', true);
    path.moveTo(x, y);
    path.lineTo(there, y);
    path.moveTo(there, Y(r.seq));
    path.lineTo(there, Y(r.end));
  }
  for (const [mark, text] of [['ce', 'CE'], ['cwr', 'CWR']]) if (is(r, mark)) letters.push([x, Y(r.seq) + 14 * k, text, 'window']);
  if (r.end === r.seq) { /* an ACK alone belongs to the other graph */
    if (is(r, 'window_probe')) letters.push([x, Y(r.seq) - 4 * k, 'P', 'synfin']);
    else if (is(r, 'keep_alive')) letters.push([x, Y(r.seq) - 4 * k, 'K', 'synfin']);
    return;
  }
  const path = pen(name), bottom = Y(r.seq), top = Math.min(Y(r.end), bottom - k);
  path.moveTo(x, bottom);
  path.lineTo(x, top);
  if (close) {
    const a = 3 * k;
    path.moveTo(x - a, bottom - a);
    path.lineTo(x, bottom);
    path.lineTo(x + a, bottom - a);
    path.moveTo(x - a, top + a);
    path.lineTo(x, top);
    path.lineTo(x + a, top + a);
    if (r.flags.includes('P') && r.len > 0) {
      path.moveTo(x, top - a);
      path.lineTo(x + a, top);
      path.lineTo(x, top + a);
      path.lineTo(x - a, top);
      path.closePath();
    }
  }
  if (letter !== '') letters.push([x, top - 4 * k, letter, name]);
}

/* Letters that would lie on one another are left out. */
function tsg_letters(u, letters, k) {
  const c = u.ctx, taken = [], left = u.bbox.left, right = left + u.bbox.width;
  c.font = 'bold ' + 11 * k + 'px system-ui, sans-serif';
  c.textAlign = 'center';
  letters.sort((a, b) => (a[2] === 'S') - (b[2] === 'S')); /* these are many, and purple anyway */
  for (const [x, y, text, name] of letters) {
    if (taken.length > 400) break;
    if (x < left - k || x > right + k) continue;
    const near = 8 * k * text.length + 6 * k, half = 4.5 * k * text.length;
    if (taken.some(([tx, ty]) => Math.abs(tx - x) < near && Math.abs(ty - y) < 10 * k)) continue;
    taken.push([x, y]);
    c.fillStyle = colour(name);
    c.fillText(text, Math.max(left + half, Math.min(x, right - half)), y);
  }
}

function tsg_legend(p, o, far, edge) {
  const upright = (name, letter) => swatch([
    ['path', { d: 'M10 2v12M7 5l3-3 3 3M7 11l3 3 3-3', stroke: 'var(--' + name + ')', 'stroke-width': 1.6, fill: 'none' }],
    ['text', { x: 17, y: 12, fill: 'var(--' + name + ')', 'font-size': 11, 'font-weight': 700 }, letter]]);
  by_id('legend-tsg').replaceChildren(
    legend_line('segment', upright('data', '')),
    legend_line('sent again', upright('again', 'R')),
    legend_line('acknowledged so far', line_swatch('ack')),
    legend_line('duplicate ACK, the third', swatch([['path', { d: 'M2 4h26M8 4v6M16 4v6', stroke: 'var(--ack)', 'stroke-width': 1.6 }],
      ['text', { x: 20, y: 15, fill: 'var(--ack)', 'font-size': 11, 'font-weight': 700 }, '3']])),
    legend_line('edge of the window that the ' + side_names[o] + ' offers' + (far ? ' (up to ' + short_number(edge) + ': far above)' : ''),
      line_swatch('window'), tsg.window, (on) => { tsg.window = on; show_time(plots.min, plots.max); }),
    legend_line('SACK block', swatch([['path', { d: 'M7 2v12M4 2h6M4 14h6', stroke: 'var(--sack)', 'stroke-width': 2 }],
      ['text', { x: 15, y: 12, fill: 'var(--sack)', 'font-size': 11, 'font-weight': 700 }, 'S']])),
    legend_line('SYN, FIN, P probe, K keep-alive', upright('synfin', '')),
    legend_line('out of order', upright('late', 'O')),
    legend_line('duplicated on its way', upright('copy', 'HD')),
    ...(head.play && head.play.side === 1 - o ? [
      legend_line('missing: the stack didn\u2019t send it', upright('late', 'M')), legend_line('extra: only the stack sent it', upright('copy', 'X')),
      legend_line('when the stack sent it, where that differs', swatch([['path', { d: 'M2 8h20M22 2v12', stroke: 'var(--its)', 'stroke-width': 1.4, fill: 'none' }]]))] : []),
    ...(view.rows.some((r) => r.names.some((n) => n === 'ce' || n === 'ece' || n === 'cwr')) ? [
      legend_line('congestion marked, told, heeded', swatch([['text', { x: 1, y: 12, fill: 'var(--window)', 'font-size': 9, 'font-weight': 700 }, 'CE ECE']]))] : []),
    legend_line('zero window', swatch([['text', { x: 10, y: 13, fill: 'var(--window)', 'font-size': 12, 'font-weight': 700 }, 'Z']])));
}

/* The graph in words. */
function tsg_words(d) {
  const mine = view.rows.filter((r) => r.side === d && r.end > r.seq && !r.extra), again = mine.filter((r) => r.again);
  const high = mine.reduce((m, r) => Math.max(m, r.end), 0);
  let text = 'The ' + side_names[d] + ' sent ' + grouped(mine.length) + (mine.length === 1 ? ' segment' : ' segments') +
    ' that take sequence numbers, up to ' + grouped(high) + '; the line below rises as the ' + side_names[1 - d] + ' acknowledges. ';
  if (again.length > 0) {
    const some = again.slice(0, 6).map((r) => r.s.toFixed(3) + ' s');
    text += 'Sent again at ' + some.join(', ') + (again.length > 6 ? ' and ' + grouped(again.length - 6) + ' times more' : '') + '.';
  } else if (mine.length > 0) {
    text += 'Nothing was sent again.';
  }
  by_id('c-tsg').textContent = text;
}
