/* replay/record_code.h: a call of the door as bytes, and back.
 *
 * Theory of operation. Each kind of call has one function that says which fields it has, in which
 * order; the same function writes them and reads them (record_code.c), so the two can't differ.
 * Numbers are varints (seven bits a byte, the lowest first; signed ones folded: 0, -1, 1, -2 …), so
 * that most take a byte; bytes of others (frames, texts, names of sockets) have their length in
 * front. Reading checks every length against what is there, every number against the field it goes
 * into, every truth value and every enumeration: what comes out is a call that the door may be
 * handed, whatever stood in the file.
 *
 * A kind has a number of its own in the file, which never changes; the enumeration in
 * tapdeck/call.h may.
 */
#ifndef REPLAY_RECORD_CODE_H
#define REPLAY_RECORD_CODE_H

#include "tapdeck/call.h"

#define RECORD_BUILD_ID 32
#define RECORD_BUFFER_MAX                                                                          \
    (16U << 20) /* bytes that one recvmsg asked for: no recorder writes more */

/* Where what a call points at lies when it is read, and what of it isn't in the call itself. */
struct record_room {
    struct td_if_config config;
    struct td_qdisc_chain qdisc;
    struct td_impair impair;
    struct td_addr addr;
    struct td_link_config link;
    struct td_bridge_config bridge;
    struct td_route route;
    struct td_change_list list;
    struct td_datagram datagram;
    struct td_tcp_pin pin;
    struct msghdr msg;
    uint32_t out;
    socklen_t outlen;
    bool has_device; /* of an interface that was added: transmit is somebody's */
    char organ[16];
    uint8_t build_id[RECORD_BUILD_ID]; /* of the file that the organ is in */
    uint32_t build_id_len;
    size_t data; /* bytes of a sendmsg that are in the file: those that it took */
    struct iovec *iov;
    struct td_change *change;
    struct td_path *path;
    uint8_t *bytes, *name, *control;
    size_t iov_cap, change_cap, path_cap, bytes_cap, name_cap, control_cap;
};
void record_room_done(struct record_room *room);

struct record_coder {
    uint8_t *at, *end; /* writing: room; reading: what is there */
    const uint8_t *from;
    bool reading;
    bool full; /* writing: there wasn't enough room */
    bool bad;  /* reading: this can't be */
    struct record_room *room;
    uint8_t *data_len; /* writing a sendmsg: where the length of its data stands, 4 bytes, the data
                          behind them */
};
struct record_coder record_writer(uint8_t *at, size_t size, struct record_room *room);
struct record_coder record_reader(const uint8_t *bytes, size_t len, struct record_room *room);

void code_u64(struct record_coder *c, uint64_t *v);
void code_u32(struct record_coder *c, uint32_t *v);
void code_u16(struct record_coder *c, uint16_t *v);
void code_u8(struct record_coder *c, uint8_t *v);
void code_i64(struct record_coder *c, int64_t *v);
void code_int(struct record_coder *c, int *v);
void code_bool(struct record_coder *c, bool *v);
void code_fixed(struct record_coder *c, void *bytes, size_t n);
/* A string in an array of `size` bytes, with its zero. */
void code_name(struct record_coder *c, char *s, size_t size);
/* Bytes that are somewhere else: read, they stay where they are in the file. NULL is kept apart
 * from none. */
void code_blob(struct record_coder *c, const void **bytes, size_t *len);
void code_text(struct record_coder *c,
               const char **s); /* a string, zero and all; NULL is allowed */
static inline bool code_ok(const struct record_coder *c)
{
    return !c->full && !c->bad;
}

/* The kind's number in the file, under 64; 0: it has none, which a test forbids. */
uint8_t record_code_of(enum td_call_kind kind);
bool record_kind_of(uint8_t code, enum td_call_kind *kind);
/* Arguments of a call, without kind and time, which are set. Writing changes nothing. */
void code_call(struct record_coder *c, struct td_call *call);

/* What a call gave back beside its result: a number that stands for all of it, 0 when it gave
 * nothing. */
uint64_t record_answer(const struct td_call *call, int64_t result, size_t room);
/* For it, before the call: how many bytes there are for a name or an option, of which the call then
 * says the whole length. */
size_t record_answer_room(const struct td_call *call);
/* 64 bits that stand for bytes. One byte changed changes it; it is no secret, and no defence
 * against malice. */
uint64_t record_digest(const void *bytes, size_t len);

/* All bytes of a packet, where they are or copied together into *own. NULL: no memory. */
const uint8_t *record_linear(const struct pkt *p, uint8_t **own, size_t *cap);

const char *record_organ_name(enum td_organ_kind kind, const void *ops);
/* The build id of the program or library that this is in; its length, 0 = it has none. */
uint32_t record_build_id(const void *inside, uint8_t id[RECORD_BUILD_ID]);

#endif
