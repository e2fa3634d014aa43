/* tapdeckd/why_ask.h: a question of `why`, between those who read it (why_ask.c) and those who
 * answer (why_answers.c).
 */
#ifndef TAPDECKD_WHY_ASK_H
#define TAPDECKD_WHY_ASK_H

#include "core/table.h"
#include "tapdeckd/why.h"

enum takes { TAKES_CONN, TAKES_ADDR };

struct ask {
    const struct question *q;
    bool has_conn, has_addr;
    const char *word; /* that named a connection which is gone */
    struct conn conn;
    td_ip4 addr;
    uint16_t port;
    td_ip4 prefix; /* of the route that was chosen */
    uint8_t plen;
    struct row row; /* the connection's, when conn.present */
    enum tcp_state state;
    bool again;     /* it has something in flight that was sent again */
    uint64_t found; /* a record that would do, while a better one is looked for; 0: none */
    td_time from;   /* no better one is older */
    char answer[600];
    const char *clause; /* of the answer; NULL: none */
};

struct question {
    const char *words; /* any of these asks it */
    enum takes takes;
    /* May this record answer? */
    bool (*match)(const struct ask *a, const struct journal_record *rec);
    /* A sentence into a->answer; false: the journal's own will do. rec: what was found, or NULL. */
    bool (*tell)(struct run *r, struct ask *a, const struct journal_record *rec);
    const char *nothing; /* when there is no answer */
    /* NULL, or: this record answers better than one that match took. */
    bool (*better)(const struct ask *a, const struct journal_record *rec);
    bool newest;    /* without CONN it is about the newest */
    bool condition; /* without CONN or ADDR the word is a condition */
    bool route;     /* the steps of the search for a route belong to the answer */
};
extern const struct question why_questions[];
extern const unsigned why_nquestions;

/* A variable of the connection; 0 when it has no value. */
uint64_t why_pcb(struct run *r, const struct ask *a, const char *name);
/* Adds to the answer. */
void why_say(struct ask *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
