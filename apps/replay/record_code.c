/* replay/record_code.c: the fields of every kind of call: see record_code.h.
 *
 * Where a struct of the door's has got a new field its size has changed, and the assertion beside
 * its function fails: the field belongs into the function, and the format's version (record_log.h)
 * goes up.
 */
#include "replay/record_code.h"

#include <endian.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "core/pkt.h"
#include "tapdeck/loss.h"
#include "tapdeck/organs.h"
#include "tapdeck/reassembly.h"

#define IOVS_MAX 1024

struct record_coder record_writer(uint8_t *at, size_t size, struct record_room *room)
{
    return (struct record_coder){.at = at, .end = at + size, .room = room};
}

struct record_coder record_reader(const uint8_t *bytes, size_t len, struct record_room *room)
{
    uint8_t *at = (uint8_t *)(uintptr_t)bytes; /* nothing is written through it */
    return (struct record_coder){.at = at, .end = at + len, .reading = true, .room = room};
}

void record_room_done(struct record_room *room)
{
    free(room->iov);
    free(room->change);
    free(room->path);
    free(room->bytes);
    free(room->name);
    free(room->control);
    memset(room, 0, sizeof(*room));
}

/* Room for n elements; what was there is forgotten. False: no memory. */
static bool room_for(void **array, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap)
        return true;
    free(*array);
    *array = calloc(n, size);
    *cap = *array != NULL ? n : 0;
    return *array != NULL;
}

/* ---- numbers and bytes ---- */

/* So many bytes: where they are, or are to be; NULL: there aren't so many. */
static uint8_t *take(struct record_coder *c, size_t n)
{
    uint8_t *at = c->at;
    if (c->full || c->bad || (size_t)(c->end - c->at) < n) {
        c->bad = c->bad || c->reading;
        c->full = c->full || !c->reading;
        return NULL;
    }
    c->at += n;
    return at;
}

static void write_u64(struct record_coder *c, uint64_t v)
{
    uint8_t b[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    uint8_t *to = take(c, n);
    if (to != NULL)
        memcpy(to, b, n);
}

static uint64_t read_u64(struct record_coder *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *b = take(c, 1);
        if (b == NULL)
            return 0;
        if (shift == 63 && *b > 1)
            break;
        v |= (uint64_t)(*b & 0x7f) << shift;
        if (*b < 0x80)
            return v;
    }
    c->bad = true;
    return 0;
}

void code_u64(struct record_coder *c, uint64_t *v)
{
    if (c->reading)
        *v = read_u64(c);
    else
        write_u64(c, *v);
}

static uint64_t limited(struct record_coder *c, uint64_t v, uint64_t most)
{
    code_u64(c, &v);
    if (v > most)
        c->bad = true;
    return v > most ? 0 : v;
}

void code_u32(struct record_coder *c, uint32_t *v)
{
    *v = (uint32_t)limited(c, *v, UINT32_MAX);
}

void code_u16(struct record_coder *c, uint16_t *v)
{
    *v = (uint16_t)limited(c, *v, UINT16_MAX);
}

void code_u8(struct record_coder *c, uint8_t *v)
{
    *v = (uint8_t)limited(c, *v, UINT8_MAX);
}

void code_bool(struct record_coder *c, bool *v)
{
    *v = limited(c, *v, 1) != 0;
}

void code_i64(struct record_coder *c, int64_t *v)
{
    uint64_t folded = (uint64_t)*v << 1 ^ (*v < 0 ? UINT64_MAX : 0);
    code_u64(c, &folded);
    if (c->reading)
        *v = (int64_t)(folded >> 1 ^ (0 - (folded & 1)));
}

void code_int(struct record_coder *c, int *v)
{
    int64_t wide = *v;
    code_i64(c, &wide);
    if (wide < INT32_MIN || wide > INT32_MAX)
        c->bad = true;
    else
        *v = (int)wide;
}

/* A flag or an enumeration of the public headers: a number under n. */
static unsigned code_word(struct record_coder *c, unsigned v, unsigned n)
{
    return (unsigned)limited(c, v, n - 1);
}

void code_fixed(struct record_coder *c, void *bytes, size_t n)
{
    uint8_t *b = take(c, n);
    if (b != NULL)
        memcpy(c->reading ? bytes : b, c->reading ? b : bytes, n);
}

void code_name(struct record_coder *c, char *s, size_t size)
{
    uint64_t len = c->reading ? 0 : strnlen(s, size);
    code_u64(c, &len);
    if (len >= size && c->reading) {
        c->bad = true;
        return;
    }
    if (c->reading)
        memset(s, 0, size);
    code_fixed(c, s, (size_t)len);
    if (c->reading && memchr(s, 0, size) != s + len)
        c->bad = true;
}

void code_blob(struct record_coder *c, const void **bytes, size_t *len)
{
    uint64_t n = *bytes != NULL ? (uint64_t)*len + 1 : 0;
    code_u64(c, &n);
    if (c->reading) {
        *bytes = n > 0 ? take(c, (size_t)(n - 1)) : NULL;
        *len = *bytes != NULL ? (size_t)(n - 1) : 0;
    } else if (n > 1) {
        uint8_t *to = take(c, *len);
        if (to != NULL)
            memcpy(to, *bytes, *len);
    }
}

void code_text(struct record_coder *c, const char **s)
{
    const void *bytes = *s;
    size_t len = bytes != NULL ? strlen(*s) + 1 : 0;
    code_blob(c, &bytes, &len);
    if (!c->reading)
        return;
    if (bytes != NULL && (len == 0 || memchr(bytes, 0, len) != (const char *)bytes + len - 1)) {
        c->bad = true;
        bytes = NULL;
    }
    *s = bytes;
}

/* The same, moved to memory of its own that is aligned for any struct: sockets' names and options.
 */
