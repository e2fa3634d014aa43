/* lab/lab.h: a lab: a folder with an exercise, and lab.yaml, which says what must hold at its end.
 *
 * Theory of operation. A lab is a network (net.yaml, tapdeck-topology(5)), a page for the student, and tasks. A task is
 * either something that must be made true in the network (its checks), or a question (its answer). Nothing in it is a program:
 * a check is one of a few kinds, each a console command of one node and what its output must be like, so that the same file
 * checks a network that is running while the student works in it and, when the work is graded, one that is built
 * for each submission in virtual time (lab/world.h).
 *
 *     title: Local or remote
 *     about: one sentence for `lab list`
 *     minutes: 45
 *     topology: net.yaml                # the default
 *     params:                           # what differs from student to student; ${net} anywhere below, and in
 *       net:   {network: 10.0.0.0/8, prefix: 24}     # net.yaml, start/, solution/ and README.md
 *       hops:  {number: [3, 7]}
 *       dev:   {pick: [eth0, eth1]}
 *       ports: {shuffle: [22, 80, 443]}
 *       sum:   {checksum: "4500 0022 ${n.hex} ..."}  # the Internet checksum (RFC 1071) of octets; parameters above may be in it
 *       fault: {secret: [no-karn, no-delay-ack], node: server}
 *     tasks:
 *       - id: reach
 *         title: The client reaches the server
 *         points: 2
 *         checks:
 *           - ping: {from: client, to: "${net.1}", answers: 3}
 *             else: the client gets no answer from ${net.1}
 *             hint: ask each router on the way with `ip route get ${net.1}`
 *       - id: q1
 *         ask: How many routers are on the way?
 *         answer: {number: "${hops}"}
 *         feedback: {"${hops.more}": "the last one is the server: it routes nothing"}
 *
 * Parameters. A value is made of the student's id and the instructor's salt as a mystery's fault is (common/mystery.h): the same
 * student gets the same lab again, nobody another's. Without a salt the id alone decides. `${name}` is replaced in the
 * bytes of the files before they are read, so it may stand anywhere, and lines keep their numbers. A network has parts:
 * `${net}` is 10.9.4.0/24, `${net.1}` its first host, `${net.last}` its last, `${net.broadcast}`, `${net.address}`,
 * `${net.5.hex}` its fifth host as octets, "0a09 0405"; `${n.hex}` is a number as octets in hex, as few as hold it (1, 2 or 4).
 * `${net.length}`, `${net.mask}`, and with a number's name, `${net.n}`, the host with that number; a number has `${n.more}` and `${n.less}`, one more and one less.
 * What is shuffled has `${ports.1}`, `${ports.2}` … in the student's order, so that a lab can give each a role.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mystery.h"
#include "common/text.h"
#include "tapdeck/types.h"

#define LAB_NAME_MAX   48
#define LAB_TASKS_MAX  64
#define LAB_PARAMS_MAX 32
#define LAB_POINTS_MAX 1000

/* ---- parameters: params.c ---- */

enum lab_param_kind { LAB_NUMBER, LAB_PICK, LAB_SHUFFLE, LAB_NETWORK, LAB_SECRET };
struct lab_param {
    struct lab_param *next;
    enum lab_param_kind kind;
    unsigned line;
    char name[LAB_NAME_MAX + 1];
    char *value;    /* "10.9.4.0/24", "5", "eth1", "443,22,80", a fault's name */
    char *node;     /* of a secret: where the fault is switched on */
    char *set;      /* of a secret: the faults to choose from, with commas between */
};

struct lab_who {            /* for whom a lab is made */
    const char *id;         /* "" = nobody in particular */
    const struct salt *salt; /* NULL: there is none */
};
/* The salt, or the one that everybody knows. Who labs are for without an instructor can find out his own secrets. */
const struct salt *lab_salt(const struct lab_who *who);
/* A number below n (not 0) for this student, lab and parameter. */
uint64_t lab_draw(const struct lab_who *who, const char *lab, const char *param, uint64_t n);
/* Octets in hex, with spaces and line ends between them, # begins a comment. False: *line has something else, or half an octet. */
bool lab_hex(const char *s, struct text *out, unsigned *line);
/* Replaces each ${name}. False: a sentence FILE:LINE: no such parameter. */
bool lab_expand(const struct lab_param *params, const char *file, const char *bytes, size_t len, struct text *out, char *msg,
                size_t msg_size);

