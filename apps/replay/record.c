/* replay/record.c: what the door tells, written down.
 *
 * Three ears: before a call (its record: the write-ahead), each frame that a device was handed, and
 * after the call what it gave back, if that isn't nothing. None of them changes the stack or asks
 * it for memory. Most calls are a clock, a tick or a flush: a dozen bytes each.
 *
 * An application may offer more to sendmsg than is taken; how much is taken is known only
 * afterwards. Then the record, which is still the last one, is cut to that.
 */
#include "replay/record.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/stack.h"

#define USUAL 256 /* bytes that nearly every record fits into */

static void detach(struct recorder *rec)
{
    if (!rec->attached)
        return;
    td_stack_before(rec->st, NULL, NULL);
    td_stack_record(rec->st, NULL, NULL);
    td_stack_sent(rec->st, NULL, NULL);
    rec->attached = false;
}

/* The last record: it may be the very reason that there is no room, so it takes what was kept free
 * for it. */
static void write_end(struct recorder *rec, enum record_why why)
{
    struct record_log *log = &rec->log;
    if (log->path == NULL || log->at == NULL || (size_t)(log->end - log->at) < RECORD_FRAME + 1)
        return;
    struct record_coder c = record_writer(log->at + RECORD_FRAME,
                                          (size_t)(log->end - log->at) - RECORD_FRAME, &rec->room);
    uint8_t tag = RECORD_END;
    uint32_t reason = why;
    code_fixed(&c, &tag, 1);
    code_u32(&c, &reason);
    code_u64(&c, &rec->calls);
    code_u64(&c, &rec->in);
    code_u64(&c, &rec->out);
    if (code_ok(&c))
        record_log_put(log, (size_t)(c.at - log->at) - RECORD_FRAME);
}

static void end(struct recorder *rec, enum record_why why)
{
    if (!rec->attached)
        return;
    detach(rec);
    write_end(rec, why);
    rec->why = why;
    rec->err = rec->log.err;
    record_log_close(&rec->log, why);
    if (rec->filed && why != RECORD_ASKED) {
        JOURNAL(rec->st, EV_RECORD_ENDED, NULL, rec->calls,
                why == RECORD_BOUND  ? W_FILES_FULL
                : why == RECORD_DISK ? W_DISK
                                     : W_NOT_RECORDABLE);
        if (rec->hooks.ended != NULL)
            rec->hooks.ended(rec->hooks.ctx, rec);
    }
}

/* Room for a record of so many bytes beside its frame; false: that was the end. */
static bool more(struct recorder *rec, size_t n)
{
    if (record_log_room(&rec->log, n + RECORD_FRAME, rec->calls))
        return true;
    end(rec, rec->log.why);
    return false;
}

/* A record is written by a function that may be called again, when there wasn't enough room. */
typedef void fill(struct recorder *rec, struct record_coder *c, const void *what);

static bool record(struct recorder *rec, fill *fn, const void *what)
{
    struct record_log *log = &rec->log;
    for (size_t n = USUAL; rec->attached && more(rec, n);
         n = 2 * n > record_log_left(log) ? 2 * n : record_log_left(log)) {
        struct record_coder c =
            record_writer(log->at + RECORD_FRAME, record_log_left(log) - RECORD_FRAME, &rec->room);
        rec->sendmsg = NULL;
        fn(rec, &c, what);
        if (code_ok(&c)) {
            rec->sendmsg = c.data_len != NULL ? log->at : NULL;
            rec->sendmsg_data = c.data_len != NULL ? (size_t)(c.data_len - log->at) : 0;
            record_log_put(log, (size_t)(c.at - log->at) - RECORD_FRAME);
            return true;
        }
        if (c.bad || n > RECORD_BODY_MAX) {
            end(rec, RECORD_STRANGE);
            return false;
        }
    }
    return false;
}

/* ---- notes ---- */

struct note {
    uint8_t tag;
    uint32_t number;
    const char *text;
    int64_t wall;
};

