/* replay/host.c: a played host's frames: read, handed in, laid beside what the stack sends
 * (host.h).
 *
 * Frames come from the files in the order of their times; of several at one time those that arrive
 * go first. Each becomes a row. What leaves the stack finds its captured twin among the rows that
 * are open, or becomes a row that waits for it. Rows go out at the front as soon as their verdicts
 * are known, or have been waited for long enough.
 */
#include "replay/host_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "ip/ip.h"
#include "replay/describe.h"
#include "wire/arp.h"
#include "wire/checksum.h"

#define ETHER         14u
#define SETTLE        (5 * TD_SEC) /* run on behind the last frame: what is only late */
#define STEPS_AT_ONCE 100000 /* timers at one instant: more is a stack that goes in a circle */
#define ROUNDS        64     /* of answers that lead to more */
#define REASONS       8      /* lines beside a frame */

const char *const host_verdict_names[HOST_VERDICTS] = {"in",      "missing", "same",  "later",
                                                       "earlier", "differs", "extra", "unseen"};

void host_note(struct host *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&h->sum.notes, fmt, ap);
    va_end(ap);
    text_puts(&h->sum.notes, "\n");
}

const char *host_iface(const struct host *h, unsigned iface)
{
    return h->o.nifs > 1 ? h->iface[iface].name : NULL;
}

/* ---- what leaves ---- */

/* Where no ARP was captured the stack's questions are answered: by who is known, or was not seen at
 * all. */
static void answer_later(struct host *h, const struct host_if *i, const uint8_t *frame, uint32_t n)
{
    struct arp_pkt a;
    unsigned k = (unsigned)(i - h->iface);
    if (i->f.arp || n < ETHER + ARP_LEN || wire_get16(frame + 12) != ETHERTYPE_ARP ||
        arp_parse(&a, frame + ETHER, n - ETHER) != WIRE_OK || a.op != ARP_REQUEST ||
        a.spa == a.tpa || a.spa == 0 || h->nanswers == 64)
        return;
    struct td_mac mac = {{2, 0}};
    wire_put32(mac.b + 2, a.tpa);
    bool known = facts_mac_of(&i->f, a.tpa, &mac);
    if (!known && i->f.captured)
        return;
    for (unsigned f = 0; f < h->o.nifs; f++)
        if (!known && facts_gone(&h->iface[f].f, a.tpa))
            return;
    h->answer[h->nanswers++] =
        (struct answer){.iface = k, .spa = a.tpa, .tpa = a.spa, .mac = mac, .sha = a.sha};
}

static void describe(const uint8_t *frame, uint32_t n, struct text *out)
{
    struct viewer w = {0};
    struct view v;
    const struct capture_frame f = {
        .link = 1, .caplen = n, .len = n, .bytes = frame, .timed = true};
    if (view_make(&w, &f, 1, &v) == VIEW_OK)
        host_describe(&v, out);
    viewer_done(&w);
}

static int transmit(void *dev, const struct pkt *p)
{
    struct host_if *i = dev;
    struct host *h = i->h;
    unsigned k = (unsigned)(i - h->iface);
    static const unsigned most = sizeof(h->norm);
    uint8_t *frame = p->len <= most ? malloc(p->len + 1) : NULL;
    if (frame == NULL || !pkt_read(p, 0, frame, p->len)) {
        free(frame);
        return 0;
    }
    uint32_t len = p->len, n = norm_make(h->norm, frame, len);
    if (h->hops > 0 && n >= ETHER + IPV4_HLEN && wire_get16(h->norm + 12) == ETHERTYPE_IPV4 &&
        h->norm[ETHER + 8] > h->hops)
        h->norm[ETHER + 8] =
            (uint8_t)(h->norm[ETHER + 8] - h->hops); /* as it is where it was captured */
    td_time at = td_stack_now(h->st) - HOST_START;
    answer_later(h, i, frame, len);
    if (h->recording) {
        struct host_entry *r = host_row_twin(h, k, true, h->norm, n, n, false), *like = NULL;
        if (r == NULL)
            r = like = host_row_twin(h, k, true, h->norm, n, n, true);
        if (r != NULL) {
            if (like != NULL)
                host_row_differs(r, h->norm, n);
            host_row_verdict(h, r, at, like != NULL);
            r->pkt = p->id;
            r->cause = h->hearing;
        } else if (!h->closed) {
            r = host_row_add(h, k, true);
            r->open = r->untold = true;
            r->pkt = p->id;
            r->cause = h->hearing;
            r->r.sent_at = at;
            r->r.has_sent = true;
            if (h->hops > 0 && n > ETHER + 8)
                frame[ETHER + 8] = h->norm[ETHER + 8];
            if (host_row_frame(h, r, frame, len, len) && !host_row_seen(h, r))
                host_row_close(h, r);
            describe(frame, len, &r->r.what);
        }
    }
    free(frame);
    return 0;
}

