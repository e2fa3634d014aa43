/* drill/drill.h: a packet script as a tree, what can be done with it, and what running it gives.
 *
 * A script (FILE.pkt) is a list of events in the order of the file. Each has a time and one action:
 * a packet that the tool sends into the stack (`<`, inbound), a packet that the stack must send
 * (`>`, outbound), a system call of the application with its expected result, a code block with
 * assertions on TCP_INFO, or a shell command (of which only sysctl lines and the common init script
 * are understood).
 *
 * Who does what:
 *   lex.c      bytes to tokens           symbols.c  names of constants to Linux's values
 *   parse*.c   tokens to this tree       options.c  --name=value, of a file or the command line
 *   print.c    a packet in notation      explain.c  a script as prose
 *   eval*.c    code blocks               command.c  `tapdeck drill`
 *   run.c …    a script against a stack, in virtual time
 *
 * The tree belongs to its script and is freed with it. Times are microseconds, as scripts count
 * them. Addresses and ports are in host order. Sequence numbers, timestamps and so on are the
 * script's own
 * ("script space"): the runner maps them to those on the wire. No function here keeps global state.
 */
#ifndef DRILL_DRILL_H
#define DRILL_DRILL_H

#include "common/text.h"
#include "tapdeck/types.h"

/* How reading or running a script ended. */
enum drill_verdict {
    DRILL_PASSED,      /* read: it is a script; run: everything was as it says */
    DRILL_FAILED,      /* the stack did something else than the script says */
    DRILL_UNSUPPORTED, /* well-formed, but it uses what this interpreter doesn't have */
    DRILL_SYNTAX,      /* not a script, or one that can't be meant (time going backwards …) */
    DRILL_NO_MEMORY,
};

/* What was wrong, and where: line and column (bytes) count from 1; 0: no particular place. */
struct drill_error {
    enum drill_verdict verdict;
    unsigned line, col;
    char found[96];     /* what stands there; "" where that says nothing */
    char expected[160]; /* what would have been right; "" where nothing would be */
    char text[400];     /* the whole sentence, without the place */
};

/* ---- options (at the top of a script, and on the command line) ---- */

enum drill_ip_version { DRILL_IPV4, DRILL_IPV6, DRILL_IPV4_MAPPED_IPV6 };
enum drill_profile { DRILL_PROFILE_LINUX, DRILL_PROFILE_RFC };

struct drill_options {
    uint32_t given; /* one bit an option (options.c): named by the file or the command line */
    enum drill_ip_version ip_version;
    td_ip4 local_ip;                  /* the stack's: 192.168.0.1 */
    td_ip4 remote_ip;                 /* the scripted peer's: 192.0.2.1 */
    td_ip4 gateway_ip;                /* 192.168.0.2 */
    td_ip4 netmask_ip;                /* 255.255.0.0 (also --local_ip=…/16) */
    uint8_t remote_prefix;            /* 32 (--remote_ip=…/24) */
    uint16_t bind_port, connect_port; /* 8080 both */
    uint32_t mtu;                     /* 1500 */
    uint32_t mss;                     /* accepted, without effect */
    int64_t tolerance_usecs;          /* 4000 */
    double tolerance_percent;         /* 12.5 */
    bool has_ts_tick;                 /* --tcp_ts_tick_usecs was given */
    int64_t ts_tick_usecs;            /* 0: outbound TS values are not checked */
    bool ts_ecr_scaled;
    bool strict_segments;
    bool non_fatal_packet, non_fatal_syscall;
    bool send_omit_free;        /* accepted, without effect */
    bool strict_end;            /* ours: packets left over at the end are a failure */
    uint64_t seed;              /* ours: of the stack; 1 */
    enum drill_profile profile; /* ours: the knobs to begin with */
    uint64_t faults;            /* ours: deliberate bugs to switch on, 1 << enum fault_id */
    bool verbose;               /* ours: fill in drill_report.exchange */
    const char *capture;        /* ours, never a script's: a capture file to write; NULL: none */
};
void drill_options_default(struct drill_options *o);
/* Sets what `name` (without dashes) says; value is NULL for "--name" alone. DRILL_PASSED, or
 * DRILL_SYNTAX, DRILL_UNSUPPORTED with err filled in but for the place. "define" isn't one of
 * these. */
