/* replay/observe_ask.c: what an observed capture answers by itself (observe_tape.h).
 *
 * The words are those of the daemon where they mean the same, seen from outside: `ss` has a line
 * for each end of each connection, `pcb` both ends' variables side by side, `ladder` the arrows
 * between them. What no packet carries is inferred, and marked with ~.
 */
#include "replay/observe_tape.h"

#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "common/jsonw.h"
#include "common/parse.h"
#include "replay/track_internal.h"

#define LADDER_ROWS 40u
#define LADDER_MOST 1000000u
#define ARROW       44 /* columns between the margins */

struct ask {
    struct observe_tape *t;
    int argc;
    char *const *argv;
    bool json;
    struct text *out;
    struct jsonw w;
};

static int refuse(struct ask *a, const char *sentence, const char *word)
{
    text_consume(a->out, a->out->len);
    text_printf(a->out, sentence, word);
    return EXIT_USAGE;
}

static const char *const ends[] = {"client", "server"};

/* ---- which connection ---- */

/* A flow's number, or an endpoint of it: the newest. NULL: none, *status is set. No word: that of
 * the packet where the tape stands, or else the first. */
static const struct flow *the_flow(struct ask *a, const char *word, int *status)
{
    const struct flows *all = observer_flows(a->t->observer);
    const struct flow *found = NULL;
    uint32_t n;
    *status = EXIT_DONE;
    if (word == NULL && a->t->tracked)
        found = flows_number(all, a->t->row.stream);
    else if (word == NULL)
        found = all->head;
    else if (parse_u32(word, UINT32_MAX, &n))
        found = flows_number(all, n);
    for (const struct flow *f = all->head; word != NULL && strchr(word, ':') != NULL && f != NULL;
         f = f->next) {
        for (int i = 0; i < 2; i++) {
            char end[64];
            view_endpoint(f->side[i].addr, f->side[i].port, end);
            if (strcmp(end, word) == 0 || (word[0] == ':' && strcmp(strrchr(end, ':'), word) == 0))
                found = f;
        }
    }
    if (found != NULL && found->side[0].track != NULL && found->side[1].track != NULL)
        return found;
    if (word == NULL)
        *status = refuse(a, "up to here there is no TCP connection%s", "");
    else
        *status =
            refuse(a, "up to here there is no connection '%s': `ss` lists those there are", word);
    return NULL;
}

/* ---- ss ---- */

struct end_facts { /* of one end, as a sender and as a receiver */
    const char *state;
    uint32_t flight, window, mss;
    bool window_known;
    uint32_t cwnd, ssthresh; /* bytes, inferred; 0 = no idea */
    int64_t srtt;            /* ns; 0 */
    const char *phase;
};

static void facts_of(const struct flow *f, int i, struct end_facts *e)
{
    const struct track_side *s = f->side[i].track, *o = f->side[!i].track;
    *e = (struct end_facts){.state = track_state_text(s->state),
                            .flight = side_flight(s),
                            .mss = side_segment(s, o),
                            .cwnd = s->infer.cwnd,
                            .ssthresh = s->infer.ssthresh,
                            .srtt = s->infer.srtt,
                            .phase = infer_phase_text(&s->infer)};
    e->window = side_window(s, o, &e->window_known);
}

/* In segments, with what marks it as inferred. */
static void guess_text(uint32_t bytes, uint32_t mss, char dst[24])
{
    if (bytes == 0 || mss == 0)
        (void)snprintf(dst, 24, "-");
    else
        (void)snprintf(dst, 24, "~%.1f", (double)bytes / mss);
}