static void fill_note(struct recorder *rec, struct record_coder *c, const void *what)
{
    struct note n = *(const struct note *)what;
    (void)rec;
    code_fixed(c, &n.tag, 1);
    if (n.tag == RECORD_WALL) {
        code_i64(c, &n.wall);
        return;
    }
    code_u32(c, &n.number);
    code_text(c, &n.text);
}

static void note_owner(struct recorder *rec, uint32_t owner)
{
    if (owner == 0 || owner == rec->owner || rec->hooks.owner == NULL)
        return;
    const char *name = rec->hooks.owner(rec->hooks.ctx, owner);
    if (name != NULL && name[0] != '\0')
        (void)record(rec, fill_note,
                     &(struct note){.tag = RECORD_OWNER, .number = owner, .text = name});
    rec->owner = owner;
}

void recorder_app(struct recorder *rec, uint32_t id, const char *line)
{
    if (rec != NULL && rec->attached)
        (void)record(rec, fill_note, &(struct note){.tag = RECORD_APP, .number = id, .text = line});
}

/* ---- what the door tells ---- */

static void fill_call(struct recorder *rec, struct record_coder *c, const void *what)
{
    struct td_call call = *(const struct td_call *)what;
    uint8_t tag = record_code_of(call.kind);
    int64_t later = (int64_t)(call.now - rec->last);
    code_fixed(c, &tag, 1);
    code_i64(c, &later);
    if (rec->head.memory_limit != 0) {
        uint64_t used = rec->st->mem.used;
        code_u64(c, &used);
    }
    code_call(c, &call);
}

static void before(void *ctx, const struct td_call *call)
{
    struct recorder *rec = ctx;
    if (call->kind == TD_CALL_SOCKET)
        note_owner(rec, call->u.socket.owner);
    if (!record(rec, fill_call, call))
        return;
    rec->last = call->now;
    rec->answer_room = record_answer_room(call);
    rec->calls++;
    rec->in += call->kind == TD_CALL_INPUT;
}

struct sent {
    uint32_t ifindex;
    const struct pkt *p;
    const uint8_t *bytes;
    int result;
};

static void fill_sent(struct recorder *rec, struct record_coder *c, const void *what)
{
    struct sent s = *(const struct sent *)what;
    uint8_t tag = RECORD_SENT, csum = s.p->csum;
    uint16_t gso = s.p->gso_size;
    uint32_t len = s.p->len;
    uint64_t digest = htole64(record_digest(s.bytes, len));
    (void)rec;
    code_fixed(c, &tag, 1);
    code_u32(c, &s.ifindex);
    code_int(c, &s.result);
    code_u32(c, &len);
    code_u16(c, &gso);
    code_u8(c, &csum);
    code_fixed(c, &digest, sizeof(digest));
    uint8_t head[RECORD_FRAME_HEAD];
    size_t n = len < sizeof(head) ? len : sizeof(head);
    memcpy(head, s.bytes, n);
    code_fixed(c, head, n);
}

static void sent(void *ctx, uint32_t ifindex, const struct pkt *p, int result)
{
    struct recorder *rec = ctx;
    struct sent s = {.ifindex = ifindex, .p = p, .result = result};
    s.bytes = record_linear(p, &rec->frame, &rec->frame_cap);
    if (s.bytes == NULL) {
        rec->log.err = -ENOMEM;
        end(rec, RECORD_DISK);
        return;
    }
    if (record(rec, fill_sent, &s))
        rec->out += result == 0;
}

struct outcome {
    int64_t result;
    uint64_t answer;
};

static void fill_result(struct recorder *rec, struct record_coder *c, const void *what)
{
    struct outcome o = *(const struct outcome *)what;
    uint8_t tag = RECORD_RESULT;
    (void)rec;
    code_fixed(c, &tag, 1);
    code_i64(c, &o.result);
    code_u64(c, &o.answer);
}

