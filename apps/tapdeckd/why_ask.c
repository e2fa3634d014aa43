/* tapdeckd/why_ask.c: questions about what is so now, or went wrong: `why state 7`, `why connect`,
 * `why cwnd`.
 *
 * Theory of operation. The word says which question it is (why_answers.c has them), what stands
 * behind it what it is about. The newest record that may answer is searched for, a bounded number
 * of records a step. Then come the sentence, the cause first, and below it the record with the
 * chain of what led to it.
 */
#include "tapdeckd/why_ask.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tapdeckd/route_words.h"
#include "tcp/pcb.h"

static bool word_in(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; len > 0 && (p = strstr(p, word)) != NULL; p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

/* The connection's variables, and its state as it is now. */
static void look_up(struct run *r, struct ask *a)
{
    struct conn *c = &a->conn;
    a->state = c->state;
    if (c->present && !tcp_pcb_row(r->deck->st, &c->a, &a->row))
        c->present = c->state == TCPS_LISTEN;
    a->again = c->present && c->state != TCPS_LISTEN && why_pcb(r, a, "R") > 0;
}

/* The newest connection in a state (-1: any but LISTEN). */
static void newest(struct run *r, struct ask *a, int state)
{
    enum { MOST = 512 };
    struct tcp_wanted any = {.listening = state == TCPS_LISTEN};
    struct tcp_found *f = calloc(MOST, sizeof(*f));
    unsigned n = f != NULL ? tcp_find(r->deck->st, &any, f, MOST) : 0;
    for (unsigned i = 0; i < n && i < MOST && !a->has_conn; i++) {
        if (state >= 0 ? (int)f[i].state != state
                       : f[i].state == TCPS_LISTEN || f[i].state == TCPS_CLOSED)
            continue;
        a->has_conn = true;
        a->conn = (struct conn){.id = f[i].id, .present = true, .state = f[i].state, .a = f[i].a};
    }
    free(f);
}

/* "CLOSE-WAIT", "close_wait", "closewait"? The first two. -1: no state. */
static int state_of(const char *word)
{
    char upper[32];
    size_t n = 0;
    for (; word[n] != '\0' && n + 1 < sizeof(upper); n++)
        upper[n] = word[n] == '_' ? '-' : (char)toupper((unsigned char)word[n]);
    upper[n] = '\0';
    for (int s = TCPS_ESTABLISHED; s <= TCPS_CLOSING; s++)
        if (strcmp(upper, tcp_state_name((enum tcp_state)s)) == 0)
            return s;
    if (strcmp(upper, "SYN-RECV") == 0)
        return TCPS_SYN_RECEIVED;
    return -1;
}

static int finish(struct run *r, struct ask *a, const struct journal_record *rec)
{
    bool told = a->q->tell(r, a, rec);
    if (!told && a->word != NULL)
        return run_fail(r, EXIT_FAILED,
                        "there is no connection '%s', and the journal knows nothing of one",
                        a->word);
    bool clause = a->clause != NULL && strcmp(a->clause, "-") != 0;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "question", r->argv[1]);
        jw_str(&r->jw, "answer", told ? a->answer : a->q->nothing);
        if (told && clause)
            jw_str(&r->jw, "clause", a->clause);
        why_chain_json(r, rec);
        if (rec == NULL && r->deck->st->journal.lost > 0)
            jw_u64(&r->jw, "lost", r->deck->st->journal.lost);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    if (told && clause)
        why_say(a, " [%s]", a->clause);
    why_sentence(r, told ? a->answer : a->q->nothing);
    if (told && a->q->route)
        route_reasons(r, a->addr);
    if (rec != NULL) {
        struct why_told chain = {0};
        why_chain(r, &chain, rec);
        why_origin(r, &chain);
    } else {
        why_lost(r);
    }
    return EXIT_DONE;
}