enum drill_verdict drill_option_set(struct drill_options *o, const char *name, const char *value,
                                    struct drill_error *err);
/* On a command line its value may be the next word. */
bool drill_option_takes_value(const char *name);
/* What `from` was given overrides `to`: the defaults, then the file's, then the command line's. */
void drill_options_merge(struct drill_options *to, const struct drill_options *from);

/* -D NAME=value: wherever the word NAME stands in a script it is read as value, which must be one
 * integer, word, "string" or `shell command`. */
struct drill_define {
    const char *name, *value;
};
struct drill_defines {
    const struct drill_define *list;
    size_t n;
};

/* ---- expressions: arguments and results of calls ---- */

#define DRILL_DEPTH_MAX 16 /* of nesting */

enum drill_expr_kind {
    DRILL_INT,    /* num (hex too: is_hex) */
    DRILL_WORD,   /* text: a constant; num is its value */
    DRILL_STRING, /* text, text_len (adjacent strings are one) */
    DRILL_ELLIPSIS,
    DRILL_OR,     /* item[0] | item[1] …, each INT or WORD; num is all of it */
    DRILL_LIST,   /* [item, item …] */
    DRILL_STRUCT, /* {item, item …}: DRILL_FIELDs, or plain expressions (an iovec) */
    DRILL_FIELD,  /* text = item[0]; text(item[1]) = item[0] when there are two */
    DRILL_CALL,   /* text(item …): htons(80), inet_addr("…") */
};
struct drill_expr {
    enum drill_expr_kind kind;
    unsigned line, col;
    int64_t num;
    bool is_hex;
    char *text; /* NUL-terminated */
    size_t text_len;
    struct drill_expr **item;
    size_t nitems;
};
/* The number behind INT, WORD, OR, a LIST of one of them, htons(…), htonl(…) and
 * inet_addr("a.b.c.d"), these in host order. False: it isn't one. */
bool drill_expr_int(const struct drill_expr *e, int64_t *v);
/* The value of the field `name` of a STRUCT, or NULL. arg (may be NULL) gets what stood in the
 * parentheses behind the name, or NULL. */
const struct drill_expr *drill_expr_field(const struct drill_expr *e, const char *name,
                                          const struct drill_expr **arg);
/* Linux's value of a constant: SOL_SOCKET, EAGAIN, TCP_ESTABLISHED … False: unknown. Words a script
 * uses and this doesn't know make it unsupported when it is read. */
bool drill_symbol(const char *name, int64_t *v);
const char *drill_errno_name(int error); /* "EAGAIN" for 11; NULL */

/* ---- packets ---- */

enum drill_proto { DRILL_TCP, DRILL_UDP, DRILL_ICMP };
/* DRILL_TOS: the whole octet is given. ECT01: outbound either, inbound ECT(0). */
enum drill_ecn {
    DRILL_ECN_ANY,
    DRILL_NOECN,
    DRILL_ECT0,
    DRILL_ECT1,
    DRILL_CE,
    DRILL_ECT01,
    DRILL_TOS
};

enum drill_opt_kind {
    DRILL_OPT_EOL,
    DRILL_OPT_NOP,
    DRILL_OPT_MSS,
    DRILL_OPT_WSCALE,
    DRILL_OPT_SACKOK,
    DRILL_OPT_SACK,
    DRILL_OPT_TS,
    DRILL_OPT_FO,
    DRILL_OPT_FOEXP,
    DRILL_OPT_MD5,
    DRILL_OPT_ACCECN,
    DRILL_OPT_OTHER, /* never from a script: what was met on the wire. v[0]: its kind; bytes, n */
};
#define DRILL_OPTS_MAX 40 /* bytes of TCP options, and so options, in a packet */
struct drill_opt {
    enum drill_opt_kind kind;
    uint32_t v[2];       /* mss; wscale; TS val, ecr */
    uint32_t (*sack)[2]; /* n blocks */
    size_t n;            /* SACK blocks; bytes; ACCECN: counters given */
    uint8_t bytes[40];   /* FO, FOEXP cookie (n = 0: a request); md5 digest */
    bool order1;         /* ACCECN: e1b first (kind 174); else e0b first (172) */
    uint32_t count[3];   /* ACCECN: in the order of the option */
};
/* Bytes of it on the wire. */
size_t drill_opt_size(const struct drill_opt *o);