static void *code_aligned(struct record_coder *c, const void *bytes, size_t *len, uint8_t **own,
                          size_t *cap)
{
    code_blob(c, &bytes, len);
    if (!c->reading)
        return NULL;
    if (bytes == NULL)
        return NULL;
    void *array = *own;
    bool good = room_for(&array, cap, *len + 1, 1);
    *own = array;
    if (!good) {
        c->bad = true;
        return NULL;
    }
    memcpy(*own, bytes, *len);
    return *own;
}

#define FIELD(c, x)                                                                                \
    _Generic((x), uint8_t                                                                          \
             : code_u8, uint16_t                                                                   \
             : code_u16, uint32_t                                                                  \
             : code_u32, uint64_t                                                                  \
             : code_u64, int64_t                                                                   \
             : code_i64, int                                                                       \
             : code_int, bool                                                                      \
             : code_bool)((c), &(x))
/* Is something pointed at? What was, if so, lies in `own` from here on. */
#define THERE(c, pointer, own) there((c), (pointer) != NULL, (pointer), (own), sizeof(*(own)))

static bool there(struct record_coder *c, bool is, const void *from, void *own, size_t size)
{
    code_bool(c, &is);
    if (is && !c->reading)
        memcpy(own, from, size);
    else
        memset(own, 0, size);
    return is;
}

static void code_mac(struct record_coder *c, struct td_mac *mac)
{
    code_fixed(c, mac->b, sizeof(mac->b));
}

/* ---- structs ---- */

_Static_assert(sizeof(struct td_if_config) == 56, "a field is new: see the top");
static void code_config(struct record_coder *c, struct td_if_config *i)
{
    code_name(c, i->name, sizeof(i->name));
    code_mac(c, &i->mac);
    FIELD(c, i->mtu);
    FIELD(c, i->flags);
    FIELD(c, i->txqueuelen);
    c->room->has_device = c->reading ? false : i->ops != NULL;
    FIELD(c, c->room->has_device);
}

_Static_assert(sizeof(struct td_netem) == 160, "a field is new: see the top");
static void code_netem(struct record_coder *c, struct td_netem *n)
{
    FIELD(c, n->rate);
    FIELD(c, n->delay);
    FIELD(c, n->jitter);
    FIELD(c, n->loss);
    FIELD(c, n->duplicate);
    FIELD(c, n->corrupt);
    FIELD(c, n->reorder);
    FIELD(c, n->gap);
    FIELD(c, n->ge_p);
    FIELD(c, n->ge_r);
    FIELD(c, n->ge_bad);
    FIELD(c, n->ge_good);
    FIELD(c, n->limit);
    FIELD(c, n->seed);
    FIELD(c, n->delay_corr);
    FIELD(c, n->loss_corr);
    FIELD(c, n->duplicate_corr);
    FIELD(c, n->corrupt_corr);
    FIELD(c, n->reorder_corr);
    n->dist = (enum td_netem_dist)code_word(c, n->dist, TD_DIST_PARETONORMAL + 1);
    FIELD(c, n->four_state);
    FIELD(c, n->p13);
    FIELD(c, n->p31);
    FIELD(c, n->p32);
    FIELD(c, n->p23);
    FIELD(c, n->p14);
    FIELD(c, n->ecn);
    FIELD(c, n->overhead);
    FIELD(c, n->cell);
    FIELD(c, n->cell_overhead);
    FIELD(c, n->slot_min);
    FIELD(c, n->slot_max);
    FIELD(c, n->slot_packets);
    FIELD(c, n->slot_bytes);
}

_Static_assert(sizeof(struct td_tbf) == 32, "a field is new: see the top");
static void code_tbf(struct record_coder *c, struct td_tbf *t)
{
    FIELD(c, t->rate);
    FIELD(c, t->burst);
    FIELD(c, t->peakrate);
    FIELD(c, t->mtu);
    FIELD(c, t->limit);
}

_Static_assert(sizeof(struct td_red) == 56, "a field is new: see the top");
static void code_red(struct record_coder *c, struct td_red *r)
{
    FIELD(c, r->limit);
    FIELD(c, r->min);
    FIELD(c, r->max);
    FIELD(c, r->avpkt);
    FIELD(c, r->burst);
    FIELD(c, r->wlog);
    FIELD(c, r->max_p);
    FIELD(c, r->bandwidth);
    FIELD(c, r->ecn);
    FIELD(c, r->harddrop);
    FIELD(c, r->adaptive);
    FIELD(c, r->seed);
}

_Static_assert(sizeof(struct td_fq_codel) == 64, "a field is new: see the top");
static void code_fq_codel(struct record_coder *c, struct td_fq_codel *f)
{
    FIELD(c, f->limit);
    FIELD(c, f->flows);
    FIELD(c, f->quantum);
    FIELD(c, f->memory_limit);
    FIELD(c, f->drop_batch);
    FIELD(c, f->target);
    FIELD(c, f->interval);
    FIELD(c, f->ce_threshold);
    FIELD(c, f->ecn);
    FIELD(c, f->seed);
}

static void code_qdisc(struct record_coder *c, struct td_qdisc *q)
{
    q->kind = (enum td_qdisc_kind)code_word(c, q->kind, TD_QDISC_KINDS);
    FIELD(c, q->handle);
    switch (q->kind) {
    case TD_QDISC_PFIFO:
    case TD_QDISC_BFIFO:
        FIELD(c, q->u.fifo.limit);
        break;
    case TD_QDISC_NETEM:
        code_netem(c, &q->u.netem);
        break;
    case TD_QDISC_TBF:
        code_tbf(c, &q->u.tbf);
        break;
    case TD_QDISC_RED:
        code_red(c, &q->u.red);
        break;
    case TD_QDISC_FQ_CODEL:
        code_fq_codel(c, &q->u.fq_codel);
        break;
    case TD_QDISC_KINDS:
        c->bad = true;
        break;
    }
}

