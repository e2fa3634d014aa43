/* drill/eval.h: between the files of the evaluator. */
#ifndef DRILL_EVAL_H
#define DRILL_EVAL_H

#include "tapdeck/drill/drill.h"

#define EVAL_NAME  64  /* bytes of a name, with its NUL */
#define EVAL_VARS  256 /* variables of a script */
#define EVAL_DEPTH 40  /* of parentheses and signs */
#define EVAL_SEEN  8   /* names of an assertion that are told */

struct var {
    char name[EVAL_NAME];
    int64_t value;
};
struct drill_vars {
    size_t n;
    struct var var[EVAL_VARS];
};

enum lexeme { L_END, L_NEWLINE, L_INT, L_NAME, L_STRING, L_OP };

struct eval {
    struct drill_vars *vars;
    const char *p; /* behind the token in hand */
    unsigned line;
    unsigned brackets; /* open: newlines don't count */
    unsigned depth, skip;
    drill_lookup *lookup;
    void *ctx;
    struct text *printed;
    struct drill_error *err;
    /* the token in hand */
    enum lexeme kind;
    const char *s;
    size_t n;
    int64_t value;
    /* the names of this statement and their values */
    struct var seen[EVAL_SEEN];
    size_t nseen;
};

/* Functions that return bool return false when the block is over, with *err telling why. */
/* Always false. */
bool eval_fail(struct eval *e, enum drill_verdict v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "found X, expected Y": always false. */
bool eval_expected(struct eval *e, const char *what);
/* A result needs more than 64 bits: true (and 0) where it isn't looked at. */
bool eval_overflow(struct eval *e, int64_t *v);
bool eval_next(struct eval *e);                      /* the next token */
bool eval_op(const struct eval *e, const char *s);   /* is it this operator? */
bool eval_word(const struct eval *e, const char *s); /* is it this name? */
/* The name in hand, copied. */
bool eval_take_name(struct eval *e, char name[EVAL_NAME]);
struct var *eval_find_var(struct drill_vars *v, const char *name); /* NULL: there is none */
bool eval_name_value(struct eval *e, const char *name, int64_t *v);
/* An expression; an operand with its signs. */
bool eval_expr(struct eval *e, int64_t *v);
bool eval_unary(struct eval *e, int64_t *v);

#endif