enum drill_quote { DRILL_QUOTE_NONE, DRILL_QUOTE_TCP, DRILL_QUOTE_UDP, DRILL_QUOTE_RAW };

struct drill_packet {
    bool inbound; /* < */
    enum drill_proto proto;
    enum drill_ecn ecn;
    uint8_t tos; /* DRILL_TOS */
    bool has_ttl;
    uint8_t ttl;
    bool has_ports;
    uint16_t sport, dport;
    uint16_t flags;    /* enum tcp_flags of wire/tcp.h, with TCP_AE */
    bool has_ace;      /* a digit among the flags: the ACE counter, whose bits are AE CWR ECE */
    uint32_t seq, len; /* len: payload bytes of TCP, UDP; what an ICMP message quotes */
    bool has_ack, has_win, has_urg; /* has_win: always, for an inbound segment */
    uint32_t ack;
    uint16_t win, urg;
    bool any_opts; /* <...> */
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
    bool blocking;             /* "...end": it waits, and returns at the end */
    int64_t end;               /* as the event's time says: relative or absolute, microseconds */
    struct drill_expr *result; /* INT, WORD, OR; ELLIPSIS: anything */
    char *error;               /* "EAGAIN" or NULL */
    int error_num;             /* 11; 0 */
    char *note;                /* the words in parentheses, or NULL: ignored */
};

/* ---- events ---- */

enum drill_event_kind { DRILL_PACKET, DRILL_SYSCALL, DRILL_SHELL, DRILL_CODE };
/* ANY and the ranges only with outbound packets. */
enum drill_time_kind {
    DRILL_ABSOLUTE,
    DRILL_RELATIVE,
    DRILL_ANY,
    DRILL_ABSOLUTE_RANGE,
    DRILL_RELATIVE_RANGE,
};

struct drill_event {
    enum drill_event_kind kind;
    unsigned line, col; /* of the time stamp */
    enum drill_time_kind time;
    int64_t at, until; /* microseconds, 0 or more; until: of a range, else the same as at */
    struct drill_packet packet;
    struct drill_call call;
    char *shell;        /* the command */
    char *code;         /* the source, outer blanks stripped */
    unsigned code_line; /* where that begins */
};

struct drill_script {
    char *name;                   /* of the file, as given to drill_parse */
    struct drill_options options; /* the file's own, over the defaults */
    char *init, *cleanup;         /* shell commands or NULL */
    unsigned init_line, cleanup_line;
    struct drill_event *event; /* the first is at time 0 */
    size_t nevents;
    bool unsupported; /* drill_parse said DRILL_UNSUPPORTED: to be explained, not to be run */
    struct drill_arena *arena; /* what all this lives in */
};

/* Reads a script of len bytes. Whatever they are: no recursion deeper than DRILL_DEPTH_MAX, work
 * and memory in proportion to len. defs (may be NULL) override `--define` lines of the file.
 *   DRILL_PASSED       *out is the script; free with drill_free.
 *   DRILL_UNSUPPORTED  *out is the script as far as it is understood: events that can't be
 * expressed here (a packet in a tunnel) are left out. err has the first such construct.
 *   DRILL_SYNTAX       *out is NULL; err says where, what was found, what was expected.
 *   DRILL_NO_MEMORY    *out is NULL. */
enum drill_verdict drill_parse(const char *name, const char *text, size_t len,
                               const struct drill_defines *defs, struct drill_script **out,
                               struct drill_error *err);