/* ---- checks ---- */

enum lab_check_kind {
    LAB_RUN,     /* node, command; status, matches, lacks, where, count */
    LAB_TABLE,   /* node, command (the table); where, count */
    LAB_EVENT,   /* node, command (the event); where (its fields), count */
    LAB_PING,    /* node, command (the address); count (of answers) */
    LAB_CONNECT, /* node, command (ADDR PORT); gives */
    LAB_GET,     /* node, command (the URL); matches, lacks, sha256 */
    LAB_PACKETS, /* node, dev, filter; during: NODE COMMAND; count */
    LAB_WAIT,    /* time: nothing is checked, time passes */
    LAB_FILE,    /* command (its name in the submission); matches, lacks, or filter and count for a capture, or for a NAME.hex, which
                  * is one frame in hex */
    LAB_CHECK_KINDS
};

enum lab_gives { LAB_OPEN, LAB_REFUSED, LAB_TIMEOUT, LAB_UNREACHABLE };

struct lab_pattern { /* a regular expression (POSIX, extended) that must or must not be found */
    struct lab_pattern *next;
    bool lacks;
    char *regex;
};
struct lab_where { /* a column of a row, and what it must be: "x", "~REGEX", ">= 3", "!= x" */
    struct lab_where *next;
    char *column, *is;
};

struct lab_check {
    struct lab_check *next;
    enum lab_check_kind kind;
    unsigned line;
    char *node, *command, *dev, *filter, *during, *sha256;
    char *otherwise; /* `else`: what is said when it doesn't hold; NULL: what came is said plainly */
    char *hint;
    int status;      /* of RUN: the exit status; -1: any */
    enum lab_gives gives;
    td_time time;    /* WAIT; at most LAB_WAIT_MAX */
    struct lab_pattern *patterns;
    struct lab_where *where;
    char *count;     /* ">= 3", "0", "2..4"; NULL: at least one */
};
#define LAB_WAIT_MAX (86400 * TD_SEC)

enum lab_answer_kind { LAB_A_NUMBER, LAB_A_TEXT, LAB_A_REGEX, LAB_A_ADDRESS, LAB_A_CHOICE, LAB_A_SET };
struct lab_answer {
    enum lab_answer_kind kind;
    char *value;          /* of a choice: the letter or text that is right; of a set: words with commas between */
    double within;        /* of a number: how far off it may be, */
    bool percent;         /* in hundredths of the value */
    struct lab_where *choices;  /* column: the letter, is: what it stands for */
    struct lab_where *feedback; /* column: a wrong answer, is: what is said to it */
};

struct lab_task {
    struct lab_task *next;
    unsigned line;
    char id[LAB_NAME_MAX + 1];
    char *title;  /* of a question: what is asked */
    unsigned points;
    struct lab_check *checks;
    struct lab_answer *answer; /* NULL: none is asked for */
    char *hint;
};

struct lab {
    char name[LAB_NAME_MAX + 1]; /* the folder's: "05-three-routers" */
    char *dir;
    char *title, *about;
    unsigned minutes;
    char *topology;              /* the file's name in dir; NULL: there is no network */
    struct lab_param *params;
    struct lab_task *tasks;
    unsigned ntasks, points;
};

/* Reads DIR/lab.yaml for a student. NULL: one sentence that begins with FILE:LINE:COLUMN. */
struct lab *lab_load(const char *dir, const struct lab_who *who, char *msg, size_t msg_size);
void lab_free(struct lab *l);
/* A file of the lab with the parameters in place. False: a sentence; if it is optional and isn't there, out stays empty. */
bool lab_file(const struct lab *l, const char *path, const char *kind, bool optional, struct text *out, char *msg, size_t msg_size);
const struct lab_task *lab_task(const struct lab *l, const char *id);

#endif
