/* lab/live.h: a lab that is being worked on: its folder, and its network that runs.
 *
 * Theory of operation. The student works in a folder of their own: the page and the topology with their parameters in place, answers.txt with the
 * questions, and .lab, which says which lab it is and for whom. The network runs as `topo up` runs it, simulated, in real time and
 * without any rights, each node with a control socket; so checks ask the very daemons that the student types to.
 */
#ifndef LAB_LIVE_H
#define LAB_LIVE_H

#include "lab/check.h"

struct lab_place {
    char *folder;
    char *lab;   /* the lab's folder */
    char *id;
    char *salt;  /* FILE or env:NAME; "" = none */
    char *net;   /* FOLDER/net.yaml */
    struct lab_who who;
    struct salt secret;
    struct lab *l;
    char name[40]; /* the topology's: its nodes are NAME.NODE */
};
/* Makes the folder, or finds one of the same lab and student again: what the student wrote is kept. False: a sentence. */
bool lab_place_make(struct lab_place *p, const char *lab, const char *id, const char *salt, const char *folder, char *msg, size_t msg_size);
/* The one that was made there. */
bool lab_place_open(struct lab_place *p, const char *folder, char *msg, size_t msg_size);
void lab_place_done(struct lab_place *p);
/* Its network, which runs. NULL: a sentence. */
struct lab_world *lab_world_live(const struct lab_place *p, char *msg, size_t msg_size);
/* What is to be done to a network that has just been started: start/NODE.conf, secret faults. False: a sentence. */
bool lab_prepare(struct lab_world *w, const struct lab_place *p, char *msg, size_t msg_size);

#endif
