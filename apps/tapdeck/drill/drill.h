/* drill/drill.h: a packet script as a tree, and what running it gives.
 *
 * The parser (drill_parse) makes the tree, the runner (drill_run) plays it against a stack in virtual
 * time, the printers (drill_packet_text …) write parts of it in script notation again. The tree
 * belongs to its script and is freed with it. Times are microseconds, as scripts count them.
 */
#ifndef DRILL_DRILL_H
#define DRILL_DRILL_H

#include "tapdeck/types.h"

/* ---- options (section "options" of a script, and the command line) ---- */

struct drill_options {
    td_ip4 local_ip, remote_ip, gateway_ip, netmask_ip;
    uint16_t bind_port, connect_port;
    uint32_t mtu;
    uint32_t mss;                 /* accepted, without effect */
    int64_t tolerance_usecs;
    double tolerance_percent;
    bool has_ts_tick;
    int64_t ts_tick_usecs;        /* 0: outbound TS values are not checked */
    bool ts_ecr_scaled;
    bool strict_segments;
    bool strict_end;              /* packets left over at the end are a failure (ours) */
    bool non_fatal_packet, non_fatal_syscall;
    uint64_t seed;                /* of the stack (ours) */
};
void drill_options_default(struct drill_options *o);

/* ---- expressions: arguments of calls ---- */

enum drill_expr_kind {
    DRILL_INT,      /* num */
    DRILL_WORD,     /* text: a constant of the platform */
    DRILL_STRING,   /* text, text_len */
    DRILL_ELLIPSIS,
    DRILL_OR,       /* item[0] | item[1] … */
    DRILL_LIST,     /* [item, item …] */
    DRILL_STRUCT,   /* {item, item …}: DRILL_FIELDs, or plain expressions (an iovec) */
    DRILL_FIELD,    /* text = item[0]; text(item[1]) = item[0] when there are two */
    DRILL_CALL,     /* text(item …): htons(80), inet_addr("…") */
};
struct drill_expr {
    enum drill_expr_kind kind;
    unsigned line, col;
    int64_t num;
    char *text;
    size_t text_len;
    struct drill_expr **item;
    size_t nitems;
};

/* ---- packets ---- */

enum drill_proto { DRILL_TCP, DRILL_UDP, DRILL_ICMP };
enum drill_ecn { DRILL_ECN_ANY, DRILL_NOECN, DRILL_ECT0, DRILL_ECT1, DRILL_CE, DRILL_ECT01, DRILL_TOS };

enum drill_opt_kind {
    DRILL_OPT_EOL, DRILL_OPT_NOP, DRILL_OPT_MSS, DRILL_OPT_WSCALE, DRILL_OPT_SACKOK, DRILL_OPT_SACK,
    DRILL_OPT_TS, DRILL_OPT_FO, DRILL_OPT_FOEXP, DRILL_OPT_MD5, DRILL_OPT_ACCECN,
};
struct drill_opt {
    enum drill_opt_kind kind;
    uint32_t v[2];                /* mss; wscale; TS val, ecr */
    uint32_t (*sack)[2];          /* n blocks */
    size_t n;                     /* SACK blocks; bytes; ACCECN: counters given */
    uint8_t bytes[40];            /* FO, FOEXP cookie; md5 digest */
    bool order1;                  /* ACCECN: e1b first */
    uint32_t count[3];            /* ACCECN: in the order of the option */
};

enum drill_quote { DRILL_QUOTE_NONE, DRILL_QUOTE_TCP, DRILL_QUOTE_UDP, DRILL_QUOTE_RAW };

struct drill_packet {
    bool inbound;                 /* < */
    enum drill_proto proto;
    enum drill_ecn ecn;
    uint8_t tos;                  /* DRILL_TOS */
    bool has_ttl;
    uint8_t ttl;
    bool has_ports;
    uint16_t sport, dport;
    uint16_t flags;               /* enum tcp_flags of wire/tcp.h */
    uint32_t seq, len;            /* len: payload bytes of TCP, UDP; what an ICMP message quotes */
    bool has_ack, has_win, has_urg;
    uint32_t ack;
    uint16_t win, urg;
    bool any_opts;                /* <...> */
    struct drill_opt *opt;
    size_t nopts;
    uint8_t icmp_type, icmp_code;
    bool has_mtu, has_id;
    uint16_t mtu, id;
    enum drill_quote quote;
};

/* ---- calls ---- */

struct drill_call {
    char *name;
    struct drill_expr **arg;
    size_t nargs;
    bool blocking;                /* "...end": it may wait */
    int64_t end;                  /* as the event's time says: relative or absolute, microseconds */
    struct drill_expr *result;    /* INT, WORD; LIST for pipe */
    char *error;                  /* "EAGAIN" or NULL */
};

/* ---- events ---- */

enum drill_event_kind { DRILL_PACKET, DRILL_SYSCALL, DRILL_SHELL, DRILL_CODE };
enum drill_time_kind { DRILL_ABSOLUTE, DRILL_RELATIVE, DRILL_ANY, DRILL_ABSOLUTE_RANGE, DRILL_RELATIVE_RANGE };

struct drill_code; /* the parsed source of a code block */
struct drill_event {
    enum drill_event_kind kind;
    unsigned line;
    enum drill_time_kind time;
    int64_t at, until;            /* microseconds; until: of a range */
    struct drill_packet packet;
    struct drill_call call;
    char *shell;
    struct drill_code *code;
};

struct drill_script {
    struct drill_options options;
    char *init, *cleanup;         /* shell commands or NULL */
    unsigned init_line, cleanup_line;
    struct drill_event *event;
    size_t nevents;
};

/* ---- running ---- */

enum drill_verdict { DRILL_PASSED, DRILL_FAILED, DRILL_UNSUPPORTED };
struct drill_result {
    enum drill_verdict verdict;
    unsigned line;                /* of the event; 0: none */
    char *text;                   /* what was expected, what came, and the journal; free() */
};
/* False: no memory. */
bool drill_run(const struct drill_script *s, struct drill_result *out);

#endif
