/* Puts the page together: what is shown is one connection, or everything, or what is no segment. */
'use strict';

function fill_heading() {
  by_id('title').textContent = head.file.replace(/^.*\//, '');
  const date = new Date(Number(head.first_ns) / 1e6);
  const seconds = head.length_ns / 1e9;
  by_id('subtitle').textContent = grouped(head.packets) + (head.packets === 1 ? ' packet' : ' packets') + ' in ' + duration(Math.max(0, seconds)) +
    (isNaN(date) ? '' : ', from ' + date.toISOString().replace('T', ' ').replace(/\.\d*Z$/, ' UTC'));
  by_id('footer').textContent = 'Made by tapdeck replay ' + head.version + ' from what the capture shows: that a packet passed is taken as that it arrived, ' +
    'and ~ marks what was inferred. Graphs: uPlot ' + (uPlot.version || '1.6') + ' (MIT licence, in this page).';
  if (head.play) {
    const says = ['Played: the stack as ' + (head.play.side < 0 ? head.play.who : 'the ' + head.play.who) + '. ' + head.play.says[0] + '.', ...head.play.says.slice(1).filter((s) => !s.startsWith('note: '))];
    by_id('played').replaceChildren(...says.map((s) => element('li', {}, s)));
    by_id('kind').querySelector('[value=differs]').hidden = false;
  }
  const notes = [...head.notes, ...(head.play ? head.play.says.filter((s) => s.startsWith('note: ')).map((s) => s.slice(6)) : [])].filter((n, i, all) => all.indexOf(n) === i);
  if (head.kept < head.told) {
    notes.unshift('The capture has more rows (' + grouped(head.told) + ') than a page bears: ' + grouped(head.kept) + ' are here, in the list as in the graphs: ' +
      (head.one_plain_row_of === 1 ? 'all' : 'one of ' + grouped(head.one_plain_row_of)) + ' of the segments that show nothing in particular, ' +
      (head.one_marked_row_of === 1 ? 'all' : 'one of ' + grouped(head.one_marked_row_of)) + ' of the others. The statistics are of all. --flow, --from and --to choose less.');
  }
  if (head.flows_left_out > 0)
    notes.unshift(grouped(head.flows_left_out) + ' connections more, and their packets, aren\u2019t in this page: `tapdeck replay --list` shows them, --flow N chooses one.');
  by_id('notes').replaceChildren(...notes.map((n) => element('li', {}, n)));
}

function fill_choices() {
  const select = by_id('flow');
  const add = (value, text) => select.append(element('option', { value }, text));
  for (const f of flows)
    add(String(f.stream), 'connection ' + f.stream + ': ' + f.client.endpoint + ' \u2192 ' + f.server.endpoint + ', ' + grouped(f.client.packets + f.server.packets) + ' packets');
  if (other_rows.length > 0 && flows.length > 0) add('other', 'what isn\u2019t TCP: ' + grouped(other_rows.length) + ' packets');
  if (flows.length !== 1 || other_rows.length > 0) add('all', 'all packets');
  by_id('choose').hidden = select.options.length < 2;
  select.addEventListener('change', () => show(select.value));
}

function everything_words() {
  const kinds = new Map();
  for (const r of view.rows) {
    if (r.extra) continue;
    const k = r.tcp ? 'TCP' : r.kind === 'fragment' ? 'fragments' : r.kind.toUpperCase();
    kinds.set(k, (kinds.get(k) || 0) + 1);
  }
  return [...kinds].map(([k, n]) => grouped(n) + ' ' + k).join(', ') + (flows.length > 1 ? '; ' + grouped(flows.length) + ' TCP connections' : '') + '.';
}

function fill_statistics() {
  const table = by_id('stats');
  by_id('statistics').hidden = !view.flow || !view.flow.table;
  by_id('split').classList.toggle('alone', by_id('statistics').hidden);
  table.replaceChildren();
  if (!view.flow || !view.flow.table) return;
  table.append(element('thead', {}, element('tr', {}, element('th', { scope: 'col' }), element('th', { scope: 'col' }, 'client \u2192 server'),
    element('th', { scope: 'col' }, 'server \u2192 client'), element('th', { scope: 'col' }))));
  const body = element('tbody', {});
  for (const [name, a, b, unit] of view.flow.table)
    body.append(element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, a), element('td', {}, b), element('td', { class: 'unit' }, unit)));
  table.append(body);
}

