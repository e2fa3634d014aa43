/* drill/parse.h: between the parser's files. */
#ifndef DRILL_PARSE_H
#define DRILL_PARSE_H

#include "tapdeck/drill/arena.h"
#include "tapdeck/drill/drill.h"
#include "tapdeck/drill/lex.h"

#define DRILL_TEXT_MAX (1u << 20)                /* bytes of a script */
#define DEFINES_MAX    64                        /* in a script */
#define TIME_MAX       10000000                  /* seconds, of one time stamp: 115 days */
#define DURATION_MAX   INT64_C(1000000000000000) /* microseconds, of all of them: 31 years */

/* One parse. t is the token under consideration, lex stands behind it. Functions that return bool
 * return false when the parse is over, with *err (or no_memory) telling why. */
struct parser {
    struct lexer lex;
    struct token t;
    struct drill_arena *arena;
    struct drill_script *s;
    struct drill_error *err;
    struct drill_error unsupported; /* the first construct of that kind, if any */
    bool no_memory;
    size_t event_cap;
    struct drill_define define[DEFINES_MAX]; /* of the file */
    struct drill_defines defines;
    /* times */
    bool begun;            /* the first event has been read */
    int64_t last_absolute; /* the last absolute time stamp */
    int64_t floor;         /* nothing can happen earlier than this */
    int64_t total;         /* of all time stamps */
};

/* parse.c: what all use */
void parse_next(struct parser *p);
struct token parse_peek(const struct parser *p);
/* "found X where Y was expected": always false. */
bool parse_expected(struct parser *p, const char *what);
/* A sentence of another form, at the token t: always false. */
bool parse_refuse(struct parser *p, const struct token *t, const char *expect, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Well-formed, but not to be had here: the parse goes on. */
void parse_unsupported(struct parser *p, const struct token *t, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool parse_punct(struct parser *p, char c, const char *what);
bool parse_word(struct parser *p, const char *word);
void *parse_take(struct parser *p, size_t n);                /* arena_alloc */
char *parse_copy(struct parser *p, const char *s, size_t n); /* arena_copy */
/* An integer within [0, max]; what names it: "a window". */
bool parse_number(struct parser *p, uint64_t max, const char *what, uint64_t *v);
bool parse_u16(struct parser *p, const char *what, uint16_t *v);
bool parse_seq(struct parser *p, const char *what, uint32_t *v);
/* Seconds, as microseconds. */
bool parse_duration(struct parser *p, int64_t *us);

/* parse_packet.c: the packet that begins at the token '<' or '>'. *skipped: it is in a tunnel, or
 * otherwise beyond what can be expressed; the parser stands at the next event. */
bool parse_packet(struct parser *p, struct drill_packet *k, bool *skipped);
/* parse_call.c: a call from its name on. */
bool parse_call(struct parser *p, struct drill_call *c);

#endif