static const struct td_device_ops ops = {.transmit = transmit};

const struct td_device_ops *host_device(void)
{
    return &ops;
}

static void arrived(void *ctx, const struct link_sight *s)
{
    struct host *h = ctx;
    if (!s->out && !s->bare)
        h->in_pkt = s->p->id;
}

/* ---- time ---- */

static void answers(struct host *h)
{
    uint8_t b[ETH_MIN_FRAME] = {0};
    struct answer a = h->answer[0];
    h->nanswers--;
    memmove(h->answer, h->answer + 1, h->nanswers * sizeof(a));
    const struct eth_hdr e = {
        .dst = h->iface[a.iface].f.mac, .src = a.mac, .type = ETHERTYPE_ARP, .hlen = ETH_HLEN};
    const struct arp_pkt reply = {
        .op = ARP_REPLY, .sha = a.mac, .spa = a.spa, .tha = a.sha, .tpa = a.tpa};
    (void)eth_emit(&e, b);
    (void)arp_emit(&reply, b + ETHER);
    (void)td_stack_input_bytes(h->st, h->iface[a.iface].index, b, sizeof(b), td_stack_now(h->st));
    h->answered = td_stack_now(h->st);
}

void host_settle(struct host *h)
{
    td_time now = td_stack_now(h->st);
    td_stack_flush(h->st, now);
    for (unsigned n = 0; n < ROUNDS && h->nanswers > 0; n++) {
        answers(h);
        td_stack_flush(h->st, now);
    }
    h->nanswers = 0;
    if (h->unread) {
        app_read(h);
        td_stack_flush(h->st, now);
        h->unread = false;
    }
    host_rows_tell(h);
}

void host_run(struct host *h, td_time until, bool at)
{
    td_time last = 0, next;
    unsigned same = 0;
    while ((next = td_stack_next_deadline(h->st)) != TD_NEVER &&
           (next < until || (at && next == until))) {
        same = next == last ? same + 1 : 0;
        last = next;
        if (same > STEPS_AT_ONCE)
            break;
        td_stack_tick(h->st, next);
        host_settle(h);
    }
    if (td_stack_now(h->st) < until)
        td_stack_clock(h->st, until);
}

/* ---- a captured frame ---- */

/* Right checksums, where they weren't or where zeros took the place of what wasn't captured. */
static bool repair(struct item *it)
{
    struct view *v = &it->v;
    uint8_t *ip = it->frame + ETHER, *l4 = ip + v->ip.hlen;
    uint32_t n = (uint32_t)v->ip.total_len - v->ip.hlen, there = v->frame_len - ETHER;
    bool wrong = v->ip_sum == SUM_BAD || (!v->fragment && (v->l4_sum == SUM_BAD || v->filled > 0));
    if (v->net != VIEW_IPV4 || !wrong || v->ip.total_len > there || v->ip.total_len < v->ip.hlen)
        return false;
    wire_put16(ip + 10, 0);
    wire_put16(ip + 10, checksum_finish(checksum_add(0, ip, v->ip.hlen)));
    uint32_t at = v->proto == IPPROTO_TCP_ ? 16 : v->proto == IPPROTO_UDP_ ? 6 : 2;
    if (v->fragment || n < at + 2 ||
        (v->proto != IPPROTO_TCP_ && v->proto != IPPROTO_UDP_ && v->proto != IPPROTO_ICMP_) ||
        (v->proto == IPPROTO_UDP_ && wire_get16(l4 + at) == 0))
        return true;
    uint32_t sum = v->proto == IPPROTO_ICMP_
                       ? 0
                       : checksum_pseudo(v->ip.src, v->ip.dst, v->proto, (uint16_t)n);
    wire_put16(l4 + at, 0);
    uint16_t done = checksum_finish(checksum_add(sum, l4, n));
    wire_put16(l4 + at, done == 0 && v->proto == IPPROTO_UDP_ ? 0xffff : done);
    return true;
}

static bool left_out(const struct host *h, const struct view *v)
{
    return v->has_tcp && !h->nat_or_router && ip_is_local(h->st, v->ip.dst) &&
           bit_get(h->ports->tcp, facts_tcp_bit(v->ip.src, v->sport, v->ip.dst, v->dport));
}