static void end_text(struct ask *a, const struct flow *f, int i)
{
    struct end_facts e;
    char cwnd[24], ssthresh[24], srtt[24] = "-", window[24], local[64], peer[64];
    facts_of(f, i, &e);
    guess_text(e.cwnd, e.mss, cwnd);
    guess_text(e.ssthresh, e.mss, ssthresh);
    if (e.srtt > 0)
        (void)snprintf(srtt, sizeof(srtt), "~%.1f", (double)e.srtt / 1e6);
    (void)snprintf(window, sizeof(window), "%u%s", e.window, e.window_known ? "" : "?");
    view_endpoint(f->side[i].addr, f->side[i].port, local);
    view_endpoint(f->side[!i].addr, f->side[!i].port, peer);
    text_printf(a->out, "%4u %-6s %-12s %8u %8s %8s %8s %9s  %21s %21s\n", f->number, ends[i],
                e.state, e.flight, window, cwnd, ssthresh, srtt, local, peer);
}

static void end_json(struct ask *a, const struct flow *f, int i)
{
    struct end_facts e;
    char local[64], peer[64];
    facts_of(f, i, &e);
    view_endpoint(f->side[i].addr, f->side[i].port, local);
    view_endpoint(f->side[!i].addr, f->side[!i].port, peer);
    jw_open(&a->w, NULL, '{');
    jw_u64(&a->w, "stream", f->number);
    jw_str(&a->w, "end", ends[i]);
    jw_str(&a->w, "state", e.state);
    jw_str(&a->w, "local", local);
    jw_str(&a->w, "peer", peer);
    jw_u64(&a->w, "in_flight", e.flight);
    jw_u64(&a->w, "window", e.window);
    if (!e.window_known)
        jw_bool(&a->w, "window_scale_unknown", true);
    jw_open(&a->w, "inferred", '{');
    if (e.cwnd > 0)
        jw_u64(&a->w, "cwnd", e.cwnd);
    if (e.ssthresh > 0)
        jw_u64(&a->w, "ssthresh", e.ssthresh);
    if (e.srtt > 0)
        jw_ms(&a->w, "srtt_ms", (uint64_t)e.srtt);
    jw_str(&a->w, "phase", e.phase);
    jw_close(&a->w, '}');
    jw_close(&a->w, '}');
}

static int ss_main(struct ask *a)
{
    bool all = false;
    for (int i = 1; i < a->argc; i++) {
        if (a->argv[i][0] != '-' || strspn(a->argv[i] + 1, "tanieomj") != strlen(a->argv[i] + 1))
            return refuse(a,
                          "'%s' doesn't belong here: ss shows all connections that are open, with "
                          "-a also the others",
                          a->argv[i]);
        all = all || strchr(a->argv[i], 'a') != NULL;
        a->json = a->json || strchr(a->argv[i], 'j') != NULL;
    }
    if (a->json)
        jw_open(&a->w, NULL, '[');
    else
        text_printf(a->out, "%4s %-6s %-12s %8s %8s %8s %8s %9s  %21s %21s\n", "flow", "end",
                    "state", "flight", "window", "~cwnd", "~ssthr", "~srtt ms", "local", "peer");
    for (const struct flow *f = observer_flows(a->t->observer)->head; f != NULL; f = f->next) {
        if (f->side[0].track == NULL || f->side[1].track == NULL ||
            (!all && flow_end(f) >= FLOW_CLOSED))
            continue;
        for (int i = 0; i < 2; i++)
            (a->json ? end_json : end_text)(a, f, i);
    }
    if (a->json) {
        jw_close(&a->w, ']');
        text_puts(a->out, "\n");
    }
    return EXIT_DONE;
}

/* ---- pcb ---- */

static void put_variable(struct ask *a, const char *name, const char *mark, const int64_t n[2],
                         const bool known[2])
{
    char text[2][32];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "-");
        if (known[i])
            (void)snprintf(text[i], sizeof(text[i]), "%s%lld", mark, (long long)n[i]);
    }
    if (!a->json) {
        text_printf(a->out, "%-24s %18s %18s\n", name, text[0], text[1]);
        return;
    }
    for (int i = 0; i < 2; i++) {
        char key[64];
        (void)snprintf(key, sizeof(key), "%s.%s%s", ends[i], mark, name);
        if (known[i])
            jw_i64(&a->w, key, n[i]);
    }
}

