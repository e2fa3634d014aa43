/* replay/quiz_read.c: a capture as the rows of a quiz (quiz.h).
 *
 * The tracker needs the flow from its beginning, so everything before the list is read too, and
 * nothing behind it. A capture without TCP is a list of all its packets.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "core/table.h"
#include "replay/describe.h"
#include "replay/play.h"
#include "replay/quiz.h"
#include "wire/eth.h"
#include "wire/icmp.h"

struct reading {
    struct quiz *q;
    struct flows flows;
    const struct flow *flow;          /* the one that is asked about, once it has been met */
    uint64_t packets, readable, seen; /* seen: of the flow, or of what isn't TCP */
    int64_t now, first;
    struct flow *last; /* the flow that the last row is of */
    bool any_tcp;
};

static struct quiz_row *add_row(struct quiz *q)
{
    if (q->nrows == q->room) {
        size_t more = q->room == 0 ? 64 : 2 * q->room;
        struct quiz_row *grown = realloc(q->row, more * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        q->row = grown;
        q->room = more;
    }
    struct quiz_row *r = &q->row[q->nrows++];
    *r = (struct quiz_row){0};
    return r;
}

static bool full(const struct reading *g)
{
    return g->q->nrows >= (g->q->o.to > 0 ? QUIZ_ROWS_MAX : QUIZ_ROWS);
}

/* Does this packet stand in the list? */
static bool listed(const struct reading *g, uint64_t number)
{
    const struct quiz_options *o = &g->q->o;
    if (number < o->from || (o->to > 0 && number > o->to))
        return false;
    return !full(g);
}

static int take_tcp(struct reading *g, struct flow *f, int side, const struct view *v)
{
    struct quiz *q = g->q;
    struct track_row row;
    if (q->o.flow >= 0 ? f->number != (uint64_t)q->o.flow : f->number != 0)
        return EXIT_DONE;
    if (!track_packet(f, side, v, g->now, false, &row))
        return EXIT_FAILED;
    if (g->seen++ == 0)
        g->first = g->now;
    g->last = f;
    if (!listed(g, v->number))
        return EXIT_DONE;
    struct quiz_row *r = add_row(q);
    if (r == NULL)
        return EXIT_FAILED;
    if (q->nrows == 1) {
        q->begins = g->seen == 1;
        q->first_state[0] = row.before[0];
        q->first_state[1] = row.before[1];
    }
    r->r = row;
    r->r.t -= g->first;
    r->seq = v->tcp.seq;
    r->ack = v->tcp.ack;
    r->wnd = v->tcp.wnd;
    r->o = v->tcp.o;
    if (!q->isn_known[side]) {
        q->isn_known[side] = true;
        q->isn[side] = r->seq - (tcp_seq)row.seq;
    }
    if ((row.flags & TCP_ACK) && !q->isn_known[1 - side] && row.ack != 0) {
        q->isn_known[1 - side] = true;
        q->isn[1 - side] = r->ack - (tcp_seq)row.ack;
    }
    return EXIT_DONE;
}

static void mac_text(const uint8_t m[6], char dst[18])
{
    (void)snprintf(dst, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void read_arp(const struct view *v, struct quiz_row *r)
{
    const uint8_t *b = v->frame + ETH_HLEN;
    if (v->frame_len - v->filled < ETH_HLEN + 28 || wire_get16(b + 2) != ETHERTYPE_IPV4)
        return;
    r->request = wire_get16(b + 6) == 1;
    r->reply = wire_get16(b + 6) == 2;
    r->says = wire_get32(b + 14);
    r->asks = wire_get32(b + 24);
    mac_text(b + 8, r->mac);
}

static int take_other(struct reading *g, const struct view *v)
{
    struct text line = {0};
    if (g->q->nrows > 0 && g->any_tcp)
        return EXIT_DONE;
    if (g->seen++ == 0)
        g->first = g->now;
    if (!listed(g, v->number))
        return EXIT_DONE;
    struct quiz_row *r = add_row(g->q);
    if (r == NULL)
        return EXIT_FAILED;
    r->r.number = v->number;
    r->r.t = g->now - g->first;
    r->r.rtt = -1;
    r->kind = describe_packet(v, &line);
    r->what = line.s;
    if (v->net == VIEW_ARP)
        read_arp(v, r);
    if (v->net == VIEW_IPV4) {
        r->ip = true;
        (void)snprintf(r->from, sizeof(r->from), "%u.%u.%u.%u", v->src[12], v->src[13], v->src[14],
                       v->src[15]);
        (void)snprintf(r->to, sizeof(r->to), "%u.%u.%u.%u", v->dst[12], v->dst[13], v->dst[14],
                       v->dst[15]);
        r->ttl = v->ip.ttl;
        r->id = v->ip.id;
        r->offset = v->ip.frag_off;
        r->payload = v->ip.total_len - v->ip.hlen;
        r->more = (v->ip.flags & IPV4_MF) != 0;
    }
    return EXIT_DONE;
}

static void forget_rows(struct quiz *q)
{
    for (size_t i = 0; i < q->nrows; i++)
        free(q->row[i].what);
    q->nrows = 0;
}

static bool about_other(const struct quiz *q)
{
    return q->o.flow < 0 && (q->o.fields & ~QUIZ_OTHER) == 0;
}

/* A capture with a connection is about connections: what isn't is let go when the first is met. */
static int take(struct reading *g, const struct view *v)
{
    int side;
    struct flow *f = flows_packet(&g->flows, v, &side);
    bool only_other = about_other(g->q);
    if (f == NULL || only_other)
        return f == NULL && (only_other || !g->any_tcp) ? take_other(g, v) : EXIT_DONE;
    if (!g->any_tcp) {
        g->any_tcp = true;
        forget_rows(g->q);
        g->seen = 0;
    }
    return take_tcp(g, f, side, v);
}

static int finish(struct reading *g, char *msg, size_t msg_size)
{
    struct quiz *q = g->q;
    q->tcp = g->any_tcp && !about_other(q);
    q->more = g->seen - q->nrows;
    if (q->nrows == 0 && g->readable == 0)
        (void)snprintf(msg, msg_size, "%s: there is no packet in it whose headers can be read",
                       q->o.file);
    else if (q->o.flow >= 0 && flows_number(&g->flows, (uint32_t)q->o.flow) == NULL &&
             g->flows.count == 0)
        (void)snprintf(msg, msg_size, "%s: there is no TCP connection in it", q->o.file);
    else if (q->o.flow >= 0 && flows_number(&g->flows, (uint32_t)q->o.flow) == NULL)
        (void)snprintf(msg, msg_size,
                       "%s: there is no flow %" PRId64
                       "; the last is %u: `replay --list` shows them",
                       q->o.file, q->o.flow, g->flows.count - 1);
    else if (q->nrows == 0)
        (void)snprintf(
            msg, msg_size,
            "%s: none of its packets that could be asked about lies between --from and --to",
            q->o.file);
    else if (!q->tcp && (q->o.fields & QUIZ_OTHER) == 0)
        (void)snprintf(
            msg, msg_size,
            "%s: there is no TCP connection in it: --hide arp, ip.ttl or ip.frag can be asked",
            q->o.file);
    else {
        const struct flow *f = g->last;
        for (int i = 0; f != NULL && i < 2; i++) {
            view_endpoint(f->side[i].addr, f->side[i].port, q->end[i]);
            track_facts(f, i, &q->facts[i]);
        }
        q->flow = f != NULL ? f->number : 0;
        return EXIT_DONE;
    }
    return EXIT_USAGE;
}

int quiz_read(struct quiz *q, struct capture_reader *r, char *msg, size_t msg_size)
{
    struct reading g = {.q = q};
    struct viewer viewer = {0};
    struct capture_frame f;
    struct view v;
    int status = EXIT_DONE, got = 0;
    flows_init(&g.flows);
    while (status == EXIT_DONE && (got = capture_next(r, &f, msg, msg_size)) == 1) {
        g.packets++;
        if (f.timed && (g.packets == 1 || view_wall(&f) > g.now))
            g.now = view_wall(&f);
        if (view_make(&viewer, &f, g.packets, &v) != VIEW_OK)
            continue;
        g.readable++;
        status = take(&g, &v);
        if ((q->o.to > 0 && g.packets >= q->o.to) || (full(&g) && (g.any_tcp || about_other(q))))
            break;
    }
    viewer_done(&viewer);
    if (status == EXIT_FAILED)
        (void)snprintf(msg, msg_size, "out of memory");
    else if (got >= 0 || g.packets > 0)
        status = finish(&g, msg, msg_size);
    else
        status = EXIT_USAGE; /* msg says what is wrong with the file */
    for (struct flow *flow = g.flows.head; flow != NULL; flow = flow->next)
        track_free(flow);
    flows_done(&g.flows);
    return status;
}

/* ---- the played end ---- */

static const struct value *column(const struct table *t, const struct row *row, const char *name)
{
    for (unsigned i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &row->v[i];
    return NULL;
}

static uint64_t number(const struct table *t, const struct row *row, const char *name)
{
    const struct value *v = column(t, row, name);
    return v != NULL && v->type != VAL_NONE && v->type != VAL_STR ? v->u : 0;
}

static const char *word(const struct table *t, const struct row *row, const char *name)
{
    const struct value *v = column(t, row, name);
    return v != NULL && v->type == VAL_STR && v->s != NULL ? v->s : "";
}

static void look(struct td_stack *st, struct quiz_truth *x)
{
    const struct table *t = table_find(st, "tcp");
    struct row row;
    uint64_t cursor = 0;
    while (t != NULL && t->next(st, &cursor, &row)) {
        const struct value *thresh = column(t, &row, "ssthresh");
        if (strcmp(word(t, &row, "state"), "LISTEN") == 0 || number(t, &row, "cwnd") == 0)
            continue;
        *x = (struct quiz_truth){.known = true,
                                 .never_lost = thresh == NULL || thresh->type == VAL_NONE};
        x->cwnd = (uint32_t)number(t, &row, "cwnd");
        x->ssthresh = (uint32_t)number(t, &row, "ssthresh");
        x->mss = (uint32_t)number(t, &row, "mss");
        x->backoff = (uint32_t)number(t, &row, "backoff");
        x->rto = number(t, &row, "rto");
        x->srtt = number(t, &row, "rtt");
        x->rttvar = number(t, &row, "rttvar");
        (void)snprintf(x->cc, sizeof(x->cc), "%s", word(t, &row, "cc"));
        if (strcmp(word(t, &row, "timer"), "on") == 0)
            x->timer = number(t, &row, "expires");
        return;
    }
}

/* Frames come in the order of the file, one end's a little later if the capture was made at a
 * distance. */
static struct quiz_row *row_of(struct quiz *q, uint64_t number, size_t *at)
{
    for (size_t i = 0; i < q->nrows && i <= 64; i++) {
        size_t k = (*at + i) % q->nrows;
        if (q->row[k].r.number == number) {
            *at = k + 1;
            return &q->row[k];
        }
    }
    return NULL;
}

/* A frame that the stack would not have sent so changes what comes after it; so does one that only
 * the captured host's window let it send (play_app.c): its own isn't that host's then. */
static void believe(struct quiz *q, struct play *p, uint64_t beyond)
{
    td_time from = p->first.captured.number != 0 ? p->first.captured.at : p->first.sent.at;
    uint64_t number = 0;
    for (size_t i = 0; p->diverged && number == 0 && i < p->ncap; i++)
        if (play_scan(p, i)->at >= from)
            number = p->cap[i].number;
    spool_rewind(&p->frames);
    q->differs = beyond != 0 && (number == 0 || beyond < number) ? beyond : number;
    for (size_t i = 0; i < q->nrows; i++)
        if (q->differs != 0 && q->row[i].r.number >= q->differs)
            q->row[i].truth.known = false;
}

int quiz_play(struct quiz *q, struct capture_reader *r, char *msg, size_t msg_size)
{
    struct play p;
    const struct play_frame *f;
    size_t at = 0;
    uint64_t beyond = 0; /* the first frame that its own window would have held back */
    if (!q->tcp) {
        (void)snprintf(msg, msg_size,
                       "%s: there is no TCP connection in it, and so no end to --play", q->o.file);
        return EXIT_USAGE;
    }
    int status = play_load(&p, r, q->o.file, q->flow, q->o.play, msg, msg_size);
    p.knob = q->o.knob;
    p.nknobs = q->o.nknobs;
    struct player *player = status == EXIT_DONE ? player_open(&p, &status, msg, msg_size) : NULL;
    while (player != NULL && player_step(player, &f)) {
        struct quiz_row *row = row_of(q, f->number, &at);
        if (row != NULL)
            look(player_stack(player), &row->truth);
        if (beyond == 0 && p.beyond > 0)
            beyond = f->number;
    }
    if (player != NULL) {
        player_finish(player);
        q->played = p.side;
        believe(q, &p, beyond);
        player_close(player);
    }
    if (status == EXIT_DONE && p.no_memory) {
        (void)snprintf(msg, msg_size, "out of memory");
        status = EXIT_FAILED;
    }
    play_done(&p);
    return status;
}
