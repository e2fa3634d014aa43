/* replay/host_rows.c: a played host's frames as rows: each finds its twin, gets a verdict and the
 * journal's reasons (host.h).
 *
 * Rows stand in a ring, in the order in which things happened. What has no twin yet is open: a
 * captured frame of the host's that the stack hasn't sent, or one of the stack's that wasn't
 * captured so far. A row goes out at the front when its verdict is known; one that was waited for
 * long enough, or stands in the way of more, gets the one that there is.
 */
#include "replay/host_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replay/describe.h"

#define ETHER   14u
#define REASONS 8 /* lines beside a frame */

/* ---- rows ---- */

struct host_entry *host_row_nth(struct host *h, unsigned i)
{
    return &h->row[(h->row_at + i) % HOST_ROWS];
}

bool host_row_seen(const struct host *h, const struct host_entry *r)
{
    const struct facts *f = &h->iface[r->r.iface].f;
    struct td_mac dst;
    if (!f->captured || (!f->arp && r->n >= ETHER && wire_get16(r->norm + 12) == ETHERTYPE_ARP))
        return false;
    memcpy(dst.b, r->norm, 6);
    bool any = f->nseers <= 0 || mac_is_multicast(dst);
    for (int i = 0; i < f->nseers; i++)
        any |= mac_eq(f->seer[i], dst) || mac_eq(f->seer[i], f->mac);
    return any;
}

static struct heard *heard_find(struct host *h, const struct host_entry *r, uint64_t name)
{
    for (unsigned i = 0; i < HEARD_MAX; i++) {
        struct heard *x = &h->heard[(h->nheard + HEARD_MAX - 1 - i) % HEARD_MAX];
        if (x->name == name && name != 0 && x->iface == r->r.iface && x->number < r->r.number)
            return x;
    }
    return NULL;
}

void host_heard(struct host *h, const struct item *it)
{
    uint64_t name = norm_question(it->frame, it->v.frame_len);
    if (name != 0)
        h->heard[h->nheard++ % HEARD_MAX] =
            (struct heard){.name = name,
                           .inner = norm_inner(it->frame, it->v.frame_len),
                           .number = it->v.number,
                           .iface = it->iface,
                           .at = it->at};
}

bool host_passes(const struct host *h, const struct item *it)
{
    uint64_t inner = norm_inner(it->frame, it->v.frame_len);
    for (unsigned i = 0; i < HEARD_MAX && inner != 0; i++)
        if (h->heard[i].inner == inner && h->heard[i].at + TD_SEC > it->at)
            return true;
    return false;
}

/* Why what the captured host said by itself isn't said here. */
static void why_missing(struct host *h, struct host_entry *r)
{
    uint64_t name = r->norm != NULL ? norm_answer(r->norm, r->n) : 0;
    const struct heard *x = heard_find(h, r, name);
    if (name == 0)
        return;
    if (x == NULL)
        text_puts(&r->r.why, "nothing that was handed in asks for it\n");
    else if (x->why[0] == '\0')
        text_printf(&r->r.why,
                    "it would be about packet %" PRIu64
                    ", of which the journal has nothing to say\n",
                    x->number);
    else
        text_printf(&r->r.why,
                    "it would be about packet %" PRIu64 ", of which the journal says: %s\n",
                    x->number, x->why);
}

void host_row_close(struct host *h, struct host_entry *r)
{
    if (!r->open)
        return;
    r->open = false;
    r->r.verdict = r->r.number > 0 ? HOST_MISSING : host_row_seen(h, r) ? HOST_EXTRA : HOST_UNSEEN;
    if (r->r.verdict == HOST_MISSING)
        why_missing(h, r);
    if (r->r.verdict == HOST_EXTRA && h->hops > 0)
        text_puts(&r->r.why, "or it was lost on its way to where it would have been captured\n");
}