static void code_chain(struct record_coder *c, struct td_qdisc_chain *chain)
{
    chain->depth = code_word(c, chain->depth, TD_QDISC_DEPTH + 1);
    for (uint32_t i = 0; i < chain->depth && code_ok(c); i++)
        code_qdisc(c, &chain->q[i]);
}

_Static_assert(sizeof(struct td_impair) == 2368, "a field is new: see the top");
static void code_rule(struct record_coder *c, struct td_impair *i)
{
    i->action = (enum td_impair_action)code_word(c, i->action, TD_IMPAIR_ACTIONS);
    FIELD(c, i->from);
    FIELD(c, i->to);
    FIELD(c, i->step);
    FIELD(c, i->time);
    FIELD(c, i->copies);
    FIELD(c, i->bit);
    FIELD(c, i->seed);
    FIELD(c, i->kinds);
    FIELD(c, i->match_len);
    FIELD(c, i->until);
    FIELD(c, i->until_kinds);
    FIELD(c, i->until_len);
    FIELD(c, i->until_count);
    code_name(c, i->text, sizeof(i->text));
    /* Of a rule that isn't valid, and is refused, any lengths may have been given. */
    uint64_t n = (uint64_t)i->match_len + i->until_len;
    for (uint64_t k = 0; k < (n < TD_IMPAIR_CODE ? n : TD_IMPAIR_CODE) && code_ok(c); k++) {
        FIELD(c, i->code[k].code);
        FIELD(c, i->code[k].jt);
        FIELD(c, i->code[k].jf);
        FIELD(c, i->code[k].k);
    }
}

_Static_assert(sizeof(struct td_addr) == 28, "a field is new: see the top");
static void code_address(struct record_coder *c, struct td_addr *a)
{
    FIELD(c, a->addr);
    FIELD(c, a->plen);
    FIELD(c, a->no_broadcast);
    FIELD(c, a->broadcast);
    code_name(c, a->label, sizeof(a->label));
}

_Static_assert(sizeof(struct td_bridge_config) == 24, "a field is new: see the top");
static void code_bridge(struct record_coder *c, struct td_bridge_config *b)
{
    FIELD(c, b->what);
    FIELD(c, b->ageing);
    FIELD(c, b->fdb_max);
}

_Static_assert(sizeof(struct td_link_config) == 72, "a field is new: see the top");
static void code_link(struct record_coder *c, struct td_link_config *l)
{
    l->kind = (enum td_link_kind)code_word(c, l->kind, TD_LINK_KINDS);
    code_name(c, l->name, sizeof(l->name));
    code_mac(c, &l->mac);
    FIELD(c, l->mtu);
    FIELD(c, l->flags);
    FIELD(c, l->lower);
    FIELD(c, l->vid);
    code_bridge(c, &l->bridge);
}

_Static_assert(sizeof(struct td_route) == 40, "a field is new: see the top");
static void code_route(struct record_coder *c, struct td_route *r)
{
    FIELD(c, r->prefix);
    FIELD(c, r->plen);
    FIELD(c, r->type);
    FIELD(c, r->gateway);
    FIELD(c, r->src);
    FIELD(c, r->ifindex);
    FIELD(c, r->metric);
    FIELD(c, r->mtu);
    FIELD(c, r->table);
    FIELD(c, r->flags);
    FIELD(c, r->proto);
    FIELD(c, r->npaths);
    FIELD(c, r->first_path);
}

_Static_assert(sizeof(struct td_rule) == 52, "a field is new: see the top");
static void code_policy(struct record_coder *c, struct td_rule *r)
{
    FIELD(c, r->priority);
    FIELD(c, r->from);
    FIELD(c, r->to);
    FIELD(c, r->from_len);
    FIELD(c, r->to_len);
    code_name(c, r->iif, sizeof(r->iif));
    code_name(c, r->oif, sizeof(r->oif));
    FIELD(c, r->not );
    FIELD(c, r->type);
    FIELD(c, r->table);
}

_Static_assert(sizeof(struct td_change) == 96, "a field is new: see the top");
static void code_change(struct record_coder *c, struct td_change *change)
{
    change->kind = (enum td_change_kind)code_word(c, change->kind, TD_CHANGE_FLUSH_CACHE + 1);
    if (change->kind == TD_CHANGE_RULE_ADD || change->kind == TD_CHANGE_RULE_DEL)
        code_policy(c, &change->rule);
    else if (change->kind != TD_CHANGE_FLUSH_CACHE)
        code_route(c, &change->route);
}

_Static_assert(sizeof(struct td_path) == 12, "a field is new: see the top");
static void code_path(struct record_coder *c, struct td_path *p)
{
    FIELD(c, p->gateway);
    FIELD(c, p->ifindex);
    FIELD(c, p->weight);
    FIELD(c, p->flags);
}

/* How many there are of something, each of which takes a byte at least; reading: into room for
 * them. */
static size_t code_count(struct record_coder *c, size_t n, void **array, size_t *cap, size_t size)
{
    uint64_t v = n;
    code_u64(c, &v);
    if (c->reading && (v > (uint64_t)(c->end - c->at) || !room_for(array, cap, (size_t)v, size)))
        c->bad = true;
    return code_ok(c) ? (size_t)v : 0;
}

static void code_changes(struct record_coder *c, struct td_change_list *list)
{
    void *changes = c->room->change, *paths = c->room->path;
    list->n = code_count(c, list->n, &changes, &c->room->change_cap, sizeof(*c->room->change));
    list->npaths = code_count(c, list->npaths, &paths, &c->room->path_cap, sizeof(*c->room->path));
    c->room->change = changes;
    c->room->path = paths;
    for (size_t i = 0; i < list->n && code_ok(c); i++) {
        struct td_change one = {0};
        if (!c->reading)
            one = list->change[i];
        code_change(c, &one);
        if (c->reading)
            c->room->change[i] = one;
    }
    for (size_t i = 0; i < list->npaths && code_ok(c); i++) {
        struct td_path one = {0};
        if (!c->reading)
            one = list->path[i];
        code_path(c, &one);
        if (c->reading)
            c->room->path[i] = one;
    }
    if (c->reading) {
        list->change = c->room->change;
        list->path = c->room->path;
    }
}

