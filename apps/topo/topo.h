/* topo/topo.h: a topology file as a structure.
 *
 * Theory of operation. A topology is a small YAML document: nodes with interfaces, and links that
 * join two of them. It says nothing about how it is run. Everything a node is told is a console
 * command, made from the file's keys in a fixed order (addresses, knobs, routes, the node's own
 * commands, applications), and each remembers the line it comes from. So whoever runs a topology
 * (one process with simulated wires, or a daemon a node) does the same things in the same order, and a
 * command that is refused is reported with its place in the file.
 *
 *     name: two-nets              # default: the file's name without its ending
 *     time: real                  # or virtual: what `topo up` does if nobody says otherwise
 *     seed: 7                     # of every random number; default: another one each time (real time), 1
 *     nodes:
 *       client:
 *         interfaces: {eth0: 10.0.1.2/24}
 *         routes: [default via 10.0.1.1]
 *       router:
 *         interfaces:
 *           left: [10.0.1.1/24, 10.0.3.1/24]
 *           right: {address: 10.0.2.1/24, mtu: 1400}
 *         forward: yes
 *         sysctl: {net.ipv4.ip_default_ttl: 32}
 *         commands: [iptables -t nat -A POSTROUTING -o right -j MASQUERADE]
 *       server:
 *         interfaces: {eth0: 10.0.2.2/24}
 *         routes: [default via 10.0.2.1]
 *         apps: [httpd -p 80 site]
 *     links:
 *       - [client.eth0, router.left]
 *       - ends: [router.right, server]
 *         impair: delay 20ms loss 1%     # both ways; or `there:` and `back:`
 *     taps: {tap0: router.up}     # a TAP device of this machine is the cable of that interface
 *
 * A node's kind is `tapdeck` (a stack of its own), `switch` (a tapdeck whose interfaces are ports of a
 * learning bridge; its ports needn't be named) or `linux` (a network namespace of this machine, which
 * only the daemons' way of running has).
 */
#ifndef TOPO_TOPO_H
#define TOPO_TOPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

#define TOPO_NAME_MAX  32      /* bytes: of a topology, a node */
#define TOPO_IF_MAX    15      /* bytes: of an interface */
#define TOPO_NODES_MAX 250

struct topo_words { /* a command, an address: text with its line in the file */
    struct topo_words *next;
    unsigned line;
    char *text;
};

enum topo_kind { TOPO_TAPDECK, TOPO_SWITCH, TOPO_LINUX };

struct topo_if {
    struct topo_if *next;
    char name[TOPO_IF_MAX + 1];
    unsigned line;
    uint32_t mtu; /* 0: 1500. Not among the commands: who makes the interface sets it */
    struct topo_words *addresses;
    bool used; /* a link or a TAP ends here */
};

struct topo_node {
    struct topo_node *next;
    char name[TOPO_NAME_MAX + 1];
    unsigned line;
    unsigned index; /* 0, 1, … in the file's order */
    enum topo_kind kind;
    bool rfc;    /* profile: rfc instead of linux */
    bool faults; /* deliberate bugs may be switched on */
    struct topo_if *interfaces;
    struct topo_words *commands; /* all of them, in the order in which they are to be run */
};

struct topo_end {
    struct topo_node *node;
    struct topo_if *interface;
};

struct topo_link {
    struct topo_link *next;
    unsigned line;
    struct topo_end end[2];
    struct topo_words *impair[2]; /* what happens to frames sent by end 0, by end 1: words after
                                   * `tc qdisc add dev X root`; NULL: nothing */
};

struct topo_tap {
    struct topo_tap *next;
    unsigned line;
    char device[TOPO_IF_MAX + 1];
    struct topo_end end;
};

struct topo {
    char name[TOPO_NAME_MAX + 1];
    char *file; /* as it was named */
    bool virtual_time;
    bool has_seed;
    uint64_t seed;
    struct topo_node *nodes;
    struct topo_link *links;
    struct topo_tap *taps;
    unsigned nnodes;
};

/* Reads a file. NULL: msg is one sentence that begins with FILE:LINE:COLUMN. */
struct topo *topo_load(const char *file, char *msg, size_t msg_size);
/* The same from memory; `file` is for sentences and for the default of the name. */
struct topo *topo_parse(const char *file, const char *bytes, size_t len, char *msg, size_t msg_size);
void topo_free(struct topo *t);
struct topo_node *topo_node(const struct topo *t, const char *name); /* NULL: none */
/* A node of this kind; NULL: none. */
const struct topo_node *topo_has(const struct topo *t, enum topo_kind kind);

/* What the file says, in three forms: a picture in text, Mermaid, Graphviz's dot; and JSON. */
void topo_text(struct text *out, const struct topo *t);
void topo_mermaid(struct text *out, const struct topo *t);
void topo_dot(struct text *out, const struct topo *t);
void topo_json(struct text *out, const struct topo *t);

#endif