static void learn(struct host *h, const struct host_row *r)
{
    struct host_sum *s = &h->sum;
    if (s->lesson[0] != '\0' || r->verdict == HOST_IN || r->verdict == HOST_SAME ||
        r->verdict == HOST_UNSEEN)
        return;
    size_t n = (size_t)snprintf(s->lesson, sizeof(s->lesson), "first divergence at %.6f s",
                                (double)(r->number > 0 ? r->at : r->sent_at) / 1e9);
    if (r->number > 0)
        n += (size_t)snprintf(s->lesson + n, sizeof(s->lesson) - n, ", packet %" PRIu64, r->number);
    n += (size_t)snprintf(s->lesson + n, sizeof(s->lesson) - n, ": %s, %s.",
                          host_verdict_names[r->verdict], r->what.s != NULL ? r->what.s : "");
    if (n >= sizeof(s->lesson))
        return;
    td_time by = r->sent_at > r->at ? r->sent_at - r->at : r->at - r->sent_at;
    if (r->verdict == HOST_LATER || r->verdict == HOST_EARLIER)
        (void)snprintf(s->lesson + n, sizeof(s->lesson) - n, " The stack sent it %.3f ms %s.",
                       (double)by / 1e6, host_verdict_names[r->verdict]);
    else if (r->verdict == HOST_MISSING)
        (void)snprintf(s->lesson + n, sizeof(s->lesson) - n, " The stack never sent this frame.");
    else if (r->verdict == HOST_EXTRA)
        (void)snprintf(s->lesson + n, sizeof(s->lesson) - n,
                       " The stack sent it; the captured host didn't.");
    else if (r->why.s != NULL)
        (void)snprintf(s->lesson + n, sizeof(s->lesson) - n, " %.*s.", (int)strcspn(r->why.s, "\n"),
                       r->why.s);
}

void host_row_pop(struct host *h)
{
    struct host_entry *r = host_row_nth(h, 0);
    if (!r->gone) {
        h->sum.count[r->r.verdict]++;
        learn(h, &r->r);
        if (h->o.row != NULL)
            h->o.row(h->o.ctx, &r->r);
    }
    text_free(&r->r.what);
    text_free(&r->r.why);
    free(r->norm);
    *r = (struct host_entry){0};
    h->row_at = (h->row_at + 1) % HOST_ROWS;
    h->row_n--;
}

void host_rows_out(struct host *h, td_time now)
{
    while (h->row_n > 0) {
        struct host_entry *r = host_row_nth(h, 0);
        td_time since = r->r.number > 0 ? r->r.at : r->r.sent_at;
        if (r->open && since + HOST_PATIENCE > now)
            return;
        host_row_close(h, r);
        host_row_pop(h);
    }
}

struct host_entry *host_row_add(struct host *h, unsigned iface, bool out)
{
    if (h->row_n == HOST_ROWS) {
        host_row_close(h, host_row_nth(h, 0));
        host_row_pop(h);
    }
    struct host_entry *r = host_row_nth(h, h->row_n++);
    *r = (struct host_entry){.out = out, .r = {.iface = iface}};
    return r;
}

bool host_row_frame(struct host *h, struct host_entry *r, const uint8_t *frame, uint32_t n,
                    uint32_t kept)
{
    if (n > sizeof(h->norm))
        n = sizeof(h->norm);
    r->n = norm_make(h->norm, frame, n);
    r->kept = kept < r->n ? kept : r->n;
    r->norm = malloc(r->n + 1);
    if (r->norm != NULL)
        memcpy(r->norm, h->norm, r->n);
    else
        r->n = r->kept = 0;
    return r->norm != NULL;
}

void host_row_verdict(const struct host *h, struct host_entry *cap, td_time sent_at, bool alike)
{
    struct host_row *r = &cap->r;
    r->sent_at = sent_at;
    r->has_sent = true;
    cap->open = false;
    cap->untold = true;
    if (alike)
        r->verdict = HOST_DIFFERS;
    else if (sent_at > r->at + HOST_TOLERANCE)
        r->verdict = HOST_LATER;
    else
        r->verdict = sent_at + HOST_TOLERANCE < r->at ? HOST_EARLIER : HOST_SAME;
    if (r->verdict == HOST_EARLIER && h->answered + TD_SEC > HOST_START + sent_at)
        text_puts(&r->why, "it may have waited for an ARP reply, which wasn't captured: here that "
                           "comes at once\n");
}

void host_row_differs(struct host_entry *cap, const uint8_t *sent, uint32_t n)
{
    struct text t = {0};
    norm_difference(cap->norm, cap->n, sent, n, &t);
    text_puts(&t, "\n");
    if (cap->r.why.s != NULL)
        text_puts(&t, cap->r.why.s);
    text_free(&cap->r.why);
    cap->r.why = t;
}

