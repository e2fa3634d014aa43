/* The graphs: uPlot has axes, scales and the mouse; what is drawn between the axes is ours where uPlot has no such lines.
 * All graphs show the same stretch of time. */
'use strict';

const plots = { all: [], min: 0, max: 1 };

function plot_width(box) {
  return Math.max(260, Math.floor(box.clientWidth));
}

function axis(label, more) {
  return {
    label, labelSize: 22, labelFont: '13px system-ui, sans-serif', font: '12px system-ui, sans-serif',
    stroke: () => colour('fg'), grid: { stroke: () => colour('grid'), width: 1 }, ticks: { stroke: () => colour('line'), width: 1, size: 5 },
    ...more,
  };
}

/* Pixels between two marks: as many as the digits take that tell them apart. */
function time_space(min, max) {
  const decimals = Math.max(0, Math.ceil(-Math.log10(Math.max(max - min, 1e-9) / 8)));
  return 24 + 7 * (String(Math.floor(Math.max(Math.abs(min), Math.abs(max)))).length + 1 + decimals);
}

/* The stretch of time that all show. */
function show_time(min, max) {
  const flow = view.rows;
  const first = flow.length ? flow[0].s : 0, last = flow.length ? flow[flow.length - 1].s : 1;
  const least = 2e-6;
  if (max - min < least) max = min + least;
  const whole = whole_time();
  if (max - min >= whole[1] - whole[0]) [min, max] = whole;
  else if (max < first) [min, max] = [first - (max - min) / 2, first + (max - min) / 2];
  else if (min > last) [min, max] = [last - (max - min) / 2, last + (max - min) / 2];
  plots.min = min;
  plots.max = max;
  for (const p of plots.all) p.u.setScale('x', { min, max });
}
function whole_time() {
  const r = view.rows;
  if (r.length === 0) return [0, 1];
  const first = r[0].s, last = r[r.length - 1].s, pad = last > first ? (last - first) * 0.02 : 1e-3;
  return [first - pad, last + pad];
}
function zoom(factor) {
  const middle = view.chosen && view.chosen.s > plots.min && view.chosen.s < plots.max ? view.chosen.s : (plots.min + plots.max) / 2;
  show_time(middle - (middle - plots.min) * factor, middle + (plots.max - middle) * factor);
}
function pan(part) {
  const d = (plots.max - plots.min) * part;
  show_time(plots.min + d, plots.max + d);
}