static int ask_step(struct run *r, td_time now)
{
    (void)now;
    struct ask *a = r->state;
    for (int i = 0; i < WHY_LOOK_PER_STEP; i++) {
        const struct journal_record *rec = journal_before(r->deck->st, r->cursor);
        if (rec == NULL || rec->time < a->from)
            return finish(r, a, a->found != 0 ? journal_find(r->deck->st, a->found) : NULL);
        r->cursor = rec->seq;
        if (!a->q->match(a, rec))
            continue;
        if (a->q->better == NULL || !a->again || a->q->better(a, rec))
            return finish(r, a, rec);
        /* Time-outs are only what shows: what was dropped since the first of them began is why. */
        if (a->found == 0)
            a->found = rec->seq;
        if (rec->event == EV_TCP_RTO && rec->arg[2] <= 1 && a->from == 0)
            a->from =
                rec->time > rec->arg[0] + 10 * TD_MS ? rec->time - rec->arg[0] - 10 * TD_MS : 1;
    }
    r->ready = true;
    return RUN_MORE;
}

/* What stands behind the question: [to] ADDR[:PORT], or CONN. -1: something else. */
static int ask_subject(struct run *r, struct ask *a, int at)
{
    if (a->q->takes == TAKES_ADDR && at + 1 < r->argc && strcmp(r->argv[at], "to") == 0)
        at++;
    if (at >= r->argc)
        return EXIT_DONE;
    if (at + 1 < r->argc)
        return -1;
    const char *word = r->argv[at];
    if (a->q->takes == TAKES_ADDR) {
        if (parse_endpoint(word, &a->addr, &a->port)) {
            a->has_addr = true;
            if (a->addr != 0 && a->port != 0) { /* is it under way, or made? */
                struct tcp_wanted w = {.a = {.raddr = a->addr, .rport = a->port}};
                struct tcp_found f;
                if (tcp_find(r->deck->st, &w, &f, 1) == 1) {
                    a->has_conn = true;
                    a->conn =
                        (struct conn){.id = f.id, .present = true, .state = f.state, .a = f.a};
                }
            }
            return EXIT_DONE;
        }
        if (!conn_is_word(word))
            return -1;
    } else if (!conn_is_word(word)) {
        return -1;
    }
    int status = conn_word(r, word, CONN_LISTENING | CONN_GONE | CONN_NUMBER, &a->conn);
    a->has_conn = status == EXIT_DONE;
    if (status == EXIT_FAILED && parse_endpoint(word, &a->addr, &a->port)) {
        a->has_addr = true; /* it is gone, perhaps not from the journal */
        a->word = word;
        r->err[0] = '\0';
        return EXIT_DONE;
    }
    return status;
}

int why_ask(struct run *r)
{
    const char *word;
    int json = 0, status;
    if (r->argc > 2 && strcmp(r->argv[r->argc - 1], "-j") == 0)
        json = 1;
    if (r->argc < 2)
        return WHY_NOT_ASKED;
    word = r->argv[1];
    int state = state_of(word);
    const struct question *q = NULL;
    for (unsigned i = 0; i < why_nquestions && q == NULL; i++)
        if (word_in(why_questions[i].words, word))
            q = &why_questions[i];
    if (q == NULL && state >= 0)
        q = &why_questions[0];
    else
        state = -1;
    if (q == NULL)
        return WHY_NOT_ASKED;
    /* Some words are conditions too: `why state` alone, `why neigh`, `why route 10.0.0.0/8`. */
    bool bare = r->argc - json == 2;
    if (bare && state < 0 && q->condition)
        return WHY_NOT_ASKED;
    struct ask *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    a->q = q;
    r->argc -= json;
    status = ask_subject(r, a, 2);
    r->argc += json;
    if (status != EXIT_DONE) {
        free(a);
        return status < 0 ? WHY_NOT_ASKED : status;
    }
    if (json)
        r->json = true;
    if (!a->has_conn && !a->has_addr && q->newest)
        newest(r, a, state);
    if (a->has_conn)
        look_up(r, a);
    if (q->route) { /* which route it is about */
        (void)q->tell(r, a, NULL);
        a->answer[0] = '\0';
    }
    r->state = a;
    r->cursor = r->deck->st->journal.next_seq;
    r->step = ask_step;
    return ask_step(r, 0);
}
