/* tapdeck/call.h: one input of a stack, as the door sees and records it.
 *
 * Every call that can change an instance is one of these: which call, the time it happened at, and
 * its arguments. The pointers in it (frame bytes, buffers, names) belong to the caller and are good
 * during the call only; a recorder that keeps a call copies what they point at. For calls that give
 * something back through a pointer (accept's address, recvmsg's data), the result is in the memory
 * pointed at when the recorder runs. td_stack_replay takes the same struct with the pointers filled
 * in again.
 */
#ifndef TAPDECK_CALL_H
#define TAPDECK_CALL_H

#include "tapdeck/link.h"
#include "tapdeck/organ.h"
#include "tapdeck/qdisc.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"

/* What a device knows of a frame beyond its bytes: core/pkt.h has the fields' meaning. Zero: nothing. */
struct td_frame_meta {
    uint16_t flags;
    uint8_t csum;
    uint16_t csum_start, csum_offset;
    uint16_t gso_size, gso_segs;
};

enum td_call_kind {
    TD_CALL_INPUT, /* a frame */
    TD_CALL_CLOCK,
    TD_CALL_TICK,
    TD_CALL_FLUSH,
    TD_CALL_TIME, /* it stood still, or frames were lost meanwhile */
    TD_CALL_ENTROPY,
    TD_CALL_IF_ADD,
    TD_CALL_IF_DEL,
    TD_CALL_IF_UP,
    TD_CALL_IF_MTU,
    TD_CALL_IF_MAC,
    TD_CALL_IF_READY,
    TD_CALL_IF_QDISC,
    TD_CALL_IF_IMPAIR,
    TD_CALL_ADDR_ADD,
    TD_CALL_ADDR_DEL,
    TD_CALL_LINK_ADD,
    TD_CALL_LINK_FLAGS,
    TD_CALL_LINK_MASTER,
    TD_CALL_BRIDGE_SET,
    TD_CALL_PORT_FLAGS,
    TD_CALL_FDB_ADD,
    TD_CALL_FDB_DEL,
    TD_CALL_FDB_FLUSH,
    TD_CALL_ROUTE_ADD,
    TD_CALL_ROUTE_DEL,
    TD_CALL_ROUTE_CHANGE,
    TD_CALL_NEIGH_ADD,
    TD_CALL_NEIGH_DEL,
    TD_CALL_NEIGH_FLUSH,
    TD_CALL_KNOB_SET,
    TD_CALL_FAULT_SECRET,
    TD_CALL_TCP_PIN,
    TD_CALL_NF_RESTORE,
    TD_CALL_NF_FORGET,
    TD_CALL_SEND_FRAME,
    TD_CALL_SEND_DATAGRAM,
    TD_CALL_ORGAN_ADD,
    TD_CALL_SOCKET,
    TD_CALL_BIND,
    TD_CALL_LISTEN,
    TD_CALL_ACCEPT,
    TD_CALL_CONNECT,
    TD_CALL_SENDMSG,
    TD_CALL_RECVMSG,
    TD_CALL_SHUTDOWN,
    TD_CALL_CLOSE,
    TD_CALL_DUP,
    TD_CALL_SETSOCKOPT,
    TD_CALL_GETSOCKOPT, /* SO_ERROR changes what it reads */
    TD_CALL_DESTROY,
    TD_CALL_KINDS
};
const char *td_call_name(enum td_call_kind kind); /* "input", "sendmsg" … */

struct td_call {
    enum td_call_kind kind;
    td_time now;
    union {
        struct {
            uint32_t ifindex;
            struct pkt *p; /* consumed; NULL when bytes are given: a record and a replay have those */
            const void *bytes; /* NULL with p NULL: there was no memory for the frame */
            size_t len;
            struct td_frame_meta meta;
        } input;
        struct {
            uint32_t ifindex; /* 0: time stood still for n ns; else n frames were lost there */
            uint64_t n;
        } time;
        struct {
            const void *bytes;
            size_t len;
        } entropy;
        struct {
            const struct td_if_config *config;
            uint32_t *ifindex;
        } if_add;
        struct {
            uint32_t ifindex;
            bool up;
            uint32_t mtu;
            struct td_mac mac;
            bool ingress;
            const struct td_qdisc_chain *qdisc; /* NULL: taken off */
            enum td_impair_op op;
            uint32_t id;
            const struct td_impair *rule; /* of ADD */
        } iface;
        struct {
            uint32_t ifindex;
            const struct td_addr *a;
        } addr;
        struct { /* LINK_x, BRIDGE_SET, PORT_FLAGS, FDB_x */
            const struct td_link_config *config;   /* of LINK_ADD */
            uint32_t *out;                         /* of LINK_ADD: the index; may be NULL */
            uint32_t ifindex, master;
            uint32_t set, clear;                   /* flags; of FDB_ADD: set */
            const struct td_bridge_config *bridge; /* of BRIDGE_SET */
            struct td_mac mac;
        } link;
        struct {
            const struct td_route *r;
            bool replace;
        } route;
        struct {
            const struct td_change_list *list;
            size_t *bad; /* may be NULL */
        } change;
        struct {
            uint32_t ifindex;
            td_ip4 addr;
            struct td_mac mac;
            enum td_neigh_state state;
        } neigh;
        struct {
            const char *name, *value;
        } knob;
        struct {
            int fault; /* its number in the catalogue; -1: none */
        } secret;
        const struct td_tcp_pin *pin;
        struct {
            const char *text; /* rules as iptables-save writes them; words that pick flows */
            unsigned flags;
            char *msg;        /* may be NULL */
            size_t msg_size;
            unsigned *line;   /* may be NULL */
        } nf;
        struct { /* SEND_FRAME, SEND_DATAGRAM */
            uint32_t ifindex;
            struct td_mac dst;
            uint16_t ethertype;
            const struct td_datagram *datagram;
            const void *bytes;
            size_t len;
        } send;
        struct {
            enum td_organ_kind kind;
            const void *ops; /* a record has its name: who replays it must have the organ at hand */
        } organ;
        struct {
            int domain, type, protocol;
            uint32_t owner;
        } socket;
        struct td_ends ends; /* of DESTROY */
        struct {
            int s;
            const struct sockaddr *sa; /* bind, connect */
            struct sockaddr *out;      /* accept */
            socklen_t len, *outlen;
            int n;                     /* backlog, how */
        } sock;
        struct {
            int s;
            const struct msghdr *out; /* sendmsg */
            struct msghdr *in;        /* recvmsg */
            int flags;
        } msg;
        struct {
            int s, level, name;
            const void *set;
            void *get;
            socklen_t len, *outlen;
        } opt;
    } u;
};

#endif