_Static_assert(sizeof(struct td_datagram) == 16, "a field is new: see the top");
static void code_datagram(struct record_coder *c, struct td_datagram *d)
{
    FIELD(c, d->src);
    FIELD(c, d->dst);
    FIELD(c, d->proto);
    FIELD(c, d->tos);
    FIELD(c, d->ttl);
    FIELD(c, d->dont_fragment);
    FIELD(c, d->ifindex);
}

_Static_assert(sizeof(struct td_tcp_pin) == 40, "a field is new: see the top");
static void code_pin(struct record_coder *c, struct td_tcp_pin *p)
{
    FIELD(c, p->laddr);
    FIELD(c, p->raddr);
    FIELD(c, p->lport);
    FIELD(c, p->rport);
    FIELD(c, p->what);
    FIELD(c, p->iss);
    FIELD(c, p->ts_val);
    FIELD(c, p->id_first);
    FIELD(c, p->id_next);
    FIELD(c, p->id_step);
    FIELD(c, p->snd_edge);
    FIELD(c, p->credit);
}

/* ---- calls ---- */

static void call_none(struct record_coder *c, struct td_call *call)
{
    (void)c;
    (void)call;
}

_Static_assert(sizeof(struct td_frame_meta) == 12, "a field is new: see the top");
static void call_input(struct record_coder *c, struct td_call *call)
{
    struct td_frame_meta *m = &call->u.input.meta;
    FIELD(c, call->u.input.ifindex);
    bool offloaded = m->flags != 0 || m->csum != 0 || m->csum_start != 0 || m->csum_offset != 0 ||
                     m->gso_size != 0 || m->gso_segs != 0;
    FIELD(c, offloaded);
    if (offloaded) {
        FIELD(c, m->flags);
        FIELD(c, m->csum);
        FIELD(c, m->csum_start);
        FIELD(c, m->csum_offset);
        FIELD(c, m->gso_size);
        FIELD(c, m->gso_segs);
    }
    uint64_t len = call->u.input.len; /* of a frame that there was no memory for, too */
    size_t n = call->u.input.len;
    code_blob(c, &call->u.input.bytes, &n);
    if (call->u.input.bytes == NULL)
        code_u64(c, &len);
    if (c->reading)
        call->u.input.len = call->u.input.bytes != NULL ? n : (size_t)len;
    /* What comes in has passed a device: td_stack_input_bytes refuses more. */
    if (c->reading && call->u.input.len > 65535 + 64)
        c->bad = true;
}

static void call_time(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.time.ifindex);
    FIELD(c, call->u.time.n);
}

static void call_entropy(struct record_coder *c, struct td_call *call)
{
    code_blob(c, &call->u.entropy.bytes, &call->u.entropy.len);
}

static void call_if_add(struct record_coder *c, struct td_call *call)
{
    struct td_if_config *config = &c->room->config;
    if (!c->reading)
        *config = *call->u.if_add.config;
    else
        memset(config, 0, sizeof(*config));
    code_config(c, config);
    if (c->reading) {
        call->u.if_add.config = config;
        call->u.if_add.ifindex = &c->room->out;
    }
}

static void call_iface(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.iface.ifindex);
    switch (call->kind) {
    case TD_CALL_IF_UP:
        FIELD(c, call->u.iface.up);
        break;
    case TD_CALL_IF_MTU:
        FIELD(c, call->u.iface.mtu);
        break;
    case TD_CALL_IF_MAC:
        code_mac(c, &call->u.iface.mac);
        break;
    case TD_CALL_IF_QDISC:
        FIELD(c, call->u.iface.ingress);
        if (THERE(c, call->u.iface.qdisc, &c->room->qdisc)) {
            code_chain(c, &c->room->qdisc);
            call->u.iface.qdisc = &c->room->qdisc;
        }
        break;
    case TD_CALL_IF_IMPAIR:
        FIELD(c, call->u.iface.ingress);
        call->u.iface.op = (enum td_impair_op)code_word(c, call->u.iface.op, TD_IMPAIR_RELEASE + 1);
        FIELD(c, call->u.iface.id);
        if (THERE(c, call->u.iface.rule, &c->room->impair)) {
            code_rule(c, &c->room->impair);
            call->u.iface.rule = &c->room->impair;
        } else if (call->u.iface.op == TD_IMPAIR_ADD) {
            c->bad = c->reading;
        }
        break;
    default: /* IF_DEL, IF_READY */
        break;
    }
}

static void call_addr(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.addr.ifindex);
    if (!c->reading)
        c->room->addr = *call->u.addr.a;
    else
        memset(&c->room->addr, 0, sizeof(c->room->addr));
    code_address(c, &c->room->addr);
    call->u.addr.a = &c->room->addr;
}

static void call_link_add(struct record_coder *c, struct td_call *call)
{
    if (!c->reading)
        c->room->link = *call->u.link.config;
    else
        memset(&c->room->link, 0, sizeof(c->room->link));
    code_link(c, &c->room->link);
    if (c->reading) {
        call->u.link.config = &c->room->link;
        call->u.link.out = &c->room->out;
    }
}

static void call_link(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.link.ifindex);
    FIELD(c, call->u.link.master);
    FIELD(c, call->u.link.set);
    FIELD(c, call->u.link.clear);
    code_mac(c, &call->u.link.mac);
    if (call->kind != TD_CALL_BRIDGE_SET)
        return;
    if (!c->reading)
        c->room->bridge = *call->u.link.bridge;
    else
        memset(&c->room->bridge, 0, sizeof(c->room->bridge));
    code_bridge(c, &c->room->bridge);
    call->u.link.bridge = &c->room->bridge;
}