static void put_words(struct ask *a, const char *name, const char *client, const char *server)
{
    char key[64];
    if (!a->json) {
        text_printf(a->out, "%-24s %18s %18s\n", name, client, server);
        return;
    }
    (void)snprintf(key, sizeof(key), "client.%s", name);
    jw_str(&a->w, key, client);
    (void)snprintf(key, sizeof(key), "server.%s", name);
    jw_str(&a->w, key, server);
}

static void put_both(struct ask *a, const struct flow *f, const char *name, const char *mark,
                     bool zero,
                     int64_t (*of)(const struct track_side *s, const struct track_side *other))
{
    const struct track_side *s[2] = {f->side[0].track, f->side[1].track};
    const int64_t n[2] = {of(s[0], s[1]), of(s[1], s[0])};
    const bool known[2] = {n[0] > 0 || (zero && n[0] == 0), n[1] > 0 || (zero && n[1] == 0)};
    put_variable(a, name, mark, n, known);
}

#define OF(name, value)                                                                            \
    static int64_t name(const struct track_side *s, const struct track_side *o)                    \
    {                                                                                              \
        (void)s;                                                                                   \
        (void)o;                                                                                   \
        return (int64_t)(value);                                                                   \
    }
OF(snd_una, s->acked ? side_rel(s, s->una) : -1)
OF(snd_nxt, s->begun ? s->nxt_rel : -1)
OF(snd_wnd, o->ack_seen ? (int64_t)side_window(o, s, &(bool){false}) : -1)
OF(rcv_nxt, s->ack_seen ? side_rel(o, s->ack) : -1)
OF(rcv_wnd, s->ack_seen ? (int64_t)side_window(s, o, &(bool){false}) : -1)
OF(in_flight, side_flight(s))
OF(holes, s->holes.n)
OF(sacked, s->sacked.n)
OF(segment, side_segment(s, o))
OF(mss_said, s->syn_seen ? s->mss : -1)
OF(scale_said, s->syn_seen && s->has_wscale ? s->wscale : -1)
OF(sent_bytes, s->stats.data_bytes)
OF(again, s->stats.rtx_packets)
OF(out_of_order, s->stats.out_of_order)
OF(dup_acks, s->stats.dup_acks)
OF(cwnd, s->infer.cwnd)
OF(ssthresh, s->infer.ssthresh)
OF(srtt_us, s->infer.srtt / 1000)
OF(rto_us, s->infer.srtt > 0 ? side_rto(s) / 1000 : 0)

static const struct {
    const char *name, *mark;
    bool zero;
    int64_t (*of)(const struct track_side *s, const struct track_side *other);
} variables[] = {
    {"SND.UNA", "", true, snd_una},
    {"SND.NXT", "", true, snd_nxt},
    {"SND.WND", "", true, snd_wnd},
    {"RCV.NXT", "", true, rcv_nxt},
    {"RCV.WND", "", true, rcv_wnd},
    {"in flight", "", true, in_flight},
    {"holes in what it sent", "", true, holes},
    {"ranges SACKed of it", "", true, sacked},
    {"bytes of text", "", true, sent_bytes},
    {"sent again", "", true, again},
    {"out of order", "", true, out_of_order},
    {"duplicate ACKs", "", true, dup_acks},
    {"largest segment", "", false, segment},
    {"MSS of its SYN", "", false, mss_said},
    {"scale of its SYN", "", true, scale_said},
    {"cwnd", "~", false, cwnd},
    {"ssthresh", "~", false, ssthresh},
    {"srtt us", "~", false, srtt_us},
    {"rto us", "~", false, rto_us},
};