static void hear(struct host *h, struct item *it, struct host_entry *r)
{
    const struct view *v = &it->v;
    r->r.verdict = HOST_IN;
    host_heard(h, it);
    if (left_out(h, v)) {
        h->sum.left_out++;
        text_puts(&r->r.why,
                  "not handed in: a connection of this host, which `--play ADDR:PORT` plays\n");
        return;
    }
    bool bad =
        v->net == VIEW_IPV4 && (v->ip_sum == SUM_BAD || (!v->fragment && v->l4_sum == SUM_BAD));
    if (bad && h->o.sums == SUMS_DROP) {
        h->sum.dropped++;
        text_puts(&r->r.why, "not handed in: its checksum is wrong\n");
        return;
    }
    if (h->o.sums == SUMS_REPAIR && repair(it)) {
        h->sum.repaired++;
        text_puts(&r->r.why, "handed in with a checksum that is right\n");
    }
    if (h->hops > 0 && v->net == VIEW_IPV4 && v->ip.ttl > h->hops) {
        it->frame[ETHER + 8] = (uint8_t)(v->ip.ttl - h->hops);
        wire_put16(it->frame + ETHER + 10, 0);
        wire_put16(it->frame + ETHER + 10,
                   checksum_finish(checksum_add(0, it->frame + ETHER, v->ip.hlen)));
    }
    app_before(h, it);
    if (v->net == VIEW_IPV4 && v->fragment)
        host_part_came(h, it);
    h->unread = true;
    h->in_pkt = 0;
    (void)td_stack_input_bytes(h->st, h->iface[it->iface].index, it->frame, v->frame_len,
                               td_stack_now(h->st));
    r->pkt = h->in_pkt;
    r->untold = true;
    if (h->in_pkt != 0) {
        h->names[h->in_pkt % 4096].pkt = h->in_pkt;
        h->names[h->in_pkt % 4096].number = v->number;
    }
}

/* What a router sent may still be on its way through the stack: then its own applications are asked
 * a little later (true: the item is kept for that). */
static bool said(struct host *h, struct item *it, struct host_entry *r, bool now)
{
    const struct view *v = &it->v;
    struct text why = {0};
    r->open = true;
    if (!now && !host_row_frame(h, r, it->frame, v->frame_len, v->frame_len - v->filled))
        return false;
    struct host_entry *sent = host_row_twin(h, it->iface, false, r->norm, r->n, r->kept, false);
    if (sent == NULL && !it->done && h->o.nifs > 1 && v->net == VIEW_IPV4 && host_passes(h, it))
        return false; /* it is on its way */
    if (sent == NULL && !it->done && !now && h->o.nifs > 1 && h->nlate < HOST_LATE &&
        v->net == VIEW_IPV4 && ip_is_local(h->st, v->ip.src)) {
        h->late[h->nlate++] = (struct late){it, r};
        return true;
    }
    if (sent == NULL && !it->done) {
        if (v->net == VIEW_ARP)
            app_arp(h, it, &why);
        else
            (void)app_send(h, it, &why);
        /* The row stays where it is while what is sent is added behind it, unless it is closed for
         * lack of room. */
        host_settle(h);
        if (why.s != NULL)
            text_puts(&r->r.why, why.s);
        text_free(&why);
        if (r->open)
            sent = host_row_twin(h, it->iface, false, r->norm, r->n, r->kept, true);
        if (sent != NULL)
            host_row_differs(r, sent->norm, sent->n);
        if (sent != NULL)
            host_row_verdict(h, r, sent->r.sent_at, true);
    } else if (sent != NULL) {
        host_row_verdict(h, r, sent->r.sent_at, false);
    }
    if (sent != NULL) {
        r->pkt = sent->pkt;
        r->cause = sent->cause;
        sent->gone = true;
        sent->open = sent->untold = false;
    }
    return false;
}

/* Those that time has come for, until then. */
static void say_late(struct host *h, td_time until)
{
    while (h->nlate > 0 && HOST_START + h->late[0].it->at + HOST_LATENESS <= until) {
        struct late l = h->late[0];
        h->nlate--;
        memmove(h->late, h->late + 1, h->nlate * sizeof(l));
        host_run(h, HOST_START + l.it->at + HOST_LATENESS, true);
        if (l.r->open && l.r->r.number == l.it->v.number && l.r->r.at == l.it->at) {
            (void)said(h, l.it, l.r, true);
            host_settle(h);
        }
        host_item_free(l.it);
    }
}

