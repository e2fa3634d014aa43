/* tapdeckd/net.h: a topology run in one process: its nodes' stacks joined by simulated wires.
 *
 * Theory of operation. Each tapdeck or switch of the file becomes a host of one simulation
 * (dev/sim.h) with a deck of its own, each link a wire, and all decks are members of one loop
 * (tapdeckd/loop.h says how their clock goes). A wire by itself is a cable of 10 Gbit/s and 10 us, so that
 * time passes on it; what the file says of a link's impairments are queue disciplines of the sender's
 * interface, set by the same `tc` command that a daemon of its own would be told. Then every node's
 * commands are run, node by node in the file's order, each to its end, and the first that fails ends it all
 * with its place in the file.
 *
 * In virtual time with the file's seed, the same commands give the same output, byte by byte.
 */
#ifndef TAPDECKD_NET_H
#define TAPDECKD_NET_H

#include "replay/record.h"
#include "tapdeckd/loop.h"
#include "topo/topo.h"

#define NET_RUNS_MAX 256

/* Broadcasts on one link in a virtual second. Switches joined in a loop multiply each one until the wires are
 * full, and a second of that takes minutes to compute: without a limit `topo run` would seem to hang. */
#define NET_STORM 20000

struct net_options {
    const char *file;
    const char *bytes;  /* what stands in the file; NULL: it is read */
    size_t len;
    const char *name;   /* NULL: the file's */
    bool virtual_time;  /* also if the file doesn't say so */
    bool real_time;     /* even if it does */
    bool has_seed;      /* else the file's, else (real time) the system's entropy, else 1 */
    uint64_t seed;
    td_time spin;
    uint32_t keep;  /* bytes of memory for what comes from the start on: all nodes together */
    const char *runs[NET_RUNS_MAX]; /* "NODE COMMAND…": net_run's */
    unsigned nruns;
};

struct net_node {
    struct topo_node *topo;
    struct deck deck;
    struct recorder rec;
    struct member member;
    struct server *server;
    char name[2 * TOPO_NAME_MAX + 2]; /* of the daemon: TOPOLOGY.NODE */
};

struct net;
struct net_cable { /* a link, for the watch on storms */
    struct net *net;
    const struct topo_link *link;
    td_time second;      /* its beginning */
    uint32_t broadcasts; /* in it */
};

struct net {
    struct topo *topo;
    struct net_cable *cables;       /* one a link, in the file's order */
    const struct topo_link *storm;  /* the first that carried more broadcasts than a network lives with */
    bool watching;                  /* a storm ends it: nobody is there who could */
    struct sim *sim;
    struct loop loop;
    bool looping;
    struct net_node *nodes; /* topo->nnodes */
    char name[TOPO_NAME_MAX + 1];
};

/* Builds it and runs the nodes' commands. An exit status and a sentence in msg; net_close in any case. */
int net_open(struct net *n, const struct net_options *o, char *msg, size_t msg_size);
void net_close(struct net *n);
/* Makes the control sockets serve. */
void net_serve(struct net *n);
/* Runs o->runs in order, each to its end, their outputs to out. The first failure's status ends it. */
int net_run(struct net *n, const struct net_options *o, FILE *out, char *msg, size_t msg_size);
/* "3 nodes: tapdeck -n lab.client, …" */
void net_describe(const struct net *n, char *dst, size_t size);
struct net_node *net_node(struct net *n, const char *name); /* NULL: none */

#endif