static int pcb_main(struct ask *a)
{
    const char *word = NULL;
    int status;
    for (int i = 1; i < a->argc; i++) {
        if (strcmp(a->argv[i], "-j") == 0)
            a->json = true;
        else if (word == NULL && a->argv[i][0] != '-')
            word = a->argv[i];
        else
            return refuse(a, "'%s' doesn't belong here: write `pcb [FLOW]`", a->argv[i]);
    }
    const struct flow *f = the_flow(a, word, &status);
    char client[64], server[64];
    if (f == NULL)
        return status;
    view_endpoint(f->side[0].addr, f->side[0].port, client);
    view_endpoint(f->side[1].addr, f->side[1].port, server);
    if (a->json) {
        jw_open(&a->w, NULL, '{');
        jw_u64(&a->w, "stream", f->number);
    } else {
        text_printf(a->out,
                    "flow %u, seen from where it was captured; numbers relative to the initial "
                    "ones; ~ is inferred\n%-24s %18s %18s\n",
                    f->number, "", "client", "server");
    }
    put_words(a, "endpoint", client, server);
    put_words(a, "state", track_state_text(f->side[0].track->state),
              track_state_text(f->side[1].track->state));
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        put_both(a, f, variables[i].name, variables[i].mark, variables[i].zero, variables[i].of);
    put_words(a, "~phase", infer_phase_text(&f->side[0].track->infer),
              infer_phase_text(&f->side[1].track->infer));
    if (a->json) {
        jw_close(&a->w, '}');
        text_puts(a->out, "\n");
    }
    return EXIT_DONE;
}

/* ---- ladder ---- */

struct rows {                         /* of one connection, up to now: the last of them */
    struct observe_listener listener; /* the first member */
    struct track_row *row;
    uint32_t room;
    uint64_t n;
};

/* What a row points at is the packet's: it is kept too. */
static void drop_row(struct track_row *x)
{
    free((void *)(uintptr_t)x->offered);
    free((void *)(uintptr_t)x->said);
}

static void keep_row(struct observe_listener *l, const struct observe_packet *p)
{
    struct rows *r = (struct rows *)l;
    if (p->row == NULL || !p->told)
        return;
    struct track_row *x = &r->row[r->n++ % r->room];
    drop_row(x);
    *x = *p->row;
    if (x->offered != NULL) {
        struct tcp_opts *o = malloc(sizeof(*o));
        if (o != NULL)
            *o = *x->offered;
        x->offered = o;
    }
    if (x->said != NULL) {
        char *said = malloc(x->said_len + 1);
        if (said != NULL)
            memcpy(said, x->said, x->said_len);
        x->said = said;
    }
}

static void no_end(struct observe_listener *l, const struct observe_end *e)
{
    (void)l;
    (void)e;
}

/* Reads the file once more. The tape stands at a packet of it, so it reads well. */
static bool read_rows(const struct observe_tape *t, uint32_t flow, struct rows *r)
{
    struct observe_options o = {.silent = true,
                                .flow = flow,
                                .sums = t->options.sums,
                                .to = t->tape.frame.number,
                                .listener = &r->listener};
    char msg[512];
    FILE *f = mapped_again(&t->file);
    struct capture_reader *reader =
        f != NULL ? capture_open_stream(f, t->name, msg, sizeof(msg)) : NULL;
    r->listener = (struct observe_listener){.packet = keep_row, .end = no_end};
    if (reader == NULL)
        return false;
    (void)observe_run(reader, t->name, &o, NULL, NULL, NULL, msg, sizeof(msg));
    capture_close(reader);
    return true;
}

static void label(const struct track_row *x, char *dst, size_t size)
{
    char flags[12], ack[32] = "", len[48] = "";
    observe_flags(x->flags, flags);
    if ((x->flags & TCP_ACK) != 0)
        (void)snprintf(ack, sizeof(ack), " ack %lld", (long long)x->ack);
    if (x->len > 0)
        (void)snprintf(len, sizeof(len), ":%lld", (long long)x->seq + x->len);
    (void)snprintf(dst, size, " %s %lld%s%s win %llu ", flags, (long long)x->seq, len, ack,
                   (unsigned long long)x->window);
    dst[ARROW - 4] = '\0';
}

