/* Put into a copy of a report by test_replay_page.sh: does what a reader would, and tells the page around it what came of it. */
const results = { rows: rows.length, failed: !document.getElementById('failed').hidden, wide: document.documentElement.scrollWidth - innerWidth, width: innerWidth };
const press = (id, key) => by_id(id).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
const shown = () => [...document.querySelectorAll('#list tbody tr[aria-rowindex]')].map((tr) => tr.textContent);
const marked = (box) => document.querySelectorAll('#' + box + ' .chosen').length;
/* Pixels of a graph that have one of the page's colours. */
function painted(box, name) {
  const canvas = document.querySelector('#' + box + ' canvas'), c = canvas.getContext('2d');
  const probe = document.createElement('canvas').getContext('2d');
  probe.fillStyle = colour(name);
  probe.fillRect(0, 0, 1, 1);
  const want = probe.getImageData(0, 0, 1, 1).data, got = c.getImageData(0, 0, canvas.width, canvas.height).data;
  let n = 0;
  for (let i = 0; i < got.length; i += 4)
    n += Math.abs(got[i] - want[0]) + Math.abs(got[i + 1] - want[1]) + Math.abs(got[i + 2] - want[2]) < 24 && got[i + 3] > 128;
  return n;
}
if (view.flow) {
  results.painted = Object.fromEntries(['data', 'again', 'ack', 'sack', 'synfin'].map((n) => [n, painted('plot-tsg', n)]));
  results.flight = painted('plot-win', 'flight');
  results.rtt = painted('plot-rtt', 'rtt');
  results.captions = ['c-tsg', 'c-win', 'c-rtt'].map((id) => by_id(id).textContent);
  results.statistics = document.querySelectorAll('#stats tbody tr').length;
  results.arrows = document.querySelectorAll('#ladder g.item .head').length;

  const u = plots.all[0].u, again = view.rows.find((r) => r.again), over = u.over.getBoundingClientRect();
  const at = { clientX: over.left + u.valToPos(again.s, 'x'), clientY: over.top + u.valToPos((again.seq + again.end) / 2, 'y'), bubbles: true };
  u.over.dispatchEvent(new MouseEvent('mousedown', at));
  document.dispatchEvent(new MouseEvent('mouseup', at));
  u.over.dispatchEvent(new MouseEvent('click', at));
  results.clicked = [view.chosen && view.chosen.number, marked('list'), marked('ladder'), by_id('detail').textContent.includes('fast retransmit')];

  const before = plots.max - plots.min;
  by_id('zoom-in').click();
  results.zoomed = (plots.max - plots.min) / before;
  press('plot-tsg', 'ArrowRight');
  press('plot-tsg', '0');
  results.whole = (plots.max - plots.min) / before;
  by_id('side0').click();
  results.side = [view.side, by_id('c-tsg').textContent.includes('The client sent')];
}
const first = document.querySelector('#list tbody tr[aria-rowindex]');
first.click();
results.first = [view.chosen.number, marked('list'), marked('ladder'), location.hash];
press('list', 'ArrowDown');
press('list', 'End');
press('list', 'PageUp');
results.moved = view.chosen.number;
by_id('filter').value = results.rows > 10 ? 'duplicate -#4' : 'nothing is so';
by_id('filter').dispatchEvent(new Event('input'));
results.filtered = shown();
by_id('filter').value = '';
by_id('kind').value = 'comment';
by_id('kind').dispatchEvent(new Event('change'));
results.commented = shown();
results.foreign = document.querySelectorAll('img, b, iframe, object, embed, link, base').length + document.querySelectorAll('script').length - 3; /* data, ours, this */
results.fetched = performance.getEntriesByType('resource').length;
results.alerted = typeof window.alerted;
parent.postMessage(JSON.stringify(results), '*');
