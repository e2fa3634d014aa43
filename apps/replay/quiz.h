/* replay/quiz.h: questions about a captured connection, their key, and the marking of answers.
 *
 * Theory of operation. A connection is read into rows, a packet each, as the tracker tells them
 * (track.h); where one end is played by the stack (play.h), with what the stack's own tables held
 * at that instant. For each field that is to be asked there is a builder: is there a question about
 * this packet, whose answer can be worked out from the rest? It writes the question, the answer and
 * others that are as right, wrong ones that people give and what to tell them, and names cells of
 * the list: the asked one, those that the way to the answer needs, and those that would give it
 * away. Questions are drawn by a generator that the seed determines, and one is taken only if no
 * cell that it needs is hidden, and it hides none that another needs. So each question can be
 * answered from the sheet, and the sheet doesn't hold an answer.
 *
 * Only what is known is asked. States and bytes in flight follow from the packets; a congestion
 * window doesn't, and what the tracker infers of it is no key for a quiz. The stack knows its own:
 * cwnd, ssthresh and the retransmission timer are asked of the played end, up to the first packet
 * that the stack would not have sent so, and only where a rule that the sheet states leads to what
 * it did.
 *
 * The same capture, words and seed make the same quiz, byte for byte. Nothing in the sheet depends
 * on what is hidden, the quiz's name included.
 */
#ifndef REPLAY_QUIZ_H
#define REPLAY_QUIZ_H

#include "common/jsonw.h"
#include "core/rng.h"
#include "replay/track.h"

enum quiz_field {
    QUIZ_SEQ,
    QUIZ_ACK,
    QUIZ_FLAGS,
    QUIZ_LEN,
    QUIZ_WINDOW,
    QUIZ_STATE,
    QUIZ_FLIGHT,
    QUIZ_RTT,
    QUIZ_MARK,
    QUIZ_NEXT,
    QUIZ_CWND,
    QUIZ_SSTHRESH,
    QUIZ_RTO, /* of the played end */
    QUIZ_ARP,
    QUIZ_TTL,
    QUIZ_FRAG, /* of captures without TCP */
    QUIZ_FIELDS
};
#define QUIZ_BIT(f) (1u << (f))
#define QUIZ_PLAYED (QUIZ_BIT(QUIZ_CWND) | QUIZ_BIT(QUIZ_SSTHRESH) | QUIZ_BIT(QUIZ_RTO))
#define QUIZ_OTHER  (QUIZ_BIT(QUIZ_ARP) | QUIZ_BIT(QUIZ_TTL) | QUIZ_BIT(QUIZ_FRAG))
#define QUIZ_DEFAULT                                                                               \
    (QUIZ_BIT(QUIZ_SEQ) | QUIZ_BIT(QUIZ_ACK) | QUIZ_BIT(QUIZ_FLAGS) | QUIZ_BIT(QUIZ_STATE) |       \
     QUIZ_BIT(QUIZ_FLIGHT))

enum quiz_form { FORM_NUMBER, FORM_TIME, FORM_FLAGS, FORM_STATE, FORM_WORD, FORM_ADDRESS };
struct quiz_field_info {
    const char *name, *other; /* as in --hide; what is taken too, or "" */
    const char *form;         /* of the answer, for the sheet */
    const char *hint;         /* to an answer that is wrong in no way that is known */
};
extern const struct quiz_field_info quiz_fields[QUIZ_FIELDS];

/* Cells of a row. The last ones aren't printed: what a question is about, or tells. */
enum quiz_col {
    COL_TIME,
    COL_FLAGS,
    COL_SEQ,
    COL_ACK,
    COL_LEN,
    COL_WINDOW,
    COL_OPTIONS,
    COL_WHAT,
    COL_OFFSET,
    COL_MARK,
    COL_STATE,
    COL_FLIGHT,
    COL_RTT,
    COL_OFFER,
    COL_CWND,
    COL_SSTHRESH,
    COL_RTO,
    COL_TTL,
    QUIZ_COLS
};
#define COL_BIT(c)  (1u << (c))
#define COL_PRINTED 9