/* p: { box, data, series, y_label, y_range(min, max), draw(u, p), nearest(u, p, x, y), height } */
function make_plot(p) {
  const box = by_id(p.box);
  const options = {
    width: plot_width(box), height: p.height(), legend: { show: false },
    scales: { x: { time: false, auto: false }, y: { range: () => p.y_range(plots.min, plots.max) } },
    axes: [
      axis('seconds since the first packet', { size: 32, space: (u, i, min, max) => time_space(min, max), values: (u, marks) => marks.map((v) => +v.toPrecision(10)) }),
      axis(p.y_label, { size: 54, values: (u, marks) => marks.map(short_number) }),
    ],
    series: p.series,
    cursor: { drag: { x: true, y: false, dist: 5, setScale: false }, points: { show: false }, y: true, sync: { key: 'time', setSeries: false } },
    hooks: {
      setSelect: [(u) => {
        const { left, width } = u.select;
        if (width < 5) return;
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        show_time(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
      }],
      setCursor: [(u) => { /* what the mouse points at */
        const { left, top } = u.cursor, x = u.posToVal(left, 'x'), y = u.posToVal(top, 'y');
        by_id('at-' + p.box.slice(5)).textContent = left == null || left < 0 ? '' : x.toFixed(6) + ' s' + (top < 0 ? '' : ', ' + (y < 1000 ? +y.toPrecision(4) : grouped(Math.round(y))) + ' ' + p.unit);
      }],
      draw: [(u) => {
        const { left, top, width, height } = u.bbox, c = u.ctx;
        c.save();
        c.beginPath();
        c.rect(left, top, width, height);
        c.clip();
        if (p.draw) p.draw(u, p);
        draw_chosen(u, p);
        c.restore();
      }],
    },
  };
  box.replaceChildren();
  p.u = new uPlot(options, p.data, box);
  p.u.over.addEventListener('dblclick', () => show_time(...whole_time()));
  let down = null;
  p.u.over.addEventListener('mousedown', (e) => { down = [e.clientX, e.clientY]; });
  p.u.over.addEventListener('click', (e) => {
    if (down && Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 4) return;
    const r = p.u.over.getBoundingClientRect();
    const row = p.nearest(p.u, p, e.clientX - r.left, e.clientY - r.top);
    if (row) choose(row, 'plot');
  });
  plots.all.push(p);
}

function draw_chosen(u, p) {
  const row = view.chosen;
  if (!row || row.s < u.scales.x.min || row.s > u.scales.x.max) return;
  const c = u.ctx, x = u.valToPos(row.s, 'x', true), ratio = devicePixelRatio;
  c.strokeStyle = colour('accent');
  c.lineWidth = ratio;
  c.setLineDash([4 * ratio, 3 * ratio]);
  c.beginPath();
  c.moveTo(x, u.bbox.top);
  c.lineTo(x, u.bbox.top + u.bbox.height);
  c.stroke();
  c.setLineDash([]);
  const y = p.chosen_y ? p.chosen_y(row) : null;
  if (y == null) return;
  c.lineWidth = 2 * ratio;
  c.beginPath();
  c.arc(x, u.valToPos(y, 'y', true), 7 * ratio, 0, 2 * Math.PI);
  c.stroke();
}

/* The row nearest to a place in CSS pixels, by time alone or by a value, too. */
function nearest_row(u, x, y, value) {
  const list = view.rows, t = u.posToVal(x, 'x');
  const near = at_time(list, t);
  let best = null, distance = Infinity;
  for (let i = Math.max(0, near - 400); i < Math.min(list.length, near + 400); i++) {
    const v = value ? value(list[i]) : null;
    if (value && v == null) continue;
    const d = Math.hypot(u.valToPos(list[i].s, 'x') - x, value ? u.valToPos(v, 'y') - y : 0);
    if (d < distance) [best, distance] = [list[i], d];
  }
  return best;
}

/* ---- legends: each line by colour and by shape ---- */

function swatch(draw) {
  const s = svg('svg', { width: 34, height: 16, 'aria-hidden': 'true' });
  for (const [name, attributes, text] of draw) s.append(svg(name, attributes, text));
  return s;
}
const line_swatch = (name, dash, width) =>
  swatch([['line', { x1: 1, y1: 8, x2: 29, y2: 8, stroke: 'var(--' + name + ')', 'stroke-width': width || 2, 'stroke-dasharray': dash || 'none' }]]);

function legend_line(text, picture, shown, toggle) {
  const label = element('label', {});
  if (toggle) {
    const box = element('input', { type: 'checkbox' });
    box.checked = shown;
    box.addEventListener('change', () => toggle(box.checked));
    label.append(box);
  }
  label.append(picture, text);
  return label;
}

/* ---- windows ---- */

/* Values over time, held until the next one. */
function held(list, value) {
  let last = null;
  return list.map((r) => {
    const v = value(r);
    if (v != null) last = v;
    return last;
  });
}
const biggest = (list) => list.reduce((m, v) => (v != null && v > m ? v : m), 0);

function range_of(p, min, max) {
  const list = view.rows, from = Math.max(0, at_time(list, min) - 1), to = Math.min(list.length, at_time(list, max) + 1);
  let most = 0;
  for (let k = 1; k < p.data.length; k++) {
    if (p.u && p.u.series[k].show === false) continue;
    if (!p.u && p.series[k].show === false) continue;
    for (let i = from; i < to; i++)
      if (p.data[k][i] > most) most = p.data[k][i];
  }
  return [0, most > 0 ? most * 1.06 : 1];
}

function step_series(name, dash, show, fill) {
  return {
    paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, show, dash, width: 2, stroke: () => colour(name),
    fill: fill ? () => colour(name) + '33' : undefined, spanGaps: true,
  };
}

function windows_plot(d) {
  const list = view.rows, o = 1 - d, x = list.map((r) => r.s);
  const flight = list.map((r) => r['flight' + d]);
  const cwnd = held(list, (r) => r['cwnd' + d] || null);
  const ssthresh = held(list, (r) => r['ssthresh' + d] || null);
  const offered = held(list, (r) => (r.side === o && r.ack !== null && r.scaled && !r.flags.includes('R') ? r.window : null));
  const played = head.play && head.play.side === d;
  const its_cwnd = played ? held(list, (r) => r.its_cwnd || null) : null, its_ssthresh = played ? held(list, (r) => r.its_ssthresh || null) : null;
  const inner = Math.max(biggest(flight), biggest(cwnd), 1), far = biggest(offered) > 4 * inner;
  const far_ssthresh = biggest(ssthresh) > 4 * inner;
  const p = {
    box: 'plot-win', y_label: 'bytes', unit: 'bytes', data: [x, flight, cwnd, ssthresh, offered, ...(played ? [its_cwnd, its_ssthresh] : [])], height: () => 260,
    series: [{}, step_series('flight', [], true, true), step_series('cwnd', [8, 4], true), step_series('ssthresh', [2, 3], !far_ssthresh),
      step_series('window', [12, 3, 2, 3], !far), ...(played ? [step_series('its', [], true), step_series('its', [2, 3], true)] : [])],
    y_range: (min, max) => range_of(p, min, max),
    nearest: (u, q, px, py) => nearest_row(u, px, py, null),
    chosen_y: (row) => row['flight' + d],
  };
  make_plot(p);
  const toggle = (k) => (on) => { p.u.setSeries(k, { show: on }); show_time(plots.min, plots.max); };
  const more = (on, most) => (on ? '' : ' (up to ' + short_number(most) + ': far above)');
  by_id('legend-win').replaceChildren(
    legend_line('in flight', line_swatch('flight', 'none', 5), true, toggle(1)),
    legend_line('congestion window, inferred', line_swatch('cwnd', '8 4'), true, toggle(2)),
    legend_line('ssthresh, inferred' + more(!far_ssthresh, biggest(ssthresh)), line_swatch('ssthresh', '2 3'), !far_ssthresh, toggle(3)),
    legend_line('window that the ' + side_names[o] + ' offers' + more(!far, biggest(offered)), line_swatch('window', '12 3 2 3'), !far, toggle(4)),
    ...(played ? [legend_line('congestion window of the stack in its place', line_swatch('its'), true, toggle(5)),
      legend_line('its ssthresh', line_swatch('its', '2 3'), true, toggle(6))] : []));
  const last = cwnd.length ? cwnd[cwnd.length - 1] : null;
  by_id('c-win').textContent = 'Of the ' + side_names[d] + ' as a sender: at most ' + grouped(biggest(flight)) + ' bytes in flight; ' +
    (last == null ? 'its congestion window can\u2019t be inferred. ' :
      'its congestion window was, as far as can be inferred, at most ' + grouped(biggest(cwnd)) + ' bytes and in the end ' + grouped(last) + '. ') +
    'The ' + side_names[o] + ' offered up to ' + grouped(biggest(offered)) + ' bytes.';
}

/* ---- round trips ---- */

function rtt_plot(d) {
  const list = view.rows, o = 1 - d, x = list.map((r) => r.s);
  const sample = list.map((r) => (r.side === o && r.rtt >= 0 ? r.rtt / 1e6 : null));
  const smooth = held(list, (r) => (r['srtt' + d] > 0 ? r['srtt' + d] / 1e6 : null));
  const p = {
    box: 'plot-rtt', y_label: 'ms', unit: 'ms', data: [x, sample, smooth], height: () => 260,
    series: [{}, { paths: () => null, points: { show: false } }, step_series('rtt', [8, 4], true)],
    y_range: (min, max) => range_of(p, min, max),
    draw: draw_samples,
    nearest: (u, q, px, py) => nearest_row(u, px, py, (r) => sample[r.place]),
    chosen_y: (row) => sample[row.place],
  };
  list.forEach((r, i) => { r.place = i; });
  make_plot(p);
  const known = sample.filter((v) => v != null);
  by_id('legend-rtt').replaceChildren(
    legend_line('sample: data of the ' + side_names[d] + ' to its ACK, at the place of the capture',
      swatch([['path', { d: 'M11 4l8 8m0-8l-8 8', stroke: 'var(--rtt)', 'stroke-width': 2 }]])),
    legend_line('smoothed, inferred for the sender', line_swatch('rtt', '8 4'), true, (on) => { p.u.setSeries(2, { show: on }); show_time(plots.min, plots.max); }));
  by_id('c-rtt').textContent = known.length === 0 ? 'There is no sample: no data of the ' + side_names[d] + ' that was sent once and acknowledged.' :
    grouped(known.length) + ' samples, ' + known.reduce((a, b) => Math.min(a, b)).toFixed(3) + ' to ' + biggest(known).toFixed(3) + ' ms.';
}

function draw_samples(u, p) {
  const c = u.ctx, r = 3.2 * devicePixelRatio;
  if (u.series[1].show === false) return;
  c.strokeStyle = colour('rtt');
  c.lineWidth = 1.4 * devicePixelRatio;
  c.beginPath();
  const list = view.rows, from = at_time(list, u.scales.x.min), to = at_time(list, u.scales.x.max);
  for (let i = from; i < to; i++) {
    const v = p.data[1][i];
    if (v == null) continue;
    const x = u.valToPos(list[i].s, 'x', true), y = u.valToPos(v, 'y', true);
    c.moveTo(x - r, y - r);
    c.lineTo(x + r, y + r);
    c.moveTo(x + r, y - r);
    c.lineTo(x - r, y + r);
  }
  c.stroke();
}