bool host_step(struct host *h)
{
    struct item *it = host_look_take(h);
    if (it == NULL)
        return false;
    td_time at = HOST_START + it->at;
    h->recording = true;
    say_late(h, at);
    host_do_timed(h, at);
    app_probe(h, it);
    host_run(h, at, it->out);
    host_rows_out(h, it->at);
    struct host_entry *r = host_row_add(h, it->iface, it->out);
    r->r.number = it->v.number;
    r->r.at = it->at;
    host_describe(&it->v, &r->r.what);
    bool kept = it->out && said(h, it, r, false);
    h->hearing = it->out ? 0 : it->v.number;
    if (!it->out)
        hear(h, it, r);
    host_settle(h);
    h->hearing = 0;
    h->tape.steps++;
    h->tape.frame = (struct tape_frame){.number = h->o.nifs > 1 ? h->tape.steps : it->v.number,
                                        .at = it->at,
                                        .wall = it->v.wall,
                                        .dir = it->out ? TAPE_OUT : TAPE_IN,
                                        .ifindex = h->iface[it->iface].index};
    free(h->now);
    h->now = malloc(it->v.frame_len);
    if (h->now != NULL)
        memcpy(h->now, it->frame, it->v.frame_len);
    h->tape.frame.bytes = h->now;
    h->tape.frame.len = h->now != NULL ? it->v.frame_len : 0;
    h->now_row = r;
    if (!kept)
        host_item_free(it);
    return true;
}

void host_finish(struct host *h)
{
    td_time end = td_stack_now(h->st) + SETTLE;
    h->closed = true;
    say_late(h, end);
    host_run(h, end, true);
    host_rows_out(h, TD_NEVER);
}

/* ---- opening ---- */

struct host *host_open(const struct host_options *o, int *status, char *msg, size_t msg_size)
{
    struct host *h = calloc(1, sizeof(*h));
    *status = EXIT_FAILED;
    (void)snprintf(msg, msg_size, "out of memory");
    if (h == NULL)
        return NULL;
    h->o = *o;
    h->nat_or_router = o->nifs > 1;
    h->ports = calloc(1, sizeof(*h->ports));
    if (h->ports != NULL)
        *status = host_load(h, msg, msg_size);
    if (*status == EXIT_DONE)
        *status = host_setup(h, msg, msg_size);
    if (*status == EXIT_DONE && (h->reasons = reasons_open(h->st)) == NULL)
        *status = EXIT_FAILED;
    if (*status != EXIT_DONE) {
        host_close(h);
        return NULL;
    }
    h->observer = (struct link_observer){.fn = arrived, .ctx = h};
    link_observe(h->st, &h->observer);
    host_run(h, HOST_START, false);
    host_settle(h);
    msg[0] = '\0';
    return h;
}

const struct host_sum *host_summary(const struct host *h)
{
    return &h->sum;
}

void host_close(struct host *h)
{
    if (h == NULL)
        return;
    while (h->row_n > 0) {
        h->o.row = NULL;
        host_row_pop(h);
    }
    for (unsigned i = 0; i < h->look_n; i++)
        host_item_free(host_look_item(h, i));
    for (unsigned i = 0; i < h->nlate; i++)
        host_item_free(h->late[i].it);
    free(h->now);
    for (unsigned n = 0; n < HOST_IFS; n++) {
        for (struct item *it = h->feed[n].next, *more; it != NULL; it = more) {
            more = it->more;
            host_item_free(it);
        }
        viewer_done(&h->feed[n].viewer);
        capture_close(h->feed[n].reader);
        mapped_close(&h->feed[n].map);
        diary_book_free(&h->feed[n].book);
    }
    reasons_close(h->reasons);
    if (h->st != NULL) {
        deck_done(&h->deck);
        td_stack_free(h->st);
    }
    text_free(&h->sum.notes);
    free(h->ports);
    free(h);
}

/* ---- as a tape ---- */

static struct host *of(const struct tape *t)
{
    return (struct host *)((char *)(uintptr_t)t - offsetof(struct host, tape));
}

static enum tape_step tape_on(struct tape *t, char *msg, size_t msg_size)
{
    (void)msg;
    (void)msg_size;
    return host_step(of(t)) ? TAPE_FRAME : TAPE_END;
}

static void tape_line(const struct tape *t, struct text *out)
{
    const struct host *h = of(t);
    const struct host_entry *r = h->now_row;
    if (r == NULL || t->frame.number == 0)
        return;
    text_printf(out, "%6" PRIu64 " %11.6f  %-7s  ", r->r.number, (double)r->r.at / 1e9,
                r->open ? "not yet" : host_verdict_names[r->r.verdict]);
    if (h->o.nifs > 1)
        text_printf(out, "%-6s  ", h->iface[r->r.iface].name);
    text_puts(out, r->r.what.s != NULL ? r->r.what.s : "");
}

static void tape_close(struct tape *t)
{
    host_close(of(t));
}

struct tape *host_tape(struct host *h)
{
    static const struct tape_ops tape_ops = {
        .kind = "capture", .step = tape_on, .line = tape_line, .close = tape_close};
    h->tape.ops = &tape_ops;
    h->tape.deck = &h->deck;
    return &h->tape;
}