void drill_free(struct drill_script *s); /* NULL is fine */

/* ---- notation and prose ---- */

/* "> S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>": a packet as a script has it. The runner reads what
 * it met into a struct drill_packet, in script space, to show both side by side. */
void drill_print_packet(struct text *t, const struct drill_packet *p);
void drill_print_opt(struct text *t, const struct drill_opt *o);
void drill_print_expr(struct text *t, const struct drill_expr *e);
void drill_print_call(struct text *t, const struct drill_call *c);  /* "write(4, ..., 9) = 9" */
void drill_print_time(struct text *t, const struct drill_event *e); /* "+.9~+1.1" */
/* All of it but the time. */
void drill_print_event(struct text *t, const struct drill_event *e);
/* A sentence about the event, without its time and without newline. */
void drill_explain_event(struct text *t, const struct drill_event *e);
/* The script as prose, a line an event. */
void drill_explain(struct text *t, const struct drill_script *s);

/* ---- code blocks ---- */

/* Variables of code blocks; they persist from one block to the next. */
struct drill_vars;
struct drill_vars *drill_vars_new(void); /* NULL: no memory */
void drill_vars_free(struct drill_vars *v);

/* The value of a name such as tcpi_snd_cwnd. False: there is none. Constants (TCP_CA_Open,
 * TCP_ESTABLISHED, TCPI_OPT_SACK …) are found in drill_symbol() when this doesn't know them. */
typedef bool drill_lookup(void *ctx, const char *name, int64_t *v);

/* Runs the code src, which begins in line `line`: `assert EXPR[, MSG]`, `print(…)`, `NAME = EXPR`,
 * `NAME += EXPR` (-= too), one a line or separated by `;`. EXPR: integers, names, == != < <= > >=
 * (chained as in Python), in (…), & | ^ << >> + - * // %, and or not, parentheses; 64 bits. MSG may
 * be anything: what can't be evaluated is shown as it is written.
 * printed (may be NULL) gets what print says, a line each.
 *   DRILL_PASSED
 *   DRILL_FAILED       an assertion is false: err->text has it with the values of its names; or a
 * name has no value, or a division by zero DRILL_SYNTAX       no Python of this kind
 *   DRILL_UNSUPPORTED  Python beyond the subset (import, def, for, if …)
 *   DRILL_NO_MEMORY */
enum drill_verdict drill_eval_block(struct drill_vars *v, const char *src, unsigned line,
                                    drill_lookup *lookup, void *ctx, struct text *printed,
                                    struct drill_error *err);

/* Reads a block without running it: PASSED, SYNTAX or UNSUPPORTED. drill_parse() does so for every
 * block. */
enum drill_verdict drill_eval_check(const char *src, unsigned line, struct drill_error *err);

/* ---- running ---- */

/* What a run gave. Texts that have nothing to say stay empty (s == NULL). */
struct drill_report {
    enum drill_verdict verdict; /* any but DRILL_SYNTAX */
    unsigned line;              /* of the event; 0: none */
    struct text reason;         /* one sentence */
    struct text expected;       /* the script's packet or call, in its notation */
    struct text got;            /* what came instead */
    struct text journal;        /* the stack's reasons around that moment, a line each */
    struct text notes;          /* what fails no script (--non_fatal …), a line each */
    struct text exchange;       /* options.verbose: what happened when, a line each */
    size_t events;              /* done */
    int64_t usecs;              /* script time at the end */
};
/* Plays the script against a stack of its own. o: all options in force. Deterministic: the same
 * script and options, the same report. *report need not be initialised; drill_report_free() it.
 * Returns report->verdict. */
enum drill_verdict drill_run(const struct drill_script *s, const struct drill_options *o,
                             struct drill_report *report);
void drill_report_free(struct drill_report *report);

/* The command `tapdeck drill`: argv[0] is "drill". Returns the exit status. */
int drill_main(int argc, char **argv, bool json);

#endif