struct quiz_truth {         /* what the stack's table of connections held behind this packet */
    bool known, never_lost; /* never_lost: ssthresh is unlimited */
    uint32_t cwnd, ssthresh, mss; /* segments, bytes */
    uint32_t backoff;
    td_time rto, srtt, rttvar;
    td_time timer; /* until the retransmission timer fires; 0: it isn't running */
    char cc[16];
};

struct quiz_row {
    struct track_row r;
    tcp_seq seq, ack; /* as on the wire */
    uint16_t wnd;     /* the bare field */
    struct tcp_opts o;
    struct quiz_truth truth;
    uint32_t hidden, needed, told; /* COL_BIT */
    uint16_t asked[QUIZ_COLS];     /* the question's number, 0 = none */
    /* of what isn't TCP */
    char *what;
    char from[40], to[40];
    const char *kind;
    bool ip, request, reply;
    uint8_t ttl;
    uint16_t id;
    uint32_t offset, payload;
    bool more;
    td_ip4 asks, says; /* ARP: whose address is asked for; who answers */
    char mac[18];      /* of `says` */
};

#define QUIZ_ACCEPTED 6
#define QUIZ_WRONG    6
struct quiz_wrong {
    char answer[48];
    char feedback[220];
};
struct question {
    unsigned n;
    uint8_t field, form;
    uint64_t packet;
    size_t row;
    uint32_t cells; /* of its row (of hides_row, if that is set) that are hidden as the answer */
    size_t hides_row;
    char ask[640];
    char accepted[QUIZ_ACCEPTED][48]; /* the first is the answer */
    unsigned naccepted, nwrong;
    uint64_t tolerance; /* ns, FORM_TIME */
    uint32_t ignore;    /* FORM_FLAGS: these may be there or not */
    struct quiz_wrong wrong[QUIZ_WRONG];
    char explanation[480], clause[48];
};

struct quiz_options {
    const char *file;  /* as it is called on the sheet */
    int64_t flow;      /* -1 = the first */
    uint64_t from, to; /* packets of the list; 0 = from the first, to the 60th of the flow */
    const char *play;  /* the side that the stack plays, or NULL */
    uint32_t fields;   /* QUIZ_BIT */
    const char *seed;
    unsigned count;
    const char *const *knob;
    size_t nknobs;
};
#define QUIZ_ROWS_MAX  2000
#define QUIZ_ROWS      60
#define QUIZ_COUNT_MAX 200
#define QUIZ_SEED_MAX  64

struct quiz {
    struct quiz_options o;
    char id[9];
    bool tcp; /* else a list of what isn't */
    uint32_t flow;
    char end[2][64];
    struct track_facts facts[2];
    tcp_seq isn[2];
    bool isn_known[2];
    uint8_t first_state[2]; /* before the first row */
    bool begins;            /* the first row is the flow's first packet */
    uint64_t more;          /* packets of the flow (or file) that aren't listed */
    int played;             /* 0 or 1; -1 none */
    uint64_t differs;       /* the first packet that the stack didn't send so; 0 = none */
    struct quiz_row *row;
    size_t nrows, room;
    struct question *q;
    unsigned nq;
    struct rng rng;
};

/* The field with this name; QUIZ_FIELDS: there is none. */
enum quiz_field quiz_field(const char *name);

/* Reads and asks. `again` opens the capture again where it must be read twice (--play). 0, or an
 * exit status and a sentence. */
int quiz_make(struct quiz *q, const struct quiz_options *o,
              struct capture_reader *(*again)(void *ctx, char *msg, size_t msg_size), void *ctx,
              char *msg, size_t msg_size);
void quiz_done(struct quiz *q);

/* quiz_read.c, quiz_ask.c: the steps of quiz_make */
int quiz_read(struct quiz *q, struct capture_reader *r, char *msg, size_t msg_size);
int quiz_play(struct quiz *q, struct capture_reader *r, char *msg, size_t msg_size);
int quiz_choose(struct quiz *q, char *msg, size_t msg_size);

/* ---- what goes out (quiz_sheet.c) ---- */
void quiz_sheet(const struct quiz *q, struct text *out);
void quiz_sheet_json(const struct quiz *q, struct text *out);
void quiz_list(const struct quiz *q, struct text *out);     /* of it, the packets alone */
void quiz_template(const struct quiz *q, struct text *out); /* of a file of answers */

