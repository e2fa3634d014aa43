/* common/usage_priv.h: a usage as a tree and as an automaton: between usage.c, which makes them,
 * and usage_walk.c, which walks. */
#ifndef APPS_COMMON_USAGE_PRIV_H
#define APPS_COMMON_USAGE_PRIV_H

#include "common/usage.h"

enum node_type { N_EMPTY, N_WORD, N_VALUE, N_LETTERS, N_SEQ, N_ALT, N_OPT, N_ANY, N_REPEAT };

struct node {
    enum node_type type;
    char *word, *tail, *fixed;
    struct node *child, *next; /* first of several; the next of the parent's */
    struct node *link;         /* all of a parse, for freeing */
    bool once;                 /* begins an option: is offered once */
};

/* S_REST: all words of a command (CMD) but the first. */
enum state_type { S_SPLIT, S_WORD, S_VALUE, S_REST, S_LETTERS, S_END };

struct state {
    enum state_type type;
    const struct node *node;
    int out, other; /* -1: none */
};

struct usage {
    struct node *nodes;
    struct state *state;
    int nstates, cap;
    int start;
};

#endif