function draw_graphs(stretch) {
  plots.all = [];
  by_id('graphs').hidden = !view.flow;
  if (!view.flow) return;
  const f = view.flow;
  by_id('side' + view.side).checked = true;
  by_id('side0-name').textContent = 'client ' + f.client.endpoint;
  by_id('side1-name').textContent = 'server ' + f.server.endpoint;
  [plots.min, plots.max] = stretch;
  tsg_plot(view.side);
  windows_plot(view.side);
  rtt_plot(view.side);
  show_time(...stretch);
}

/* what: a connection's number, "other" or "all" */
function show(what) {
  view.flow = flow_of.get(Number(what)) || null;
  view.rows = what === 'all' ? rows : what === 'other' ? other_rows : view.flow ? view.flow.rows : rows;
  view.chosen = null;
  by_id('flow').value = what;
  by_id('summary').textContent = view.flow ? view.flow.summary : everything_words();
  if (head.play && head.play.side >= 0) view.side = head.play.side;
  if (view.flow && view.flow.client.unique_bytes + view.flow.server.unique_bytes > 0) view.side = view.flow.server.unique_bytes > view.flow.client.unique_bytes ? 1 : 0;
  draw_graphs(whole_time());
  make_list();
  fill_statistics();
  make_ladder();
  detail(null);
}

function first_shown() {
  if (flows.length === 0) return 'all';
  let most = flows[0];
  for (const f of flows) if (f.client.packets + f.server.packets > most.client.packets + most.server.packets) most = f;
  return String(most.stream);
}

/* ---- what the reader does ---- */

function listen() {
  view.listeners.push(list_shows, ladder_shows, detail, (row) => {
    for (const p of plots.all) p.u.redraw(false);
    if (row && row.number) history.replaceState(null, '', '#' + row.number);
  });
  for (const i of [0, 1]) by_id('side' + i).addEventListener('change', () => { view.side = i; draw_graphs([plots.min, plots.max]); });
  const buttons = { 'zoom-in': () => zoom(0.5), 'zoom-out': () => zoom(2), 'pan-left': () => pan(-0.4), 'pan-right': () => pan(0.4), 'zoom-all': () => show_time(...whole_time()) };
  for (const id in buttons) by_id(id).addEventListener('click', buttons[id]);
  const plot_keys = { '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), 0: () => show_time(...whole_time()), n: () => step_list(1), p: () => step_list(-1) };
  const page = () => Math.max(1, Math.floor(by_id('list').clientHeight / ROW) - 2);
  const list_keys = { ArrowDown: () => step_list(1), ArrowUp: () => step_list(-1), PageDown: () => step_list(page()), PageUp: () => step_list(-page()), Home: () => step_list(-1e9), End: () => step_list(1e9) };
  const keys = (id, map) => by_id(id).addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.altKey || e.metaKey || !map[e.key]) return;
    e.preventDefault();
    map[e.key]();
  });
  for (const id of ['plot-tsg', 'plot-win', 'plot-rtt']) keys(id, plot_keys);
  keys('list', list_keys);
  keys('ladder', list_keys);
  by_id('list').addEventListener('scroll', draw_list);
  by_id('ladder').addEventListener('scroll', draw_ladder);
  by_id('filter').addEventListener('input', fill_list);
  by_id('kind').addEventListener('change', fill_list);
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    for (const p of plots.all) p.u.setSize({ width: plot_width(by_id(p.box)), height: p.height() });
    list.top = -1;
    draw_list();
    place_rails();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const p of plots.all) p.u.redraw(false); });
  const linked = () => {
    const row = rows.find((r) => '#' + r.number === location.hash);
    if (!row) return;
    if (!view.rows.includes(row)) show(row.tcp && flow_of.has(row.stream) ? String(row.stream) : 'all');
    choose(row, 'link');
  };
  addEventListener('hashchange', linked);
  linked();
}

fill_heading();
fill_choices();
show(first_shown());
listen();
document.documentElement.dataset.ready = String(rows.length);