static void arrow(struct ask *a, const struct track_row *x)
{
    char text[160], shaft[ARROW + 1], states[2][16];
    bool again = (x->marks & TRACK_ANY_RTX) != 0;
    label(x, text, sizeof(text));
    memset(shaft, again ? '=' : '-', ARROW);
    shaft[ARROW] = '\0';
    memcpy(shaft + (x->side == 0 ? 2 : ARROW - 2 - (int)strlen(text)), text, strlen(text));
    shaft[x->side == 0 ? ARROW - 1 : 0] = x->side == 0 ? '>' : '<';
    for (int i = 0; i < 2; i++)
        (void)snprintf(states[i], sizeof(states[i]), "%s",
                       x->before[i] != x->after[i] ? track_state_text(x->after[i]) : "");
    text_printf(a->out, "%6llu %11.6f %-12s |%s| %-12s", (unsigned long long)x->number,
                (double)(x->t - a->t->first) / 1e9, states[0], shaft, states[1]);
    struct text words = {0};
    observe_row_words(x, &words);
    if ((x->marks & ~(TRACK_BIT(SACK) | TRACK_BIT(DELAYED_ACK))) != 0 && words.len > 0)
        text_printf(a->out, " %s", words.s + strspn(words.s, " "));
    text_free(&words);
    while (a->out->len > 0 && a->out->s[a->out->len - 1] == ' ')
        a->out->s[--a->out->len] = '\0';
    text_puts(a->out, "\n");
}