static void call_route(struct record_coder *c, struct td_call *call)
{
    if (!c->reading)
        c->room->route = *call->u.route.r;
    else
        memset(&c->room->route, 0, sizeof(c->room->route));
    code_route(c, &c->room->route);
    call->u.route.r = &c->room->route;
    FIELD(c, call->u.route.replace);
}

static void call_change(struct record_coder *c, struct td_call *call)
{
    if (!c->reading)
        c->room->list = *call->u.change.list;
    else
        memset(&c->room->list, 0, sizeof(c->room->list));
    code_changes(c, &c->room->list);
    if (c->reading)
        call->u.change.list = &c->room->list;
}

static void call_neigh(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.neigh.ifindex);
    FIELD(c, call->u.neigh.addr);
    code_mac(c, &call->u.neigh.mac);
    /* One that isn't any is refused, and that too is a result. */
    call->u.neigh.state =
        (enum td_neigh_state)code_word(c, call->u.neigh.state, TD_NEIGH_STALE + 1);
}

static void call_knob(struct record_coder *c, struct td_call *call)
{
    code_text(c, &call->u.knob.name);
    code_text(c, &call->u.knob.value);
    if (c->reading && (call->u.knob.name == NULL || call->u.knob.value == NULL))
        c->bad = true;
}

static void call_secret(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.secret.fault);
}

static void call_pin(struct record_coder *c, struct td_call *call)
{
    if (!c->reading)
        c->room->pin = *call->u.pin;
    else
        memset(&c->room->pin, 0, sizeof(c->room->pin));
    code_pin(c, &c->room->pin);
    call->u.pin = &c->room->pin;
}

static void call_nf(struct record_coder *c, struct td_call *call)
{
    uint32_t flags = call->u.nf.flags;
    code_text(c, &call->u.nf.text);
    FIELD(c, flags);
    call->u.nf.flags = flags;
    if (c->reading && call->u.nf.text == NULL)
        c->bad = true;
}

static void call_send(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.send.ifindex);
    code_mac(c, &call->u.send.dst);
    FIELD(c, call->u.send.ethertype);
    if (call->kind == TD_CALL_SEND_DATAGRAM) {
        if (!c->reading)
            c->room->datagram = *call->u.send.datagram;
        else
            memset(&c->room->datagram, 0, sizeof(c->room->datagram));
        code_datagram(c, &c->room->datagram);
        call->u.send.datagram = &c->room->datagram;
    }
    code_blob(c, &call->u.send.bytes, &call->u.send.len);
}

static void call_organ(struct record_coder *c, struct td_call *call)
{
    struct record_room *room = c->room;
    call->u.organ.kind = (enum td_organ_kind)code_word(c, call->u.organ.kind, TD_ORGAN_KINDS);
    if (!c->reading) {
        const char *name = record_organ_name(call->u.organ.kind, call->u.organ.ops);
        strncpy(room->organ, name, sizeof(room->organ) - 1);
        room->organ[sizeof(room->organ) - 1] = '\0';
        room->build_id_len = record_build_id(call->u.organ.ops, room->build_id);
    }
    code_name(c, room->organ, sizeof(room->organ));
    room->build_id_len = code_word(c, room->build_id_len, RECORD_BUILD_ID + 1);
    code_fixed(c, room->build_id, room->build_id_len);
    if (c->reading)
        call->u.organ.ops = NULL; /* who replays it must have it at hand */
}

static void call_socket(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.socket.domain);
    FIELD(c, call->u.socket.type);
    FIELD(c, call->u.socket.protocol);
    FIELD(c, call->u.socket.owner);
}

_Static_assert(sizeof(struct td_ends) == 16, "a field is new: see the top");
static void call_destroy(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.ends.protocol);
    FIELD(c, call->u.ends.laddr);
    FIELD(c, call->u.ends.raddr);
    FIELD(c, call->u.ends.lport);
    FIELD(c, call->u.ends.rport);
}

static void call_sock(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.sock.s);
    if (call->kind == TD_CALL_LISTEN || call->kind == TD_CALL_SHUTDOWN)
        FIELD(c, call->u.sock.n);
}

static void call_sock_name(struct record_coder *c, struct td_call *call)
{
    size_t len = call->u.sock.len;
    FIELD(c, call->u.sock.s);
    const void *name = code_aligned(c, call->u.sock.sa, &len, &c->room->name, &c->room->name_cap);
    FIELD(c, call->u.sock.len);
    if (!c->reading)
        return;
    call->u.sock.sa = name;
    if (call->u.sock.len > len && name != NULL)
        c->bad = true;
}

/* What is given back goes into room of the size that there was. */
static void *code_answer(struct record_coder *c, const void *out, const socklen_t *outlen,
                         uint32_t most)
{
    struct record_room *room = c->room;
    bool is = out != NULL, sized = outlen != NULL;
    FIELD(c, is);
    FIELD(c, sized);
    uint32_t n = sized && !c->reading ? *outlen : 0;
    FIELD(c, n);
    if (!c->reading)
        return NULL;
    room->outlen = n;
    void *array = room->name;
    if (!room_for(&array, &room->name_cap, n < most ? n + 1U : most + 1U, 1) || n > most)
        c->bad = true;
    room->name = array;
    return is ? room->name : NULL;
}

static void call_accept(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.sock.s);
    struct sockaddr *out = code_answer(c, call->u.sock.out, call->u.sock.outlen, 65536);
    if (c->reading) {
        call->u.sock.out = out;
        call->u.sock.outlen = out != NULL ? &c->room->outlen : NULL;
    }
}