/* Of what a sendmsg offered so much was taken. */
static void cut_data(struct recorder *rec, int64_t result)
{
    uint32_t offered, taken = result > 0 ? (uint32_t)result : 0, le;
    uint8_t *record = rec->sendmsg, *len = record + rec->sendmsg_data;
    rec->sendmsg = NULL;
    memcpy(&offered, len, sizeof(offered));
    offered = le32toh(offered);
    if (taken >= offered)
        return;
    le = htole32(taken);
    memset(record, 0, sizeof(le)); /* it isn't there until it is whole again */
    memcpy(len, &le, sizeof(le));
    rec->log.at = record;
    record_log_put(&rec->log, rec->sendmsg_data + sizeof(le) + taken - RECORD_FRAME);
}

static void after(void *ctx, const struct td_call *call, int64_t result)
{
    struct recorder *rec = ctx;
    struct outcome o = {result, record_answer(call, result, rec->answer_room)};
    if (rec->sendmsg != NULL)
        cut_data(rec, result);
    if (o.result != 0 || o.answer != 0)
        (void)record(rec, fill_result, &o);
    if (call->kind == TD_CALL_TIME && call->u.time.ifindex == 0 && rec->hooks.wall != NULL)
        (void)record(
            rec, fill_note,
            &(struct note){.tag = RECORD_WALL, .wall = rec->hooks.wall(rec->hooks.ctx, call->now)});
}

/* ---- its life ---- */

void recorder_init(struct recorder *rec, struct td_stack *st, const struct td_stack_config *config,
                   const char *name, const char *version, uint64_t keep)
{
    *rec = (struct recorder){.st = st, .last = config->now};
    struct record_head *h = &rec->head;
    memcpy(h->seed, config->seed, sizeof(h->seed));
    h->now = config->now;
    h->memory_limit = config->memory_limit;
    h->profile = (uint8_t)config->profile;
    h->allow_faults = config->allow_faults;
    snprintf(h->name, sizeof(h->name), "%s", name);
    snprintf(h->version, sizeof(h->version), "%s", version);
    static const char here = 0;
    h->build_id_len = record_build_id(&here, h->build_id);
    record_log_keep(&rec->log, keep);
    if (keep == 0) {
        rec->why = RECORD_KEEP;
        return;
    }
    rec->attached = true;
    td_stack_before(st, before, rec);
    td_stack_record(st, after, rec);
    td_stack_sent(st, sent, rec);
}

void recorder_set_hooks(struct recorder *rec, const struct recorder_hooks *hooks)
{
    rec->hooks = *hooks;
}

bool recorder_start(struct recorder *rec, const char *path, uint64_t size, uint32_t files,
                    char *msg, size_t msg_size)
{
    if (getrandom(rec->head.id, sizeof(rec->head.id), 0) != (ssize_t)sizeof(rec->head.id)) {
        snprintf(msg, msg_size, "the system gives no entropy: %s", strerror(errno));
        return false;
    }
    if (rec->hooks.wall != NULL)
        rec->head.wall = rec->hooks.wall(rec->hooks.ctx, rec->head.now);
    rec->sendmsg = NULL;
    if (record_log_file(&rec->log, path, size, files, &rec->head, msg, msg_size) != 0)
        return false;
    rec->filed = true;
    return true;
}

void recorder_stop(struct recorder *rec)
{
    end(rec, RECORD_ASKED);
}

void recorder_done(struct recorder *rec)
{
    end(rec, RECORD_ASKED);
    record_log_done(&rec->log);
    record_room_done(&rec->room);
    free(rec->frame);
    rec->frame = NULL;
    rec->frame_cap = 0;
}

void recorder_why(enum record_why why, int err, char *dst, size_t size)
{
    static const char *const words[RECORD_WHYS] = {
        [RECORD_RUNS] = "it goes on",
        [RECORD_ASKED] = "it was stopped",
        [RECORD_BOUND] = "its files are full",
        [RECORD_STRANGE] = "a call came that can't be recorded",
        [RECORD_KEEP] = "more had happened than is kept in memory",
    };
    if (why == RECORD_DISK && err == 0) /* a file doesn't tell */
        snprintf(dst, size, "no more could be written");
    else if (why == RECORD_DISK)
        snprintf(dst, size, "no more could be written: %s", strerror(-err));
    else
        snprintf(dst, size, "%s",
                 (unsigned)why < RECORD_WHYS ? words[why] : "for a reason unknown here");
}