static void row_json(struct ask *a, const struct track_row *x, int us)
{
    char flags[48] = "";
    static const struct {
        uint16_t bit;
        const char *name;
    } names[] = {{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"},
                 {TCP_PSH, "PSH"}, {TCP_ACK, "ACK"}, {TCP_URG, "URG"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if ((x->flags & names[i].bit) != 0)
            (void)snprintf(flags + strlen(flags), sizeof(flags) - strlen(flags), "%s%s",
                           flags[0] != '\0' ? "," : "", names[i].name);
    const struct track_guess *g = &x->guess[us];
    jw_open(&a->w, NULL, '{');
    jw_u64(&a->w, "packet", x->number);
    jw_i64(&a->w, "time_ns", x->t - a->t->first);
    jw_str(&a->w, "what", x->side == us ? "out" : "in");
    jw_str(&a->w, "flags", flags);
    jw_u64(&a->w, "len", x->len);
    jw_i64(&a->w, "seq-relative", x->seq);
    if ((x->flags & TCP_ACK) != 0) {
        jw_i64(&a->w, "ack", x->ack);
        jw_i64(&a->w, "ack-relative", x->ack);
    }
    jw_u64(&a->w, "wnd", x->window);
    if ((x->marks & TRACK_ANY_RTX) != 0)
        jw_bool(&a->w, "again", true);
    if (x->nsack > 0) {
        jw_i64(&a->w, "sack-left-relative", x->sack[0].left);
        jw_i64(&a->w, "sack-right-relative", x->sack[0].right);
    }
    if (g->cwnd > 0) {
        jw_u64(&a->w, "cwnd", g->cwnd);
        if (g->ssthresh > 0)
            jw_u64(&a->w, "ssthresh", g->ssthresh);
        jw_u64(&a->w, "flight", x->flight[us]);
    }
    if (g->srtt > 0)
        jw_i64(&a->w, "srtt", g->srtt);
    jw_str(&a->w, "state", track_state_text(x->after[us]));
    jw_str(&a->w, "peer-state", track_state_text(x->after[!us]));
    jw_close(&a->w, '}');
}

/* As the daemon's `ladder -j` has it, from the place of the end that sent more. */
static void ladder_json(struct ask *a, const struct flow *f, const struct rows *r, uint64_t from)
{
    int us = f->side[1].unique > f->side[0].unique;
    char end[2][64];
    for (int i = 0; i < 2; i++) {
        view_endpoint(f->side[i].addr, f->side[i].port, end[i]);
        *strrchr(end[i], ':') = '\0';
    }
    jw_open(&a->w, NULL, '{');
    jw_u64(&a->w, "stream", f->number);
    jw_bool(&a->w, "inferred", true);
    jw_str(&a->w, "local", end[us]);
    jw_u64(&a->w, "lport", f->side[us].port);
    jw_str(&a->w, "peer", end[!us]);
    jw_u64(&a->w, "pport", f->side[!us].port);
    jw_bool(&a->w, "from-the-beginning", from == 0);
    jw_open(&a->w, "rows", '[');
    for (uint64_t i = from; i < r->n; i++)
        row_json(a, &r->row[i % r->room], us);
    jw_close(&a->w, ']');
    jw_close(&a->w, '}');
    text_puts(a->out, "\n");
}

static void ladder_text(struct ask *a, const struct flow *f, const struct rows *r, uint64_t from)
{
    char end[2][64];
    for (int i = 0; i < 2; i++)
        view_endpoint(f->side[i].addr, f->side[i].port, end[i]);
    text_printf(a->out, "flow %u, from the client's side\n%6s %11s %-12s  %-22s%22s\n", f->number,
                "packet", "seconds", "client", end[0], end[1]);
    if (from > 0)
        text_printf(a->out, "... %llu rows before (-n shows more)\n", (unsigned long long)from);
    for (uint64_t i = from; i < r->n; i++)
        arrow(a, &r->row[i % r->room]);
}

static int ladder_main(struct ask *a)
{
    const char *word = NULL;
    uint32_t most = LADDER_ROWS;
    int status;
    for (int i = 1; i < a->argc; i++) {
        if (strcmp(a->argv[i], "-j") == 0)
            a->json = true;
        else if (strcmp(a->argv[i], "-n") == 0 && i + 1 < a->argc &&
                 parse_u32(a->argv[i + 1], LADDER_MOST, &most) && most > 0)
            i++;
        else if (word == NULL && a->argv[i][0] != '-')
            word = a->argv[i];
        else
            return refuse(a, "'%s' doesn't belong here: write `ladder [FLOW] [-n ROWS]`",
                          a->argv[i]);
    }
    const struct flow *f = the_flow(a, word, &status);
    if (f == NULL)
        return status;
    struct rows r = {.row = calloc(most, sizeof(*r.row)), .room = most};
    if (r.row == NULL || !read_rows(a->t, f->number, &r)) {
        free(r.row);
        (void)refuse(a, "the capture can't be read once more: out of memory%s", "");
        return EXIT_FAILED;
    }
    (a->json ? ladder_json : ladder_text)(a, f, &r, r.n > most ? r.n - most : 0);
    for (uint32_t i = 0; i < most; i++)
        drop_row(&r.row[i]);
    free(r.row);
    return EXIT_DONE;
}

/* ---- table, values, help ---- */

/* `graph` asks for it; the tracker keeps no samples but the packets themselves. */
static int table_main(struct ask *a)
{
    if (a->argc < 2 || strcmp(a->argv[1], "series") != 0)
        return refuse(a,
                      "no stack is on this tape, so it has no tables%s: ss, pcb and ladder tell "
                      "what was seen",
                      "");
    text_puts(a->out, a->json ? "[]\n" : "");
    return EXIT_DONE;
}

/* What Tab offers for a class. */
static int values_main(struct ask *a)
{
    static const char states[] = "SYN_SENT SYN_RECEIVED ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 "
                                 "CLOSE_WAIT CLOSING LAST_ACK TIME_WAIT CLOSED ";
    const char *class = a->argc > 1 ? a->argv[1] : "";
    if (strcmp(class, "TCPSTATE") == 0)
        for (const char *s = states; *s != '\0'; s += strcspn(s, " ") + 1) {
            text_add(a->out, s, strcspn(s, " "));
            text_puts(a->out, "\n");
        }
    if (strcmp(class, "FLOW") == 0 || strcmp(class, "CONN") == 0)
        for (const struct flow *f = observer_flows(a->t->observer)->head;
             f != NULL && f->number < 1000; f = f->next)
            text_printf(a->out, "%u\n", f->number);
    return EXIT_DONE;
}

static int help_main(struct ask *a);

static const struct {
    const char *name, *usage, *doc, *more;
    int (*fn)(struct ask *a);
} commands_here[] = {
    {"ss", "ss [-a] [-j]",
     "both ends of each connection: state, window, in flight, and what is inferred of the sender",
     "A line for each end. flight: bytes it has sent that aren't acknowledged; window: what it "
     "offers (? where its scaling\n"
     "isn't known); ~cwnd and ~ssthresh in segments, ~srtt: inferred. With -a also connections "
     "that are over.\n"
     "Examples:\n  ss\n  ss -a",
     ss_main},
    {"pcb", "pcb [FLOW] [-j]",
     "the variables of both ends of a connection, as far as its packets tell",
     "FLOW is its number (tcp.stream) or an endpoint, ADDR:PORT or :PORT; without it, that of the "
     "packet at which the tape stands.\n"
     "Examples:\n  pcb\n  pcb 0",
     pcb_main},
    {"ladder", "ladder [FLOW] [-n ROWS] [-j]", "a connection as a sequence diagram, up to here",
     "The last 40 rows, or ROWS. A double shaft was sent again.\nExamples:\n  ladder\n  ladder 0 "
     "-n 100",
     ladder_main},
    {"table", NULL, NULL, NULL, table_main},
    {"values", NULL, NULL, NULL, values_main},
    {"help", "help [COMMAND] [-j]", "what there is to be said here", NULL, help_main},
};
#define NCOMMANDS (sizeof(commands_here) / sizeof(*commands_here))

static void help_json(struct ask *a, size_t i, bool more)
{
    jw_open(&a->w, NULL, '{');
    jw_str(&a->w, "name", commands_here[i].name);
    jw_str(&a->w, "usage", commands_here[i].usage);
    jw_str(&a->w, "doc", commands_here[i].doc);
    if (more && commands_here[i].more != NULL)
        jw_str(&a->w, "more", commands_here[i].more);
    jw_close(&a->w, '}');
}

/* The console asks for it, as JSON. */
static int help_main(struct ask *a)
{
    const char *name = a->argc > 1 ? a->argv[1] : NULL;
    if (name == NULL)
        jw_open(&a->w, NULL, '[');
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (commands_here[i].usage == NULL ||
            (name != NULL && strcmp(name, commands_here[i].name) != 0))
            continue;
        help_json(a, i, name != NULL);
        if (name != NULL) {
            text_puts(a->out, "\n");
            return EXIT_DONE;
        }
    }
    if (name != NULL)
        return refuse(
            a,
            "there is no command '%s' here: no stack is on this tape, it was only watched; "
            "`replay -i --play SIDE FILE` puts one on it",
            name);
    jw_close(&a->w, ']');
    text_puts(a->out, "\n");
    return EXIT_DONE;
}

bool observe_ask(struct tape *tape, int argc, char *const *argv, bool json, struct text *out,
                 int *status)
{
    struct ask a = {.t = (struct observe_tape *)tape,
                    .argc = argc,
                    .argv = argv,
                    .json = json,
                    .out = out,
                    .w = {.t = out}};
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (strcmp(argv[0], commands_here[i].name) != 0)
            continue;
        *status = commands_here[i].fn(&a);
        return true;
    }
    return false;
}