static size_t code_pieces(struct record_coder *c, const struct msghdr *m, uint64_t *total)
{
    void *array = c->room->iov;
    size_t n = code_count(c, m->msg_iovlen, &array, &c->room->iov_cap, sizeof(struct iovec));
    c->room->iov = array;
    if (n > IOVS_MAX && c->reading)
        c->bad = true;
    for (size_t i = 0; i < n && code_ok(c); i++) {
        uint64_t len = c->reading ? 0 : m->msg_iov[i].iov_len;
        code_u64(c, &len);
        if (len > RECORD_BUFFER_MAX && c->reading)
            c->bad = true;
        if (c->reading)
            c->room->iov[i].iov_len = (size_t)len;
        *total += len;
    }
    if (c->reading && *total > RECORD_BUFFER_MAX)
        c->bad = true;
    return n;
}

/* The pieces one behind the other in `bytes`. */
static void lay_out(struct record_room *room, size_t n)
{
    uint8_t *at = room->bytes;
    for (size_t i = 0; i < n; i++) {
        room->iov[i].iov_base = at;
        at += room->iov[i].iov_len;
    }
}

static bool room_for_bytes(struct record_coder *c, uint64_t total)
{
    void *array = c->room->bytes;
    if (!code_ok(c) || !room_for(&array, &c->room->bytes_cap, (size_t)total + 1, 1))
        c->bad = true;
    else
        c->room->bytes = array;
    return code_ok(c);
}

/* The bytes that a sendmsg offered. Not all of them need be taken: their length has its place, so
 * that the recorder can cut off what wasn't, once it knows. What is missing when it is read back
 * was never looked at, but must be there. */
