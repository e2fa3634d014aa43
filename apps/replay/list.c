/* replay/list.c: what is in a capture: its flows, and what else it holds (list.h). */
#include "replay/list.h"

#include <netinet/in.h>
#include <string.h>

#include "common/control.h"
#include "common/jsonw.h"

#define TICK 65536 /* packets */

static void meet_link(struct contents *c, uint16_t link)
{
    for (unsigned i = 0; i < c->nlinks; i++)
        if (c->links[i] == link)
            return;
    if (c->nlinks < sizeof(c->links) / sizeof(*c->links))
        c->links[c->nlinks++] = link;
}

static void account(struct contents *c, const struct capture_frame *f, const struct view *v, int64_t *before)
{
    int side;
    c->arp += v->net == VIEW_ARP;
    c->ipv4 += v->net == VIEW_IPV4;
    c->ipv6 += v->net == VIEW_IPV6;
    c->other += v->net == VIEW_OTHER;
    c->fragments += v->fragment;
    c->tcp += v->proto == IPPROTO_TCP && !v->fragment;
    c->udp += v->proto == IPPROTO_UDP && !v->fragment;
    c->icmp += v->proto == IPPROTO_ICMP && v->net == VIEW_IPV4 && !v->fragment;
    c->cut += f->caplen < f->len;
    if (f->timed) {
        c->backwards += c->packets > 1 && v->wall < *before;
        *before = v->wall;
        if (c->first == 0 || v->wall < c->first)
            c->first = v->wall;
        if (v->wall > c->last)
            c->last = v->wall;
    }
    (void)flows_packet(&c->flows, v, &side);
}

