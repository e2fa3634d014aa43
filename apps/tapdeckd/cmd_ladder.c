/* tapdeckd/cmd_ladder.c: `ladder`: a connection as a sequence diagram.
 *
 * Theory of operation. The rows are the record's (story.c), oldest first: segments as arrows
 * between two margins, with sequence numbers relative to both sides' initial ones; changes of state
 * and `accept` with their causes. At the left margin stands our state when it changes; at the right
 * margin the peer's, as far as its segments betray it (who sends a FIN has closed; who acknowledges
 * ours has seen it).
 *
 * What was sent again has a double shaft; what ended in a drop here doesn't reach the other margin;
 * both say why in the line below. Where time passes without a segment, and where the record has
 * lost rows (an acknowledgment of something that isn't there shows it), there is a line that says
 * so.
 *
 *      24 columns of time and state | 41 of arrow | 13 for the peer's state
 */
#include "tapdeckd/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK      2048
#define ROWS_STEP 64
#define ARROW     41 /* columns between the margins */
#define ROWS_MAX  100000
#define PAUSE     (100 * TD_MS) /* from here on it is said how long nothing happened */
#define POLL      (100 * TD_MS) /* between two looks of -f */

enum peer_state {
    P_NONE,
    P_SYN_SENT,
    P_SYN_RECEIVED,
    P_ESTABLISHED,
    P_FIN_WAIT_1,
    P_FIN_WAIT_2,
    P_CLOSE_WAIT,
    P_LAST_ACK,
    P_TIME_WAIT,
    P_CLOSED
};

struct ladder {
    struct story story;
    bool found, mermaid, follow, headed, over;
    uint32_t limit;
    uint64_t skip, cursor, rows;
    td_time last;
    /* as far as the rows printed have told */
    bool any_out, any_in;
    uint32_t out_high, in_high;  /* beyond the highest number sent, received */
    uint32_t our_fin, their_fin; /* number behind the FIN; 0: none yet */
    enum peer_state peer;
    uint8_t ours; /* state shown last */
};

/* ---- words ---- */