/* ---- the key (quiz_key.c): what is needed for marking ---- */
struct quiz_key {
    char id[9], seed[QUIZ_SEED_MAX + 1];
    struct question *q; /* those of a quiz, or its own */
    unsigned nq;
    bool own;
};
void quiz_key_of(const struct quiz *q, struct quiz_key *k); /* borrows */
void quiz_key_json(const struct quiz *q, struct text *out);
/* 0, or an exit status and a sentence. */
int quiz_key_read(struct quiz_key *k, const char *path, char *msg, size_t msg_size);
void quiz_key_done(struct quiz_key *k);

/* ---- an answer (quiz_answer.c) ---- */
enum quiz_mark { ANSWER_NONE, ANSWER_WRONG, ANSWER_RIGHT, ANSWER_MALFORMED };
/* feedback: what to say to it, which doesn't give the answer away; with MALFORMED how it is to be
 * written. */
enum quiz_mark quiz_mark(const struct question *q, const char *answer, const char **feedback);
/* The flags as names joined by commas; the state as Linux and the RFC call it: what the builders
 * write. */
void quiz_flags_text(uint16_t flags, char dst[48]);

/* ---- files of answers (quiz_grade.c) ---- */
struct quiz_answer {
    enum quiz_mark mark;
    char given[96];
    const char *feedback;
};
struct quiz_paper {
    char file[256], student[96], id[16], seed[QUIZ_SEED_MAX + 1];
    struct quiz_answer *a; /* nq of them */
    unsigned nq, right;
    unsigned asked[QUIZ_FIELDS], got[QUIZ_FIELDS];
    struct text errors; /* a sentence a line */
    unsigned nerrors;
};
/* What stands at a file's beginning: student, quiz and seed, as far as they are given. False: msg.
 */
bool paper_head(struct quiz_paper *p, const char *path, char *msg, size_t msg_size);
/* Marks the file. False: it can't be read (msg). */
bool paper_mark(struct quiz_paper *p, const char *path, const struct quiz_key *k, char *msg,
                size_t msg_size);
void paper_text(const struct quiz_paper *p, const struct quiz_key *k, bool explain,
                struct text *out);
void paper_json(const struct quiz_paper *p, const struct quiz_key *k, bool explain,
                struct jsonw *w);
/* A heading for papers of at most nq questions, then a line for each. */
void papers_csv(const struct quiz_paper *p, size_t n, struct text *out);
void paper_done(struct quiz_paper *p);

/* ---- the builders (quiz_tcp.c, quiz_played.c, quiz_other.c) ---- */
#define CELLS_MAX 48
struct cells { /* of a question that is being built */
    struct {
        size_t row;
        uint32_t cols;
    } need[CELLS_MAX], leak[CELLS_MAX], tell[4];
    unsigned nneed, nleak, ntell;
    bool full; /* there were more: no question */
    bool dull; /* only where nothing better is left */
};
void cells_need(struct cells *c, size_t row, uint32_t cols);
void cells_leak(struct cells *c, size_t row, uint32_t cols);
void cells_tell(struct cells *c, size_t row, uint32_t cols);
void question_accept(struct question *q, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Nothing if the answer is one of the accepted, or there already. */
void question_wrong(struct question *q, const char *feedback, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
typedef bool quiz_builder(struct quiz *q, size_t i, struct question *x, struct cells *c);
quiz_builder quiz_ask_seq, quiz_ask_ack, quiz_ask_flags, quiz_ask_len, quiz_ask_window,
    quiz_ask_state, quiz_ask_flight, quiz_ask_rtt, quiz_ask_mark, quiz_ask_next, quiz_ask_cwnd,
    quiz_ask_ssthresh, quiz_ask_rto, quiz_ask_arp, quiz_ask_ttl, quiz_ask_frag;
#define QUIZ_NONE SIZE_MAX
int64_t quiz_end(const struct quiz *q, size_t i); /* behind the row's text, SYN and FIN */
extern const char *const quiz_who[2];

#endif
