/* lab/world.h: a lab's network, as its checks see it: nodes that run console commands.
 *
 * Theory of operation. The same checks look at a network in which a student works and at one that is built for a submission,
 * so they may not know which it is. All they can do is what a student can: run a command at a node and read what it
 * prints. The virtual world (virtual.c) is a topology in this process with a clock of its own: nothing in it waits, and the
 * same commands give the same bytes. The live one (live.c) asks the nodes' daemons over their control sockets.
 */
#ifndef LAB_WORLD_H
#define LAB_WORLD_H

#include "lab/lab.h"

struct lab_world;
struct lab_world_ops {
    /* Runs a line at a node to its end; the exit status, its output into out (cleared before) and its sentence into msg. A
     * node that isn't there, or a world that broke: EXIT_USAGE. */
    int (*run)(struct lab_world *w, const char *node, const char *line, struct text *out, char *msg, size_t msg_size);
    const char *(*node)(struct lab_world *w, unsigned n); /* the n-th node's name, from 0; NULL: there are fewer */
    void (*close)(struct lab_world *w);
};
struct lab_world {
    const struct lab_world_ops *ops;
    const char *scratch; /* a folder of its own, for captures; borrowed */
};

/* The lab's network in virtual time: net.yaml with the parameters in place, the nodes' start/NODE.conf run (and failing, if
 * they must: what doesn't work at the start is what the student mends), secret faults switched on. NULL: a sentence. */
struct lab_world *lab_world_virtual(const struct lab *l, const struct lab_who *who, char *msg, size_t msg_size);
/* Runs a configuration, lines of commands, of which the first is number `line` of its file; # begins a comment. A line that fails is said in `said` (FILE:LINE: sentence), and the
 * next is run: a submission with one mistake isn't worth nothing. How many failed. */
unsigned lab_world_configure(struct lab_world *w, const char *node, const char *file, unsigned line, const char *bytes, size_t len,
                             struct text *said);
void lab_world_close(struct lab_world *w); /* NULL is allowed */

#endif