static void flags_text(uint16_t flags, char *dst, size_t size)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } names[] = {{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
                 {TCP_ACK, "ACK"}, {TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"}};
    size_t n = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((flags & names[i].bit) != 0 && n + 5 < size)
            n += (size_t)snprintf(dst + n, size - n, "%s%s", n > 0 ? "," : "", names[i].name);
}

/* Adds a part if it fits into `room` columns. */
static void add(char *text, size_t room, const char *part)
{
    if (strlen(text) + 1 + strlen(part) <= room) {
        strcat(text, " ");
        strcat(text, part);
    }
}

/* "PSH,ACK 1:101 ack 1 win 64000", what matters first, as much of it as fits. */
static void label(const struct ladder *l, const struct tcp_seglog_rec *x, char *text, size_t room)
{
    char part[64];
    uint32_t seq = story_seq(&l->story, x);
    flags_text(x->flags, text, 40);
    if (x->len > 0)
        snprintf(part, sizeof(part), "%u:%u", seq, seq + x->len);
    else
        snprintf(part, sizeof(part), "%u", seq);
    add(text, room, part);
    if ((x->flags & TCP_ACK) != 0) {
        snprintf(part, sizeof(part), "ack %u", story_ack(&l->story, x));
        add(text, room, part);
    }
    if ((x->opts & TSO_SACK) != 0) {
        uint32_t from = x->what == TSL_IN ? l->story.iss : l->story.irs;
        snprintf(part, sizeof(part), "sack %u:%u", x->sack_left - from, x->sack_right - from);
        add(text, room, part);
    }
    if ((x->flags & TCP_RST) == 0) {
        snprintf(part, sizeof(part), "win %u", x->wnd);
        add(text, room, part);
    }
    if ((x->opts & TSO_MSS) != 0) {
        snprintf(part, sizeof(part), "mss %u", x->sack_left);
        add(text, room, part);
    }
    if ((x->opts & TSO_WSCALE) != 0) {
        snprintf(part, sizeof(part), "ws %u", x->sack_right - 1);
        add(text, room, part);
    }
    if ((x->opts & TSO_FASTOPEN) != 0)
        add(text, room, "fastopen");
}

/* ---- what the peer's state must be ---- */

static const char *const peer_names[] = {"",           "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
                                         "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",   "LAST-ACK",
                                         "TIME-WAIT",  "CLOSED"};

static void peer_sent(struct ladder *l, const struct tcp_seglog_rec *x)
{
    bool acks_fin =
        l->our_fin != 0 && (x->flags & TCP_ACK) != 0 && story_ack(&l->story, x) >= l->our_fin;
    bool fin = (x->flags & TCP_FIN) != 0;
    if ((x->flags & TCP_RST) != 0) {
        l->peer = P_CLOSED;
        return;
    }
    if ((x->flags & TCP_SYN) != 0) {
        l->peer = (x->flags & TCP_ACK) != 0 ? P_SYN_RECEIVED : P_SYN_SENT;
        return;
    }
    if (l->peer <= P_SYN_RECEIVED)
        l->peer = P_ESTABLISHED;
    if (acks_fin)
        l->peer = l->peer == P_ESTABLISHED                             ? P_CLOSE_WAIT
                  : l->peer == P_FIN_WAIT_1 || l->peer == P_FIN_WAIT_2 ? P_TIME_WAIT
                                                                       : l->peer;
    if (fin && l->peer == P_ESTABLISHED)
        l->peer = P_FIN_WAIT_1;
    else if (fin && l->peer == P_CLOSE_WAIT)
        l->peer = P_LAST_ACK;
}

/* What a segment tells of both streams; before it is printed. */
static bool take_note(struct ladder *l, const struct tcp_seglog_rec *x)
{
    uint32_t seq = story_seq(&l->story, x), ack = story_ack(&l->story, x);
    uint32_t end = seq + x->len + ((x->flags & TCP_SYN) != 0) + ((x->flags & TCP_FIN) != 0);
    bool in = x->what == TSL_IN, has_ack = (x->flags & TCP_ACK) != 0, hole = false;
    uint32_t *high = in ? &l->in_high : &l->out_high, *other = in ? &l->out_high : &l->in_high;
    if ((in && x->verdict != 0) || (x->flags & TCP_RST) != 0) {
        if (in && x->verdict == 0)
            peer_sent(l, x);
        return false;
    }
    if (l->any_out && !in && (int32_t)(seq - *high) > 0)
        hole = true; /* what we sent in between isn't there */
    if (has_ack && (in ? l->any_out : l->any_in) && (int32_t)(ack - *other) > 0) {
        hole = true; /* what is acknowledged isn't there */
        *other = ack;
    }
    if (in ? !l->any_in || (int32_t)(end - *high) > 0 : !l->any_out || (int32_t)(end - *high) > 0)
        *high = end;
    *(in ? &l->any_in : &l->any_out) = true;
    if ((x->flags & TCP_FIN) != 0)
        *(in ? &l->their_fin : &l->our_fin) = end;
    if (in)
        peer_sent(l, x);
    return hole;
}

/* ---- text ---- */

static void margin(struct run *r, const struct ladder *l, td_time at, const char *state)
{
    td_time t = at - l->story.begin;
    run_printf(r, "%6llu.%03llu %-12s |", (unsigned long long)(t / TD_MS),
               (unsigned long long)(t % TD_MS / TD_US), state);
}

/* Lines between the margins without an arrow; broken between words. */
static void remark(struct run *r, const char *colour, const char *text)
{
    while (*text != '\0') {
        int n = (int)strlen(text);
        if (n > ARROW - 1) {
            for (n = ARROW - 1; n > 0 && text[n] != ' '; n--)
                ;
            n = n == 0 ? ARROW - 1 : n;
        }
        run_printf(r, "%24s| %s%-*.*s%s|\n", "", r->tty ? colour : "", ARROW - 1, n, text,
                   r->tty ? "\033[0m" : "");
        text += n;
        text += *text == ' ';
    }
}

static void arrow(struct run *r, struct ladder *l, const struct tcp_seglog_rec *x)
{
    char text[160], line[ARROW + 1];
    char shaft = x->again ? '=' : '-';
    bool in = x->what == TSL_IN, dropped = x->verdict != 0;
    const char *colour = dropped ? "\033[31m" : x->again ? "\033[33m" : "";
    enum peer_state before = l->peer;
    label(l, x, text, ARROW - 6);
    int n = (int)strlen(text), left = in ? ARROW - n - 5 : 3;
    memset(line, shaft, ARROW);
    line[ARROW] = '\0';
    line[left] = ' ';
    memcpy(line + left + 1, text, (size_t)n);
    line[left + 1 + n] = ' ';
    if (in) {
        line[0] = dropped ? ' ' : '<';
        if (dropped)
            line[1] = 'X';
    } else {
        line[ARROW - 1] = dropped ? ' ' : '>';
        if (dropped)
            line[ARROW - 2] = 'X';
    }
    margin(r, l, x->at, x->state == l->ours ? "" : tcp_state_name((enum tcp_state)x->state));
    l->ours = x->state;
    run_printf(r, "%s%s%s|", r->tty ? colour : "", line, r->tty && *colour ? "\033[0m" : "");
    if (in && !dropped)
        peer_sent(l, x);
    run_printf(r, "%s%s\n", l->peer != before ? " " : "",
               l->peer != before ? peer_names[l->peer] : "");
}

static void print_segment(struct run *r, struct ladder *l, const struct tcp_seglog_rec *x)
{
    char text[160];
    enum peer_state before = l->peer;
    bool hole = take_note(l, x);
    enum peer_state after = l->peer;
    if (hole)
        remark(r, "\033[2m", "... segments in between aren't kept");
    l->peer = before;
    arrow(r, l, x);
    l->peer = after;
    if (x->again || x->why != 0) {
        snprintf(text, sizeof(text), "%s%s", x->again ? "sent again: " : "", journal_words[x->why]);
        remark(r, "\033[33m", text);
    }
    if (x->verdict != 0) {
        snprintf(text, sizeof(text), "%s (`why pkt %llu`)", event_info[x->verdict].name,
                 (unsigned long long)x->pkt);
        remark(r, "\033[31m", text);
    }
}

static void print_row(struct run *r, struct ladder *l, const struct tcp_seglog_rec *x)
{
    char text[160];
    if (l->rows > 0 && x->at - l->last >= PAUSE) {
        snprintf(text, sizeof(text), ":  %llu ms later",
                 (unsigned long long)((x->at - l->last) / TD_MS));
        remark(r, "\033[2m", text);
    }
    if (x->what == TSL_STATE) {
        margin(r, l, x->at, tcp_state_name((enum tcp_state)x->to));
        const char *why = journal_words[x->why];
        bool fits = strlen(why) < ARROW;
        run_printf(r, " %s%-*s%s|\n", r->tty ? "\033[32m" : "", ARROW - 1, fits ? why : "",
                   r->tty ? "\033[0m" : "");
        if (!fits)
            remark(r, "\033[32m", why);
        l->ours = x->to;
    } else if (x->what == TSL_ACCEPT) {
        snprintf(text, sizeof(text), "accepted, as connection %u", x->id);
        remark(r, "", text);
    } else {
        print_segment(r, l, x);
    }
}

static void print_head(struct run *r, const struct ladder *l)
{
    char ends[CONN_TEXT], local[24], peer[24], clock[32];
    const struct story *s = &l->story;
    conn_text(&s->c, ends);
    format_ip4(s->c.a.laddr, local);
    format_ip4(s->c.a.raddr, peer);
    story_clock(r->deck, s->begin, clock);
    if (s->c.id != 0)
        run_printf(r, "connection %u  ", s->c.id);
    run_printf(r, "%s from %s\n", ends, clock);
    snprintf(local + strlen(local), sizeof(local) - strlen(local), ":%u", s->c.a.lport);
    snprintf(peer + strlen(peer), sizeof(peer) - strlen(peer), ":%u", s->c.a.rport);
    run_printf(r, "     ms    here         %-21s%22s there\n", local, peer);
    if (!s->beginning)
        remark(r, "\033[2m", "... how it began is no longer kept");
    if (l->skip > 0) {
        char text[64];
        snprintf(text, sizeof(text), "... %llu rows before (-n shows more)",
                 (unsigned long long)l->skip);
        remark(r, "\033[2m", text);
    }
}

/* ---- Mermaid ---- */

static void mermaid_row(struct run *r, struct ladder *l, const struct tcp_seglog_rec *x)
{
    char text[160];
    bool in = x->what == TSL_IN;
    if (l->rows > 0 && x->at - l->last >= PAUSE)
        run_printf(r, "    Note over H,P: %llu ms later\n",
                   (unsigned long long)((x->at - l->last) / TD_MS));
    if (x->what == TSL_STATE) {
        run_printf(r, "    Note left of H: %s (%s)\n", tcp_state_name((enum tcp_state)x->to),
                   journal_words[x->why]);
        return;
    }
    if (x->what == TSL_ACCEPT) {
        run_printf(r, "    Note left of H: accepted, as connection %u\n", x->id);
        return;
    }
    enum peer_state before = l->peer;
    if (take_note(l, x))
        run_puts(r, "    Note over H,P: segments in between aren't kept\n");
    label(l, x, text, sizeof(text) - 1);
    run_printf(r, "    %s%s%s: %s", in ? "P" : "H",
               x->verdict != 0 ? "-x"
               : x->again      ? "-->>"
                               : "->>",
               in ? "H" : "P", text);
    if (x->again || x->why != 0)
        run_printf(r, " (%s%s)", x->again ? "again, " : "", journal_words[x->why]);
    if (x->verdict != 0)
        run_printf(r, " (%s)", event_info[x->verdict].name);
    run_puts(r, "\n");
    if (l->peer != before)
        run_printf(r, "    Note right of P: %s\n", peer_names[l->peer]);
}

static void mermaid_head(struct run *r, const struct ladder *l)
{
    char addr[16];
    format_ip4(l->story.c.a.laddr, addr);
    run_printf(r, "sequenceDiagram\n    participant H as %s:%u\n", addr, l->story.c.a.lport);
    format_ip4(l->story.c.a.raddr, addr);
    run_printf(r, "    participant P as %s:%u\n", addr, l->story.c.a.rport);
}

/* ---- JSON ---- */

static void json_row(struct run *r, struct ladder *l, const struct tcp_seglog_rec *x)
{
    const struct table *t = table_find(r->deck->st, "segments");
    struct row row;
    uint64_t cursor = x->n;
    (void)t->next(r->deck->st, &cursor, &row);
    enum peer_state before = l->peer;
    jw_open(&r->jw, NULL, '{');
    for (unsigned i = 0; i < t->ncolumns; i++) {
        const char *name = t->columns[i].name;
        bool end = strcmp(name, "local") == 0 || strcmp(name, "lport") == 0 ||
                   strcmp(name, "peer") == 0 || strcmp(name, "pport") == 0;
        if (!end && row.v[i].type != VAL_NONE)
            row_json(&r->jw, t, &row, name, strcmp(name, "time") == 0 ? "time_ns" : name);
    }
    jw_i64(&r->jw, "wall_ns", deck_wall(r->deck, x->at));
    if (x->what == TSL_IN || x->what == TSL_OUT) {
        if (take_note(l, x))
            jw_bool(&r->jw, "gap-before", true);
        jw_u64(&r->jw, "seq-relative", story_seq(&l->story, x));
        if ((x->flags & TCP_ACK) != 0)
            jw_u64(&r->jw, "ack-relative", story_ack(&l->story, x));
        if ((x->opts & TSO_SACK) != 0) {
            uint32_t from = x->what == TSL_IN ? l->story.iss : l->story.irs;
            jw_u64(&r->jw, "sack-left-relative", x->sack_left - from);
            jw_u64(&r->jw, "sack-right-relative", x->sack_right - from);
        }
        if (l->peer != before)
            jw_str(&r->jw, "peer-state", peer_names[l->peer]);
    }
    jw_close(&r->jw, '}');
    if (l->follow) {
        run_puts(r, "\n");
        r->jw.comma = false;
    }
}

/* ---- the run ---- */

static int finish(struct run *r, const struct ladder *l)
{
    if (r->json && !l->follow) {
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static void head(struct run *r, struct ladder *l)
{
    l->headed = true;
    l->skip = l->story.count > l->limit ? l->story.count - l->limit : 0;
    if (r->json && !l->follow) {
        jw_open(&r->jw, NULL, '{');
        conn_json(&r->jw, &l->story.c);
        jw_bool(&r->jw, "from-the-beginning", l->story.beginning && l->skip == 0);
        jw_open(&r->jw, "rows", '[');
    } else if (l->mermaid) {
        mermaid_head(r, l);
    } else if (!r->json) {
        print_head(r, l);
    }
}

static int ladder_step(struct run *r, td_time now)
{
    struct ladder *l = r->state;
    struct td_stack *st = r->deck->st;
    r->ready = true;
    if (!l->found) {
        l->found = story_find(st, &l->story, LOOK);
        if (l->found && l->story.count == 0 && !l->follow)
            return run_fail(
                r, EXIT_FAILED,
                "no segments of this connection are kept: `sysctl -w "
                "tapdeck.segments=4096 tapdeck.journal.level=1` keeps them from now on");
        return RUN_MORE;
    }
    if (!l->headed)
        head(r, l);
    unsigned budget = LOOK;
    for (int rows = 0; rows < ROWS_STEP && r->out.len < RUN_OUT_HIGH;) {
        const struct tcp_seglog_rec *x = story_next(st, &l->story, &l->cursor, &budget);
        if (x == NULL && budget == 0)
            return RUN_MORE;
        if (x == NULL) {
            if (!l->follow || l->over)
                return finish(r, l);
            r->ready = false;
            r->wake = now + POLL;
            return RUN_MORE;
        }
        if (l->skip > 0) { /* only learnt from */
            l->skip--;
            if (x->what <= TSL_OUT)
                (void)take_note(l, x);
            l->ours = x->what == TSL_STATE ? x->to : l->ours;
            continue;
        }
        if (r->json)
            json_row(r, l, x);
        else if (l->mermaid)
            mermaid_row(r, l, x);
        else
            print_row(r, l, x);
        l->last = x->at;
        l->over = x->what == TSL_STATE && x->to == TCPS_CLOSED;
        l->rows++;
        rows++;
    }
    return RUN_MORE;
}

static int ladder_interrupt(struct run *r)
{
    return finish(r, r->state);
}

static int ladder_main(struct run *r)
{
    const char *word = NULL;
    struct ladder *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    l->limit = ROWS_MAX;
    r->state = l;
    for (int i = 1; i < r->argc; i++) {
        const char *value;
        if (strcmp(r->argv[i], "-j") == 0) {
            r->json = true;
        } else if (strcmp(r->argv[i], "-f") == 0) {
            l->follow = true;
        } else if (strcmp(r->argv[i], "--mermaid") == 0) {
            l->mermaid = true;
        } else if (strcmp(r->argv[i], "-n") == 0) {
            if ((value = run_value(r, i++, "a number")) == NULL)
                return EXIT_USAGE;
            if (!parse_u32(value, ROWS_MAX, &l->limit) || l->limit == 0)
                return run_fail(r, EXIT_USAGE, "'%s' is not a number of rows: write 1 to %d", value,
                                ROWS_MAX);
        } else if (word == NULL) {
            word = r->argv[i];
        } else {
            return run_bad_word(r, i, "write `ladder CONN [-n N] [-f] [--mermaid] [-j]`");
        }
    }
    struct conn c;
    int status =
        word != NULL ? conn_word(r, word, CONN_GONE, &c) : conn_argument(r, r->argc, 0, &c);
    if (status != EXIT_DONE)
        return status;
    if (l->mermaid && r->json)
        return run_fail(r, EXIT_USAGE, "--mermaid and -j exclude each other");
    story_begin(&l->story, &c);
    r->step = ladder_step;
    r->interrupt = ladder_interrupt;
    return ladder_step(r, r->deck->st->now);
}

const struct command command_ladder = {
    .name = "ladder",
    .usage = "ladder CONN [-n N] [-f] [--mermaid] [-j]",
    .doc = "a connection as a sequence diagram: segments, states, retransmissions, drops",
    .more = "Works during and after the connection, as far back as the record of segments reaches "
            "(tapdeck.segments).\nNumbers are relative to both sides' initial ones. ==> was sent "
            "again, --X was dropped here. The peer's states are\nwhat its segments betray. -n the "
            "last N rows, -f stays and shows more until the connection is closed,\n--mermaid "
            "a diagram for Markdown.\n"
            "Examples:\n  ladder :80\n  ladder 10.0.0.2:40000 -n 20\n  ladder 7 --mermaid",
    .fn = ladder_main,
};
