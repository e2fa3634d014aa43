/* tapdeckd/conn.c: CONN, a connection as people name it.
 *
 * Theory of operation. A word becomes what TCP is asked for (struct tcp_wanted): a number, or some
 * of the four parts of a connection's ends. TCP's table is asked first (tcp/lookup.c), for the
 * newest. Who wants to look back, at a connection that is over, gets its name from the record of
 * segments, when that still has it.
 *
 * For a number all connections must be looked at, which takes milliseconds when there are very
 * many. What was found is kept with its ends, so that asking again (`watch pcb 7`) is one lookup.
 */
#include "tapdeckd/conn.h"

#include <stdio.h>
#include <string.h>

#include "tcp/seglog.h"

#define LISTED 4 /* of several matches, in a sentence */

static const char form[] =
    "a connection is its number (`ss -e` shows it), its peer 10.0.0.2:40000, "
    "its local port :80, or both ends 10.0.0.1:80-10.0.0.2:40000";

/* False: not a word for a connection. */
static bool parse(const char *word, struct tcp_wanted *w)
{
    const char *dash = strchr(word, '-');
    char left[32];
    *w = (struct tcp_wanted){0};
    if (dash != NULL) {
        size_t n = (size_t)(dash - word);
        if (n >= sizeof(left))
            return false;
        memcpy(left, word, n);
        left[n] = '\0';
        return parse_endpoint(left, &w->a.laddr, &w->a.lport) &&
               parse_endpoint(dash + 1, &w->a.raddr, &w->a.rport) &&
               (w->a.laddr != 0 || w->a.lport != 0) && (w->a.raddr != 0 || w->a.rport != 0);
    }
    if (parse_u32(word, UINT32_MAX, &w->id))
        return w->id != 0;
    if (*word == ':' || *word == '*')
        return parse_endpoint(word, &w->a.laddr, &w->a.lport) && w->a.lport != 0;
    return parse_endpoint(word, &w->a.raddr, &w->a.rport) && w->a.raddr != 0;
}

bool conn_is_word(const char *word)
{
    struct tcp_wanted w;
    return parse(word, &w);
}

static struct conn present(const struct tcp_found *f)
{
    return (struct conn){.id = f->id, .present = true, .state = f->state, .a = f->a};
}

static int refuse_several(struct run *r, const char *word, const struct tcp_found *f, unsigned n)
{
    char list[LISTED * (CONN_TEXT + 16)] = "", ends[CONN_TEXT];
    size_t used = 0;
    for (unsigned i = 0; i < n && i < LISTED; i++) {
        const struct conn c = present(&f[i]);
        conn_text(&c, ends);
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s (%u)", i > 0 ? ", " : "",
                                 ends, c.id);
    }
    return run_fail(r, EXIT_USAGE, "'%s' is several connections: %s%s: name one by its number",
                    word, list, n > LISTED ? " and others" : "");
}

static unsigned find(struct deck *d, const struct tcp_wanted *w, struct tcp_found *f, unsigned most)
{
    struct deck_memo *m = &d->memo[w->id % DECK_MEMOS];
    if (w->id != 0 && m->id == w->id) {
        const struct tcp_wanted ends = {.a = {m->laddr, m->raddr, m->lport, m->rport}};
        if (tcp_find(d->st, &ends, f, 1) == 1 && f[0].id == w->id)
            return 1;
    }
    unsigned n = tcp_find(d->st, w, f, most);
    if (w->id != 0 && n == 1 && f[0].a.rport != 0)
        *m = (struct deck_memo){w->id, f[0].a.laddr, f[0].a.raddr, f[0].a.lport, f[0].a.rport};
    return n;
}

int conn_word(struct run *r, const char *word, unsigned allow, struct conn *c)
{
    struct tcp_wanted w;
    struct tcp_found f[LISTED + 1];
    if (!parse(word, &w))
        return run_fail(r, EXIT_USAGE, "'%s' is not a connection: %s", word, form);
    w.listening = (allow & CONN_LISTENING) != 0;
    unsigned n = find(r->deck, &w, f, (allow & CONN_ONLY) != 0 ? LISTED + 1 : 1);
    if (n > 1)
        return refuse_several(r, word, f, n);
    if (n == 1) {
        *c = present(&f[0]);
        return EXIT_DONE;
    }
    const struct tcp_seglog_rec *past =
        (allow & CONN_GONE) != 0 ? tcp_seglog_find(r->deck->st, &w) : NULL;
    if (past != NULL) {
        *c = (struct conn){
            .id = past->id,
            .state = TCPS_CLOSED,
            .a = {past->a.laddr, past->a.raddr, past->a.lport, past->a.rport},
        };
        return EXIT_DONE;
    }
    if (w.id != 0 && (allow & CONN_NUMBER) != 0) {
        *c = (struct conn){.id = w.id, .state = TCPS_CLOSED};
        return EXIT_DONE;
    }
    return run_fail(r, EXIT_FAILED,
                    "there is no connection '%s'%s: `ss -tane` lists those there are", word,
                    (allow & CONN_GONE) != 0 ? ", nor is one remembered" : "");
}

int conn_argument(struct run *r, int at, unsigned allow, struct conn *c)
{
    if (at >= r->argc)
        return run_fail(r, EXIT_USAGE, "after '%s' write a connection: %s", r->argv[at - 1], form);
    return conn_word(r, r->argv[at], allow, c);
}

bool conn_is_subject(const struct conn *c, const struct journal_subject *s)
{
    bool ends =
        c->a.rport != 0 && s->port == c->a.rport && s->lport == c->a.lport && s->addr == c->a.raddr;
    return ends || (c->id != 0 && s->conn == c->id && (s->port == 0 || c->a.rport == 0));
}

void conn_text(const struct conn *c, char dst[CONN_TEXT])
{
    char local[16], peer[16];
    format_ip4(c->a.laddr, local);
    format_ip4(c->a.raddr, peer);
    if (c->a.rport == 0)
        snprintf(dst, CONN_TEXT, "%s:%u", local, c->a.lport);
    else
        snprintf(dst, CONN_TEXT, "%s:%u-%s:%u", local, c->a.lport, peer, c->a.rport);
}

void conn_json(struct jsonw *w, const struct conn *c)
{
    char addr[16];
    jw_u64(w, "id", c->id);
    if (c->present)
        jw_str(w, "state", tcp_state_ss(c->state));
    format_ip4(c->a.laddr, addr);
    jw_str(w, "local", addr);
    jw_u64(w, "lport", c->a.lport);
    format_ip4(c->a.raddr, addr);
    jw_str(w, "peer", addr);
    jw_u64(w, "pport", c->a.rport);
}
