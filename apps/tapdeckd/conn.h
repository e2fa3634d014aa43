/* tapdeckd/conn.h: CONN, a connection as people name it.
 *
 *     7                              its number (`ss -e` shows it)
 *     10.0.0.2:40000, 10.0.0.2       its peer
 *     :80, *:80                      its local port
 *     10.0.0.1:80-10.0.0.2:40000     both ends
 *
 * Where several match, the newest is meant, a listening socket only when no connection matches.
 */
#ifndef TAPDECKD_CONN_H
#define TAPDECKD_CONN_H

#include "tapdeckd/deck.h"
#include "tcp/tcp.h"

struct conn {
    uint32_t id;  /* of the socket; 0: not accepted yet */
    bool present; /* it is in TCP's table; else only its number or ends are known */
    enum tcp_state state;
    struct tcp_addrs a; /* 0 = any, or not known */
};

enum conn_allow {                     /* beyond connections that exist now */
                  CONN_LISTENING = 1, /* bound and listening sockets */
                  CONN_GONE = 2,      /* one that is over, as far as it is remembered */
                  CONN_NUMBER =
                      4, /* any number: a UDP socket's, one of long ago; `id` alone is set then */
                  CONN_ONLY = 8, /* the opposite: several matches are refused, with a sentence that
                                    lists them */
};

/* Has the form of a CONN (whether there is one or not). */
bool conn_is_word(const char *word);
/* The connection that a word means: EXIT_DONE, or a status with its sentence set: EXIT_USAGE, no
 * such word; EXIT_FAILED, no such connection. allow: of enum conn_allow. */
int conn_word(struct run *r, const char *word, unsigned allow, struct conn *c);
/* The same for the word at `at`, which must be there: `pcb CONN`. */
int conn_argument(struct run *r, int at, unsigned allow, struct conn *c);
/* An event is about this connection: it has its number, or (before it was accepted) its ends. */
bool conn_is_subject(const struct conn *c, const struct journal_subject *s);
/* "10.0.0.1:80-10.0.0.2:40000" */
#define CONN_TEXT 48
void conn_text(const struct conn *c, char dst[CONN_TEXT]);
/* "id", "state", "local", "lport", "peer", "pport": as `ss -j` has them. */
void conn_json(struct jsonw *w, const struct conn *c);

#endif
