/* tapdeck/topo.h: `tapdeck topo`: networks from a file (its form: topo/topo.h). */
#ifndef TAPDECK_TOPO_H
#define TAPDECK_TOPO_H

#include "topo/topo.h"

/* The command. An exit status. */
int topo_main(int argc, char **argv, bool json);

/* Where a running topology is written down: RUN/topo-NAME.json, with the process that runs it and when that
 * process began, so that another one with its number isn't taken for it. */
struct topo_state {
    char name[TOPO_NAME_MAX + 1];
    char file[4096]; /* absolute */
    bool daemons;    /* else one process */
    long pid;        /* of the supervisor, or of that process */
};
/* False: there is none of that name that runs. */
bool topo_state_read(const char *name, struct topo_state *s);
/* False and a sentence. */
bool topo_state_write(const struct topo_state *s, char *msg, size_t msg_size);
void topo_state_remove(const char *name);

/* Runs it as a daemon a node, in a network namespace of their own, from a supervisor in the background; returns
 * once all is up, or has failed. An exit status, and a sentence in msg. */
int topo_daemons_up(const struct topo *t, const struct topo_state *s, char *msg, size_t msg_size);
/* A program next to this one: its path. */
void topo_program(const char *name, char *dst, size_t size);
/* The process that holds a node's namespace (linux) or its daemon's name; 0: none. */
long topo_holder(const char *name, const char *node);

#endif