/* An open row that this frame is the twin of; captured or sent ones. */
struct host_entry *host_row_twin(struct host *h, unsigned iface, bool captured, const uint8_t *norm,
                                 uint32_t n, uint32_t kept, bool alike)
{
    for (unsigned i = 0; i < h->row_n; i++) {
        struct host_entry *r = host_row_nth(h, i);
        if (!r->open || r->gone || r->r.iface != iface || (r->r.number > 0) != captured ||
            r->norm == NULL)
            continue;
        if (alike ? norm_alike(r->norm, r->n, norm, n)
                  : norm_same(r->norm, r->n, captured ? r->kept : kept, norm, n))
            return r;
    }
    return NULL;
}

/* ---- reasons ---- */

struct telling {
    struct host *h;
    struct host_entry *r;
    unsigned n;
};

static void tell(void *ctx, const char *sentence)
{
    struct telling *t = ctx;
    uint64_t pkt;
    if (strncmp(sentence, "because of call", 15) == 0 || strncmp(sentence, "link-added", 10) == 0)
        return;
    if (sscanf(sentence, "because packet %" SCNu64 " arrived", &pkt) == 1) {
        if (t->h->names[pkt % 4096].pkt == pkt)
            text_printf(&t->r->r.why, "because packet %" PRIu64 " arrived\n",
                        t->h->names[pkt % 4096].number);
        return;
    }
    text_printf(&t->r->r.why, "%s\n", sentence);
    if (t->r->r.verdict == HOST_IN && t->r->r.number > 0 && t->h->nheard > 0) {
        struct heard *x = &t->h->heard[(t->h->nheard - 1) % HEARD_MAX];
        if (x->number == t->r->r.number && x->iface == t->r->r.iface)
            (void)snprintf(x->why, sizeof(x->why), "%s", sentence);
    }
    /* The whole is named by its parts. */
    if (strncmp(sentence, "frag-reassembled", 16) != 0 && strncmp(sentence, "frag-drop-", 10) != 0)
        return;
    for (unsigned i = 0; i < 32; i++) {
        struct reassembly *a = &t->h->reasm[i];
        if (a->n == 0 || a->number[a->n - 1] != t->r->r.number)
            continue;
        text_puts(&t->r->r.why, strncmp(sentence, "frag-reassembled", 16) == 0
                                    ? "reassembled from packets"
                                    : "it was of packets");
        for (unsigned k = 0; k < a->n; k++)
            text_printf(&t->r->r.why, "%s %" PRIu64, k > 0 ? "," : "", a->number[k]);
        text_puts(&t->r->r.why, "\n");
        a->n = 0;
    }
}

void host_rows_tell(struct host *h)
{
    for (unsigned i = h->row_n; i-- > 0;) {
        struct host_entry *r = host_row_nth(h, i);
        if (!r->untold)
            continue;
        r->untold = false;
        struct telling t = {h, r, 0};
        if (r->pkt != 0)
            reasons_tell(h->reasons, r->pkt, r->out, REASONS, tell, &t);
        if (r->cause != 0 && (r->r.why.s == NULL || strstr(r->r.why.s, "because packet") == NULL))
            text_printf(&r->r.why, "because packet %" PRIu64 " arrived\n", r->cause);
    }
}

void host_part_came(struct host *h, const struct item *it)
{
    const struct ipv4_hdr *p = &it->v.ip;
    struct reassembly *a = NULL;
    for (unsigned i = 0; i < 32 && a == NULL; i++) {
        struct reassembly *x = &h->reasm[i];
        if (x->n > 0 && x->src == p->src && x->dst == p->dst && x->id == p->id &&
            x->proto == p->proto)
            a = x;
    }
    if (a == NULL) {
        a = &h->reasm[h->next_reasm++ % 32];
        *a = (struct reassembly){.src = p->src, .dst = p->dst, .id = p->id, .proto = p->proto};
    }
    if (a->n == 16) /* the first and the latest */
        memmove(a->number + 1, a->number + 2, 14 * sizeof(a->number[0])), a->n--;
    a->number[a->n++] = it->v.number;
}

void host_describe(const struct view *v, struct text *out)
{
    static const char letters[] = "FSRP.UEW";
    char from[64], to[64], flags[9];
    unsigned n = 0;
    if (!v->has_tcp) {
        (void)describe_packet(v, out);
        return;
    }
    view_endpoint(v->src, v->sport, from);
    view_endpoint(v->dst, v->dport, to);
    for (unsigned i = 0; i < 8; i++)
        if (v->tcp.flags >> i & 1)
            flags[n++] = letters[i];
    flags[n] = '\0';
    text_printf(out, "TCP %s > %s, %s, %u bytes", from, to, flags, v->text_len);
}