int contents_read(struct contents *c, struct capture_reader *r, const char *name,
                  void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size)
{
    struct capture_frame f;
    struct viewer viewer = {0};
    struct view v;
    int64_t before = 0;
    int got;
    *c = (struct contents){0};
    flows_init(&c->flows);
    while ((got = capture_next(r, &f, c->broken, sizeof(c->broken))) == 1) {
        c->packets++;
        meet_link(c, f.link);
        if (view_make(&viewer, &f, c->packets, &v) == VIEW_OK)
            account(c, &f, &v, &before);
        else
            c->unread++;
        if (tick != NULL && c->packets % TICK == 0)
            tick(ctx, c->packets);
    }
    viewer_done(&viewer);
    if (c->packets > 0 && c->unread == c->packets) {
        view_none(name, c->packets, c->links[0], msg, msg_size);
        return EXIT_USAGE;
    }
    if (c->packets == 0) {
        (void)snprintf(msg, msg_size, "%s%s", got < 0 ? "" : name, got < 0 ? c->broken : ": there is no packet in it");
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

void contents_done(struct contents *c)
{
    flows_done(&c->flows);
}

/* ---- printing ---- */

static double seconds(int64_t from, int64_t to)
{
    return ((double)to - (double)from) / 1e9;
}

static const char *modes(const struct flow *f)
{
    const char *why = flow_not_playable(f);
    return why == NULL ? "observe, play" : "observe";
}

static void print_flow(const struct flow *f, FILE *out)
{
    char a[64], b[64];
    view_endpoint(f->side[0].addr, f->side[0].port, a);
    view_endpoint(f->side[1].addr, f->side[1].port, b);
    fprintf(out, "%6u  %-21s %-21s %7llu %10llu %10llu %9.3f  %-13s %-11s %s\n", f->number, a, b,
            (unsigned long long)(f->side[0].packets + f->side[1].packets), (unsigned long long)f->side[0].unique,
            (unsigned long long)f->side[1].unique, seconds(f->first, f->last), flow_begin_text(f), flow_end_text(f), modes(f));
}

static void print_count(FILE *out, const char **before, uint64_t n, const char *what)
{
    if (n == 0)
        return;
    fprintf(out, "%s%llu %s", *before, (unsigned long long)n, what);
    *before = ", ";
}

void contents_print(const struct contents *c, FILE *out)
{
    const char *before = ": ";
    fprintf(out, "%llu packets in %.3f s", (unsigned long long)c->packets, seconds(c->first, c->last));
    print_count(out, &before, c->tcp, "TCP");
    print_count(out, &before, c->udp, "UDP");
    print_count(out, &before, c->icmp, "ICMP");
    print_count(out, &before, c->arp, "ARP");
    print_count(out, &before, c->fragments, "fragments");
    print_count(out, &before, c->ipv6, "IPv6");
    print_count(out, &before, c->other, "others");
    print_count(out, &before, c->unread, "of a link type that can't be read");
    fputc('\n', out);
    if (c->cut > 0)
        fprintf(out, "note: %llu packets were cut off when they were captured; zeros stand for what is missing\n", (unsigned long long)c->cut);
    if (c->backwards > 0)
        fprintf(out, "note: %llu packets have a time before that of the packet before them\n", (unsigned long long)c->backwards);
    if (c->flows.full)
        fprintf(out, "note: there are more connections than can be counted\n");
    if (c->broken[0] != '\0')
        fprintf(out, "note: %s\n", c->broken);
    if (c->flows.head == NULL)
        return;
    fprintf(out, "%6s  %-21s %-21s %7s %10s %10s %9s  %-13s %-11s %s\n", "stream", "client", "server", "packets", "bytes >",
            "bytes <", "seconds", "begins with", "ends with", "modes");
    for (const struct flow *f = c->flows.head; f != NULL; f = f->next)
        print_flow(f, out);
}

static void side_json(struct jsonw *w, const char *key, const struct flow_side *s)
{
    char end[64];
    view_endpoint(s->addr, s->port, end);
    jw_open(w, key, '{');
    jw_str(w, "endpoint", end);
    jw_u64(w, "packets", s->packets);
    jw_u64(w, "bytes", s->unique);
    jw_u64(w, "bytes_sent", s->bytes);
    jw_u64(w, "bytes_not_captured", s->cut);
    jw_close(w, '}');
}

static void flow_json(struct jsonw *w, const struct flow *f)
{
    const char *why = flow_not_playable(f);
    jw_open(w, NULL, '{');
    jw_u64(w, "stream", f->number);
    side_json(w, "client", &f->side[0]);
    side_json(w, "server", &f->side[1]);
    jw_i64(w, "first_ns", f->first);
    jw_i64(w, "last_ns", f->last);
    jw_u64(w, "first_packet", f->first_packet);
    jw_u64(w, "last_packet", f->last_packet);
    jw_str(w, "begins", flow_begin_text(f));
    jw_str(w, "ends", flow_end_text(f));
    jw_u64(w, "bad_checksums", f->bad_sums);
    jw_open(w, "modes", '[');
    jw_str(w, NULL, "observe");
    if (why == NULL)
        jw_str(w, NULL, "play");
    jw_close(w, ']');
    if (why != NULL)
        jw_str(w, "not_playable", why);
    jw_close(w, '}');
}

void contents_json(const struct contents *c, FILE *out)
{
    struct text t = {0};
    struct jsonw w = {.t = &t};
    jw_open(&w, NULL, '{');
    jw_u64(&w, "packets", c->packets);
    jw_i64(&w, "first_ns", c->first);
    jw_i64(&w, "last_ns", c->last);
    static const char *const names[] = {"tcp", "udp", "icmp", "arp", "fragments", "ipv4", "ipv6", "other", "unread", "cut", "backwards"};
    const uint64_t counts[] = {c->tcp, c->udp, c->icmp, c->arp, c->fragments, c->ipv4, c->ipv6, c->other, c->unread, c->cut, c->backwards};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        jw_u64(&w, names[i], counts[i]);
    jw_open(&w, "link_types", '[');
    for (unsigned i = 0; i < c->nlinks; i++)
        jw_u64(&w, NULL, c->links[i]);
    jw_close(&w, ']');
    if (c->broken[0] != '\0')
        jw_str(&w, "broken", c->broken);
    jw_open(&w, "streams", '[');
    for (const struct flow *f = c->flows.head; f != NULL; f = f->next) {
        flow_json(&w, f);
        fwrite(t.s, 1, t.len, out); /* a million of them needn't be in memory */
        text_consume(&t, t.len);
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    text_puts(&t, "\n");
    fwrite(t.s, 1, t.len, out);
    text_free(&t);
}