static void code_data(struct record_coder *c, const struct msghdr *m, uint64_t total)
{
    uint32_t len = htole32((uint32_t)total);
    if (!c->reading) {
        c->data_len = c->at;
        code_fixed(c, &len, sizeof(len));
        if (total > RECORD_BUFFER_MAX)
            c->full = true;
        for (size_t i = 0; i < m->msg_iovlen && code_ok(c); i++)
            if (m->msg_iov[i].iov_len > 0)
                code_fixed(c, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
        return;
    }
    code_fixed(c, &len, sizeof(len));
    len = le32toh(len);
    if (len > total)
        c->bad = true;
    if (!room_for_bytes(c, total))
        return;
    code_fixed(c, c->room->bytes, len);
    if (total > len)
        memset(c->room->bytes + len, 0, (size_t)total - len);
    c->room->data = len;
}

static void call_sendmsg(struct record_coder *c, struct td_call *call)
{
    struct msghdr none = {0}, *m = &c->room->msg;
    const struct msghdr *given = c->reading ? &none : call->u.msg.out;
    size_t name_len = given->msg_namelen, control_len = given->msg_controllen;
    uint64_t total = 0;
    FIELD(c, call->u.msg.s);
    FIELD(c, call->u.msg.flags);
    void *name = code_aligned(c, given->msg_name, &name_len, &c->room->name, &c->room->name_cap);
    void *control =
        code_aligned(c, given->msg_control, &control_len, &c->room->control, &c->room->control_cap);
    size_t n = code_pieces(c, given, &total);
    code_data(c, given, total);
    if (!c->reading || !code_ok(c))
        return;
    lay_out(c->room, n);
    *m = (struct msghdr){.msg_name = name,
                         .msg_namelen = (socklen_t)name_len,
                         .msg_iov = c->room->iov,
                         .msg_iovlen = n,
                         .msg_control = control,
                         .msg_controllen = control_len};
    call->u.msg.out = m;
}

static void call_recvmsg(struct record_coder *c, struct td_call *call)
{
    struct record_room *room = c->room;
    struct msghdr none = {0};
    const struct msghdr *given = c->reading ? &none : call->u.msg.in;
    uint32_t name_len = given->msg_name != NULL ? given->msg_namelen : 0;
    uint64_t control_len = given->msg_control != NULL ? given->msg_controllen : 0, total = 0;
    bool name = given->msg_name != NULL, control = given->msg_control != NULL;
    FIELD(c, call->u.msg.s);
    FIELD(c, call->u.msg.flags);
    FIELD(c, name);
    FIELD(c, name_len);
    FIELD(c, control);
    FIELD(c, control_len);
    size_t n = code_pieces(c, given, &total);
    if (!c->reading || !room_for_bytes(c, total))
        return;
    void *names = room->name, *controls = room->control;
    if (name_len > 65536 || control_len > 65536 ||
        !room_for(&names, &room->name_cap, name_len + 1U, 1) ||
        !room_for(&controls, &room->control_cap, (size_t)control_len + 1, 1))
        c->bad = true;
    room->name = names;
    room->control = controls;
    if (c->bad)
        return;
    memset(room->control, 0, (size_t)control_len);
    lay_out(room, n);
    room->msg = (struct msghdr){.msg_name = name ? room->name : NULL,
                                .msg_namelen = name_len,
                                .msg_iov = room->iov,
                                .msg_iovlen = n,
                                .msg_control = control ? room->control : NULL,
                                .msg_controllen = (size_t)control_len};
    call->u.msg.in = &room->msg;
}

static void call_setsockopt(struct record_coder *c, struct td_call *call)
{
    size_t len = call->u.opt.len;
    FIELD(c, call->u.opt.s);
    FIELD(c, call->u.opt.level);
    FIELD(c, call->u.opt.name);
    const void *value = code_aligned(c, call->u.opt.set, &len, &c->room->name, &c->room->name_cap);
    FIELD(c, call->u.opt.len);
    if (!c->reading)
        return;
    call->u.opt.set = value;
    if (call->u.opt.len > len && value != NULL)
        c->bad = true;
}

static void call_getsockopt(struct record_coder *c, struct td_call *call)
{
    FIELD(c, call->u.opt.s);
    FIELD(c, call->u.opt.level);
    FIELD(c, call->u.opt.name);
    void *out = code_answer(c, call->u.opt.get, call->u.opt.outlen, 65536);
    if (c->reading) {
        call->u.opt.get = out;
        call->u.opt.outlen = out != NULL ? &c->room->outlen : NULL;
    }
}

static const struct {
    uint8_t code;
    void (*fields)(struct record_coder *c, struct td_call *call);
} kinds[TD_CALL_KINDS] = {
    [TD_CALL_INPUT] = {1, call_input},
    [TD_CALL_CLOCK] = {2, call_none},
    [TD_CALL_TICK] = {3, call_none},
    [TD_CALL_FLUSH] = {4, call_none},
    [TD_CALL_TIME] = {5, call_time},
    [TD_CALL_ENTROPY] = {6, call_entropy},
    [TD_CALL_IF_ADD] = {7, call_if_add},
    [TD_CALL_IF_DEL] = {8, call_iface},
    [TD_CALL_IF_UP] = {9, call_iface},
    [TD_CALL_IF_MTU] = {10, call_iface},
    [TD_CALL_IF_MAC] = {11, call_iface},
    [TD_CALL_IF_READY] = {12, call_iface},
    [TD_CALL_IF_QDISC] = {13, call_iface},
    [TD_CALL_IF_IMPAIR] = {14, call_iface},
    [TD_CALL_ADDR_ADD] = {15, call_addr},
    [TD_CALL_ADDR_DEL] = {16, call_addr},
    [TD_CALL_LINK_ADD] = {17, call_link_add},
    [TD_CALL_LINK_FLAGS] = {18, call_link},
    [TD_CALL_LINK_MASTER] = {19, call_link},
    [TD_CALL_BRIDGE_SET] = {20, call_link},
    [TD_CALL_PORT_FLAGS] = {21, call_link},
    [TD_CALL_FDB_ADD] = {22, call_link},
    [TD_CALL_FDB_DEL] = {23, call_link},
    [TD_CALL_FDB_FLUSH] = {24, call_link},
    [TD_CALL_ROUTE_ADD] = {25, call_route},
    [TD_CALL_ROUTE_DEL] = {26, call_route},
    [TD_CALL_ROUTE_CHANGE] = {27, call_change},
    [TD_CALL_NEIGH_ADD] = {28, call_neigh},
    [TD_CALL_NEIGH_DEL] = {29, call_neigh},
    [TD_CALL_NEIGH_FLUSH] = {30, call_neigh},
    [TD_CALL_KNOB_SET] = {31, call_knob},
    [TD_CALL_FAULT_SECRET] = {32, call_secret},
    [TD_CALL_TCP_PIN] = {33, call_pin},
    [TD_CALL_NF_RESTORE] = {34, call_nf},
    [TD_CALL_NF_FORGET] = {35, call_nf},
    [TD_CALL_SEND_FRAME] = {36, call_send},
    [TD_CALL_SEND_DATAGRAM] = {37, call_send},
    [TD_CALL_ORGAN_ADD] = {38, call_organ},
    [TD_CALL_SOCKET] = {39, call_socket},
    [TD_CALL_BIND] = {40, call_sock_name},
    [TD_CALL_LISTEN] = {41, call_sock},
    [TD_CALL_ACCEPT] = {42, call_accept},
    [TD_CALL_CONNECT] = {43, call_sock_name},
    [TD_CALL_SENDMSG] = {44, call_sendmsg},
    [TD_CALL_RECVMSG] = {45, call_recvmsg},
    [TD_CALL_SHUTDOWN] = {46, call_sock},
    [TD_CALL_CLOSE] = {47, call_sock},
    [TD_CALL_DUP] = {48, call_sock},
    [TD_CALL_SETSOCKOPT] = {49, call_setsockopt},
    [TD_CALL_GETSOCKOPT] = {50, call_getsockopt},
    [TD_CALL_DESTROY] = {51, call_destroy},
};

uint8_t record_code_of(enum td_call_kind kind)
{
    return (unsigned)kind < TD_CALL_KINDS ? kinds[kind].code : 0;
}

bool record_kind_of(uint8_t code, enum td_call_kind *kind)
{
    for (unsigned k = 0; k < TD_CALL_KINDS; k++) {
        if (kinds[k].code == code && code != 0) {
            *kind = (enum td_call_kind)k;
            return true;
        }
    }
    return false;
}

void code_call(struct record_coder *c, struct td_call *call)
{
    if ((unsigned)call->kind < TD_CALL_KINDS && kinds[call->kind].fields != NULL)
        kinds[call->kind].fields(c, call);
    else
        c->bad = true;
}

/* ---- digests ---- */

/* Four lanes, so that a processor multiplies in all of them at once; every step can be undone, so
 * no single change is ever lost. */
#define FACTOR UINT64_C(0x9e3779b97f4a7c15)

static uint64_t stir(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * FACTOR;
    return lane ^ lane >> 32;
}

static uint64_t load(const uint8_t *b)
{
    uint64_t v;
    memcpy(&v, b, sizeof(v));
    return le64toh(v);
}

/* The same for long runs: what it does to the highest bits shows a step later. */
static uint64_t fold(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * FACTOR;
    return lane << 29 | lane >> 35;
}

uint64_t record_digest(const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    uint64_t a = 1, c = 2, d = 3, e = 4;
    size_t left = len;
    for (; left >= 32; left -= 32, b += 32) {
        a = fold(a, load(b));
        c = fold(c, load(b + 8));
        d = fold(d, load(b + 16));
        e = fold(e, load(b + 24));
    }
    if (left > 0) {
        uint8_t rest[32] = {0};
        memcpy(rest, b, left);
        a = fold(a, load(rest));
        c = fold(c, load(rest + 8));
        d = fold(d, load(rest + 16));
        e = fold(e, load(rest + 24));
    }
    return stir(stir(stir(stir(stir(len, 0), a), c), d), e);
}

static uint64_t add_digest(uint64_t h, const void *bytes, size_t len)
{
    return stir(h, bytes != NULL ? record_digest(bytes, len) : 0);
}

/* Control messages one by one: between them is whatever was there. */
static uint64_t add_control(uint64_t h, const struct msghdr *m)
{
    struct msghdr copy = *m;
    if (m->msg_control == NULL)
        return stir(h, 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c != NULL; c = CMSG_NXTHDR(&copy, c)) {
        size_t left = (size_t)((uint8_t *)m->msg_control + m->msg_controllen - (uint8_t *)c);
        h = add_digest(h, c, c->cmsg_len < left ? c->cmsg_len : left);
    }
    return h;
}

static uint64_t received(const struct msghdr *m, int64_t result, size_t room)
{
    uint64_t h = stir(stir(5, (uint64_t)m->msg_flags), m->msg_namelen);
    h = add_digest(h, m->msg_name, m->msg_namelen < room ? m->msg_namelen : room);
    h = add_control(h, m);
    size_t left = (size_t)result;
    for (size_t i = 0; i < m->msg_iovlen && left > 0; i++) {
        size_t n = m->msg_iov[i].iov_len < left ? m->msg_iov[i].iov_len : left;
        h = add_digest(h, m->msg_iov[i].iov_base, n);
        left -= n;
    }
    return h;
}

size_t record_answer_room(const struct td_call *call)
{
    const socklen_t *len = call->kind == TD_CALL_ACCEPT       ? call->u.sock.outlen
                           : call->kind == TD_CALL_GETSOCKOPT ? call->u.opt.outlen
                                                              : NULL;
    if (call->kind == TD_CALL_RECVMSG)
        return call->u.msg.in->msg_name != NULL ? call->u.msg.in->msg_namelen : 0;
    return len != NULL ? *len : 0;
}

static uint64_t given(uint64_t h, const void *out, const socklen_t *len, size_t room)
{
    if (out == NULL || len == NULL)
        return 0;
    return add_digest(stir(h, *len), out, *len < room ? *len : room);
}

uint64_t record_answer(const struct td_call *call, int64_t result, size_t room)
{
    if (result < 0)
        return 0;
    switch (call->kind) {
    case TD_CALL_IF_ADD:
        return call->u.if_add.ifindex != NULL ? *call->u.if_add.ifindex : 0;
    case TD_CALL_RECVMSG:
        return received(call->u.msg.in, result, room);
    case TD_CALL_ACCEPT:
        return given(6, call->u.sock.out, call->u.sock.outlen, room);
    case TD_CALL_GETSOCKOPT:
        return given(7, call->u.opt.get, call->u.opt.outlen, room);
    default:
        return 0;
    }
}

/* ---- frames ---- */

const uint8_t *record_linear(const struct pkt *p, uint8_t **own, size_t *cap)
{
    if (p->nslices == 0)
        return p->data;
    if (p->len > *cap) {
        free(*own);
        *cap = p->len + 4096;
        *own = malloc(*cap);
    }
    if (*own == NULL || !pkt_read(p, 0, *own, p->len)) {
        *cap = 0;
        return NULL;
    }
    return *own;
}

/* ---- organs ---- */

const char *record_organ_name(enum td_organ_kind kind, const void *ops)
{
    const char *name = NULL;
    if (ops == NULL)
        return "";
    switch (kind) {
    case TD_ORGAN_REASSEMBLY:
        name = ((const struct td_reassembly_ops *)ops)->name;
        break;
    case TD_ORGAN_LOSS:
        name = ((const struct td_loss_ops *)ops)->name;
        break;
    case TD_ORGAN_CC:
        name = ((const struct td_cc_ops *)ops)->name;
        break;
    case TD_ORGAN_RTO:
        name = ((const struct td_rto_ops *)ops)->name;
        break;
    case TD_ORGAN_KINDS:
        break;
    }
    return name != NULL ? name : "";
}

struct build_search {
    uintptr_t inside;
    uint8_t *id;
    uint32_t len;
};

static uint32_t note_id(const uint8_t *b, size_t len, uint8_t id[RECORD_BUILD_ID])
{
    while (len >= 12) {
        uint32_t word[3];
        memcpy(word, b, sizeof(word)); /* name's length, description's length, type */
        size_t name = (word[0] + 3U) & ~3U, desc = (word[1] + 3U) & ~3U;
        if (name > len - 12 || desc > len - 12 - name)
            return 0;
        if (word[2] == NT_GNU_BUILD_ID && word[0] == 4 && memcmp(b + 12, "GNU", 4) == 0) {
            uint32_t n = word[1] < RECORD_BUILD_ID ? word[1] : RECORD_BUILD_ID;
            memcpy(id, b + 12 + name, n);
            return n;
        }
        b += 12 + name + desc;
        len -= 12 + name + desc;
    }
    return 0;
}

static int search_build(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct build_search *s = ctx;
    bool inside = false;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t from = (uintptr_t)(info->dlpi_addr + p->p_vaddr);
        inside =
            inside || (p->p_type == PT_LOAD && s->inside >= from && s->inside - from < p->p_memsz);
    }
    for (unsigned i = 0; inside && s->len == 0 && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_NOTE)
            s->len = note_id((const uint8_t *)(uintptr_t)(info->dlpi_addr + p->p_vaddr), p->p_memsz,
                             s->id);
    }
    return inside;
}

uint32_t record_build_id(const void *inside, uint8_t id[RECORD_BUILD_ID])
{
    struct build_search s = {.inside = (uintptr_t)inside, .id = id};
    memset(id, 0, RECORD_BUILD_ID);
    dl_iterate_phdr(search_build, &s);
    return s.len;
}
