/* tests/fuzz/stack_ops.h: the little language that fuzz_stack's input is written in.
 *
 * Byte 0 is the plan (enum plan_bits), byte 1 the knobs of the run: a memory limit by number, and
 * then operations follow until the input ends. An operation is
 *
 *     delay   one byte: index into the table of delays (op_delay); time passes first
 *     kind    one byte: enum op modulo OP_KINDS; with OP_BATCH set, no flush follows it
 *     length  one byte; 255 means that two more follow (big-endian)
 *     bytes   the operation's arguments, read one by one; what is missing reads as zero
 *
 * so that an operation can be cut out, doubled or moved by a mutation without the rest changing its
 * meaning. make_corpus.c writes seeds in it. */
#ifndef TESTS_STACK_OPS_H
#define TESTS_STACK_OPS_H

#include "tapdeck/types.h"

enum plan_bits {
    PLAN_TWICE = 0x01,   /* run it twice and compare everything the stack did */
    PLAN_RFC = 0x02,     /* the rfc profile */
    PLAN_FORWARD = 0x04, /* ip_forward = 1 */
    PLAN_JOURNAL = 0x08, /* journal level "everything" */
    PLAN_CLOSE = 0x10,   /* close every handle before the end */
    PLAN_REPLAY = 0x20,  /* record what enters by the door, and issue it to a second stack */
};

#define OP_BATCH 0x80

enum op {
    OP_FRAME,    /* if fix bytes…: a frame, repaired as far as the FIX_ bits say */
    OP_TIME,     /* timers: that many deadlines, one after the other */
    OP_SOCKET,   /* type */
    OP_BIND,     /* s addr port */
    OP_LISTEN,   /* s backlog */
    OP_ACCEPT,   /* s */
    OP_CONNECT,  /* s addr port */
    OP_SEND,     /* s len(2) flags */
    OP_RECV,     /* s len(2) flags */
    OP_SHUTDOWN, /* s how */
    OP_CLOSE,    /* s */
    OP_SETOPT,   /* s option(of the table) value(4) or: s 255 level name bytes… */
    OP_GETOPT,   /* s option */
    OP_SENDTO,   /* s addr port len(2) flags */
    OP_MSG,      /* s direction len(2) flags control… */
    OP_MISC,     /* s what */
    OP_NOTIFY,   /* s what the application does when told */
    OP_SEGMENT,  /* flow flags dseq dack wnd(2) opts len scale: a segment that fits a connection */
    OP_SYN,      /* if port pport isn opts: the peer opens */
    OP_UDP,      /* if src dst sport dport len how */
    OP_ICMP,     /* if type code dst len */
    OP_ICMP_ERROR, /* type code word(4) quote at value: about the last datagram sent */
    OP_ARP,        /* if op spa tpa mac */
    OP_FRAGMENT,   /* if proto dst id off(2) more len */
    OP_CONFIG,     /* what if a b */
    OP_KNOB,       /* number value; or 255 and the text "name=value" */
    OP_NETEM,      /* if ingress rate delay jitter loss dup corrupt reorder limit */
    OP_FAULT,      /* n: the n-th allocation from now fails, and all behind it; 0: none */
    OP_LOOK,       /* table rows: what the console shows, while things change */
    OP_RULES,       /* number; or 255 and the text of rules: packet filter and address translation */
    OP_LINK,        /* what which a b: VLANs, bridges, dummies, their ports and stations, tagged frames */
    OP_KINDS
};

enum fix_bits {
    FIX_MAC = 0x01,   /* to our MAC, from the peer's */
    FIX_IP = 0x02,    /* version, header length, total length, TTL, header checksum */
    FIX_ADDR = 0x04,  /* from the peer to us */
    FIX_SUM = 0x08,   /* the transport checksum, and UDP's length */
    FIX_PORT = 0x10,  /* to the port of a connection or socket we know of */
    FIX_TYPE = 0x20,  /* EtherType IPv4 */
    FIX_TCP = 0x40,   /* sequence numbers near those of that connection */
    FIX_BCAST = 0x80, /* to the broadcast MAC */
};

enum segment_opts {
    SEG_TS = 0x01,
    SEG_MSS = 0x02,
    SEG_WSCALE = 0x04,
    SEG_SACK_PERM = 0x08,
    SEG_SACK = 0x10, /* two blocks near what the stack has sent */
    SEG_FASTOPEN = 0x20,
    SEG_GARBAGE = 0x40, /* eight bytes of the input as options */
    SEG_BAD_SUM = 0x80,
};

enum segment_scale { /* units of dseq, dack and len; without: bytes */
                     SCALE_SEQ_MSS = 0x01,
                     SCALE_SEQ_MEG = 0x02,
                     SCALE_ACK_MSS = 0x04,
                     SCALE_ACK_MEG = 0x08,
                     SCALE_LEN_5 = 0x10,
                     SCALE_ACK_UNA = 0x20, /* dack counts from the oldest unacknowledged, not from
                                              the newest sent */
};

/* A call's flags are one byte: Linux's low bits, but for two that are more use than what is there.
 */
#define FLAG_MORE     0x10
#define FLAG_ERRQUEUE 0x80

enum msg_bits {
    MSG_RECV = 0x01,
    MSG_NAME = 0x02,
    MSG_ONE_CONTROL = 0x04, /* one well-formed control message */
};

enum notify_bits { /* what an application does when it is notified */
                   NOTIFY_READ = 0x01,
                   NOTIFY_WRITE = 0x02,
                   NOTIFY_ACCEPT = 0x04,
                   NOTIFY_CLOSE_AT_END = 0x08,
                   NOTIFY_OFF = 0x10,
};

#define OP_DELAYS 16
extern const td_time op_delay[OP_DELAYS];
#define OP_ADDRS 20
extern const td_ip4 op_addr[OP_ADDRS];
#define OP_PORTS 10
extern const uint16_t op_port[OP_PORTS];

/* The two networks: eth0 10.0.0.1/24 (peer .2, default router .254), eth1 192.168.5.1/24 with a
 * small MTU (peer .2). Peers' MACs are known; other hosts must be resolved. */
#define NET_US(i)   ((i) == 0 ? TD_IP4(10, 0, 0, 1) : TD_IP4(192, 168, 5, 1))
#define NET_PEER(i) ((i) == 0 ? TD_IP4(10, 0, 0, 2) : TD_IP4(192, 168, 5, 2))
#define NET_MTU(i)  ((i) == 0 ? 1500u : 600u)

#endif
