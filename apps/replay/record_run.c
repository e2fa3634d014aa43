/* replay/record_run.c: the calls of a recording, issued again: see record_run.h. */
#include "replay/record_run.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/control.h"
#include "core/stack.h"

#define TIME_MOST (TD_NEVER / 4) /* a century and more */
#define TRIAL     10             /* seconds that a last call may take */

struct record_device {
    struct record_device *next;
    struct record_run *run;
    uint32_t ifindex;
};

static void say(struct record_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "call 17 (input, 2.503 s): " and what is wrong; the first of a call counts. */
static void say(struct record_run *run, const char *fmt, ...)
{
    td_time at = run->at - run->file.head.now;
    if (run->differs)
        return;
    run->differs = true;
    int n = snprintf(run->msg, run->msg_size,
                     "call %" PRIu64 " (%s, %" PRIu64 ".%06" PRIu64 " s): ", run->calls,
                     td_call_name(run->kind), at / TD_SEC, at % TD_SEC / TD_US);
    if (n < 0 || (size_t)n >= run->msg_size)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(run->msg + n, run->msg_size - (size_t)n, fmt, ap);
    va_end(ap);
}

/* ---- frames that leave ---- */

struct sent { /* a SENT record */
    uint32_t ifindex, len;
    int result;
    uint16_t gso;
    uint8_t csum;
    uint64_t digest;
    uint8_t head[RECORD_FRAME_HEAD];
    size_t head_len;
};

static bool read_sent(const uint8_t *body, size_t len, struct record_room *room, struct sent *s)
{
    struct record_coder c = record_reader(body + 1, len - 1, room);
    memset(s, 0, sizeof(*s));
    code_u32(&c, &s->ifindex);
    code_int(&c, &s->result);
    code_u32(&c, &s->len);
    code_u16(&c, &s->gso);
    code_u8(&c, &s->csum);
    code_fixed(&c, &s->digest, sizeof(s->digest));
    s->digest = le64toh(s->digest);
    s->head_len = s->len < RECORD_FRAME_HEAD ? s->len : RECORD_FRAME_HEAD;
    code_fixed(&c, s->head, s->head_len);
    return code_ok(&c) && c.at == c.end;
}

static const char *name_of(const struct record_run *run, uint32_t ifindex)
{
    const char *name = run->st->ifname != NULL ? run->st->ifname(run->st, ifindex) : NULL;
    return name != NULL ? name : "an interface";
}

static void compare_frame(struct record_run *run, uint32_t ifindex, const struct pkt *p,
                          const uint8_t *bytes, const struct sent *s)
{
    size_t at = 0, most = s->head_len < p->len ? s->head_len : p->len;
    if (ifindex != s->ifindex || p->len != s->len) {
        say(run, "a frame of %u bytes left by %s; recorded were %u bytes by %s", p->len,
            name_of(run, ifindex), s->len, name_of(run, s->ifindex));
        return;
    }
    if (record_digest(bytes, p->len) == s->digest && p->gso_size == s->gso && p->csum == s->csum)
        return;
    while (at < most && bytes[at] == s->head[at])
        at++;
    if (at < most)
        say(run, "of the frame of %u bytes that left by %s, byte %zu is %02x; recorded was %02x",
            p->len, name_of(run, ifindex), at, bytes[at], s->head[at]);
    else
        say(run, "the frame of %u bytes that left by %s has another %s than was recorded", p->len,
            name_of(run, ifindex),
            p->gso_size == s->gso && p->csum == s->csum ? "payload"
                                                        : "segment size or state of its checksum");
}

static int device_transmit(void *dev, const struct pkt *p)
{
    struct record_device *d = dev;
    struct record_run *run = d->run;
    const uint8_t *body, *bytes = record_linear(p, &run->frame, &run->frame_cap);
    struct sent s = {0};
    size_t len;
    if (bytes == NULL) {
        say(run, "there is no memory to look at a frame of %u bytes", p->len);
        return 0;
    }
    uint8_t tag = record_file_tag(&run->file, &run->file.place);
    if (tag == RECORD_SENT && record_file_next(&run->file, &body, &len) == RECORD_GOT &&
        read_sent(body, len, &run->room, &s))
        compare_frame(run, d->ifindex, p, bytes, &s);
    else if (tag == RECORD_SENT || tag != 0)
        say(run, "a frame of %u bytes left by %s, which wasn't recorded", p->len,
            name_of(run, d->ifindex));
    /* Where the recording breaks off nobody knows what the device said. */
    if (s.result == 0) {
        run->out++;
        if (run->hooks.frame != NULL)
            run->hooks.frame(run->hooks.ctx, true, d->ifindex, bytes, p->len);
    }
    return s.result;
}

static const struct td_device_ops device_ops = {.transmit = device_transmit};

/* ---- what a call needs that isn't in the file ---- */

static const char *organ_kind(enum td_organ_kind kind)
{
    static const char *const names[TD_ORGAN_KINDS] = {[TD_ORGAN_REASSEMBLY] = "reassembly",
                                                      [TD_ORGAN_LOSS] = "loss detection",
                                                      [TD_ORGAN_CC] = "congestion control",
                                                      [TD_ORGAN_RTO] = "retransmission time-out"};
    return (unsigned)kind < TD_ORGAN_KINDS ? names[kind] : "?";
}

static void hex(const uint8_t *b, size_t n, char *dst, size_t size)
{
    snprintf(dst, size, "none");
    for (size_t i = 0; i < n && 2 * i + 3 <= size; i++)
        snprintf(dst + 2 * i, size - 2 * i, "%02x", b[i]);
}

/* False: the sentence says which is missing. */
static bool find_organ(struct record_run *run, struct td_call *call)
{
    char had[2 * RECORD_BUILD_ID + 1], have[2 * RECORD_BUILD_ID + 1];
    uint8_t id[RECORD_BUILD_ID];
    hex(run->room.build_id, run->room.build_id_len, had, sizeof(had));
    for (size_t i = 0; i < run->options.norgans; i++) {
        const struct record_organ *o = &run->options.organs[i];
        if (o->kind != call->u.organ.kind ||
            strcmp(record_organ_name(o->kind, o->ops), run->room.organ) != 0)
            continue;
        uint32_t n = record_build_id(o->ops, id);
        if (n != run->room.build_id_len || memcmp(id, run->room.build_id, n) != 0) {
            hex(id, n, have, sizeof(have));
            say(run,
                "the organ '%s' (%s) that is here has build id %s; recorded was %s: replay needs "
                "that very build",
                run->room.organ, organ_kind(o->kind), have, had);
            return false;
        }
        call->u.organ.ops = o->ops;
        return true;
    }
    say(run, "the recorded run was given an organ '%s' (%s, build id %s), which isn't here",
        run->room.organ, organ_kind(call->u.organ.kind), had);
    return false;
}

static struct record_device *add_device(struct record_run *run)
{
    struct record_device *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->run = run;
    d->next = run->devices;
    run->devices = d;
    return d;
}

/* Fills in what was left out of the file. False: FAILED. */
static bool complete(struct record_run *run, struct td_call *call, struct record_device **device)
{
    *device = NULL;
    if (call->kind == TD_CALL_ORGAN_ADD)
        return find_organ(run, call);
    if (call->kind == TD_CALL_IF_ADD && run->room.has_device) {
        *device = add_device(run);
        run->room.config.ops = &device_ops;
        run->room.config.dev = *device;
        if (*device == NULL)
            say(run, "there is no memory for an interface");
        return *device != NULL;
    }
    /* A daemon is at hand when a timer is due, or was stopped for a while. This much at once is a
     * made-up file, and would fire every timer of all that time. */
    td_time due = wheel_next(&run->st->wheel);
    if (call->kind == TD_CALL_TICK && due != TD_NEVER && call->now > due &&
        call->now - due > run->options.patience) {
        say(run,
            "timers have been due for %" PRIu64 " s: no daemon waits so long; the file is damaged",
            (call->now - due) / TD_SEC);
        return false;
    }
    return true;
}

/* ---- the last call ---- */

/* Is there no record of another call, or an end, behind this place? */
static bool is_last(const struct record_run *run)
{
    struct record_place at = run->file.place;
    uint8_t tag;
    while ((tag = record_file_tag(&run->file, &at)) == RECORD_SENT)
        if (!record_file_skip(&run->file, &at))
            return true;
    return tag == 0;
}

/* Does it in a child. False: that ends the program, and run->signal says how. */
static bool survives(struct record_run *run, const struct td_call *call)
{
    int how = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return true; /* then it is done here */
    if (pid == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
        for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
            signal(deadly[i], SIG_DFL);
        sigset_t set;
        sigemptyset(&set);
        sigprocmask(SIG_SETMASK, &set, NULL);
        alarm(TRIAL);
        (void)td_stack_replay(run->st, call);
        _exit(0);
    }
    while (waitpid(pid, &how, 0) < 0)
        if (errno != EINTR)
            return true;
    if (WIFSIGNALED(how))
        run->signal = WTERMSIG(how);
    else if (WEXITSTATUS(how) != 0)
        run->signal = -1;
    return run->signal == 0;
}

static bool try_last(struct record_run *run, const struct td_call *call)
{
    if (run->options.alone || !is_last(run) || survives(run, call))
        return true;
    if (run->signal == SIGALRM)
        say(run,
            "here the recording ends, in this very call; done again, it doesn't come to an end "
            "within %d s",
            TRIAL);
    else if (run->signal > 0)
        say(run,
            "here the recording ends, in this very call; done again, it ends the program by signal "
            "%d (%s)",
            run->signal, strsignal(run->signal));
    else
        say(run, "here the recording ends, in this very call; done again, it ends the program");
    run->status = EXIT_FAILED;
    return false;
}

/* ---- a call ---- */

/* What the call gave back when it was recorded; false: the recording breaks off before that. */
static bool recorded_result(struct record_run *run, int64_t *result, uint64_t *answer)
{
    const uint8_t *body;
    size_t len;
    unsigned missing = 0;
    uint8_t tag;
    *result = 0;
    *answer = 0;
    while ((tag = record_file_tag(&run->file, &run->file.place)) == RECORD_SENT) {
        struct sent s;
        if (record_file_next(&run->file, &body, &len) != RECORD_GOT ||
            !read_sent(body, len, &run->room, &s))
            return false;
        if (missing++ == 0)
            say(run, "a frame of %u bytes didn't leave by %s, which was recorded", s.len,
                name_of(run, s.ifindex));
    }
    if (tag == 0)
        return false;
    if (tag != RECORD_RESULT)
        return true;
    if (record_file_next(&run->file, &body, &len) != RECORD_GOT)
        return false;
    struct record_coder c = record_reader(body + 1, len - 1, &run->room);
    code_i64(&c, result);
    code_u64(&c, answer);
    return code_ok(&c);
}

static void compare_result(struct record_run *run, const struct td_call *call, int64_t result,
                           size_t room)
{
    int64_t was;
    uint64_t answered;
    if (!recorded_result(run, &was, &answered))
        return;
    if (result != was)
        say(run, "it gave %" PRId64 "%s%s%s; recorded was %" PRId64 "%s%s%s", result,
            result < 0 ? " (" : "", result < 0 ? strerror((int)-result) : "", result < 0 ? ")" : "",
            was, was < 0 ? " (" : "", was < 0 ? strerror((int)-was) : "", was < 0 ? ")" : "");
    else if (record_answer(call, result, room) != answered)
        say(run, "it gave %" PRId64 " as was recorded, but not the same bytes or names with it",
            result);
}

static enum record_step fail(struct record_run *run)
{
    if (run->status == 0)
        run->status = EXIT_USAGE;
    return RECORD_STEP_FAILED;
}

static enum record_step do_call(struct record_run *run, struct td_call *call, uint64_t used)
{
    struct mem *mem = td_stack_mem(run->st);
    struct record_device *device;
    if (!complete(run, call, &device) || !try_last(run, call))
        return fail(run);
    if (call->kind == TD_CALL_INPUT) {
        run->in++;
        if (run->hooks.frame != NULL)
            run->hooks.frame(run->hooks.ctx, false, call->u.input.ifindex, call->u.input.bytes,
                             call->u.input.bytes != NULL ? call->u.input.len : 0);
    }
    /* As much memory is in use as was then: packets that its devices held are part of that. */
    uint64_t more = run->file.head.memory_limit != 0 ? used - mem->used : 0;
    mem->used += more;
    size_t room = record_answer_room(call);
    int64_t result = td_stack_replay(run->st, call);
    mem->used -= more;
    if (device != NULL && result == 0)
        device->ifindex = *call->u.if_add.ifindex;
    compare_result(run, call, result, room);
    return run->differs ? RECORD_STEP_DIFFERS : RECORD_STEP_CALL;
}

static enum record_step next_call(struct record_run *run, const uint8_t *body, size_t len)
{
    struct td_call call = {0};
    struct record_coder c = record_reader(body + 1, len - 1, &run->room);
    int64_t later = 0;
    uint64_t used = 0;
    run->calls++;
    run->kind = TD_CALL_KINDS;
    if (!record_kind_of(body[0], &call.kind)) {
        say(run, "there is no kind %u of calls: the file is damaged", body[0]);
        return fail(run);
    }
    run->kind = call.kind;
    code_i64(&c, &later);
    if (run->file.head.memory_limit != 0)
        code_u64(&c, &used);
    code_call(&c, &call);
    run->at = call.now = run->at + (td_time)later;
    if (run->at < run->file.head.now || run->at > TIME_MOST) {
        run->at = run->file.head.now;
        say(run, "its time can't be: the file is damaged");
        return fail(run);
    }
    if (!code_ok(&c) || c.at != c.end) {
        say(run, "its arguments make no sense: the file is damaged");
        return fail(run);
    }
    return do_call(run, &call, used);
}

/* ---- notes ---- */

static bool note(struct record_run *run, const uint8_t *body, size_t len)
{
    struct record_coder c = record_reader(body + 1, len - 1, &run->room);
    const struct record_run_hooks *h = &run->hooks;
    uint32_t number = 0;
    const char *text = NULL;
    int64_t wall = 0;
    if (body[0] == RECORD_WALL) {
        code_i64(&c, &wall);
        c.bad = c.bad || !record_wall_fits(wall);
    } else {
        code_u32(&c, &number);
    }
    if (body[0] == RECORD_END) {
        code_u64(&c, &run->end_calls);
        code_u64(&c, &run->end_in);
        code_u64(&c, &run->end_out);
    } else if (body[0] != RECORD_WALL) {
        code_text(&c, &text);
        c.bad = c.bad || text == NULL;
    }
    if (!code_ok(&c) || c.at != c.end)
        return false;
    if (body[0] == RECORD_APP && h->app != NULL)
        h->app(h->ctx, number, text);
    if (body[0] == RECORD_OWNER && h->owner != NULL)
        h->owner(h->ctx, number, text);
    if (body[0] == RECORD_WALL && h->wall != NULL)
        h->wall(h->ctx, wall);
    if (body[0] == RECORD_END) {
        run->ended = true;
        run->why = number < RECORD_WHYS ? (enum record_why)number : RECORD_WHYS;
    }
    return true;
}

static enum record_step at_end(struct record_run *run, enum record_got got)
{
    if (got == RECORD_DAMAGED) {
        run->kind = TD_CALL_KINDS;
        snprintf(run->msg, run->msg_size,
                 "byte %" PRIu64 " of the recording, behind call %" PRIu64
                 ": what stands there isn't what was written",
                 record_file_at(&run->file), run->calls);
        return fail(run);
    }
    run->broken = !run->ended;
    run->tail = got;
    return RECORD_STEP_END;
}

enum record_step record_run_next(struct record_run *run, char *msg, size_t msg_size)
{
    const uint8_t *body;
    size_t len;
    run->msg = msg;
    run->msg_size = msg_size;
    run->differs = false;
    msg[0] = '\0';
    while (!run->ended) {
        enum record_got got = record_file_next(&run->file, &body, &len);
        if (got != RECORD_GOT)
            return at_end(run, got);
        const struct record_part *in = &run->file.part[run->file.place.part];
        bool other = run->file.place.part != run->part; /* perhaps since a frame of the last call */
        run->part = run->file.place.part;
        if (other && in->before != run->calls) {
            snprintf(msg, msg_size,
                     "file %u of the recording goes on behind call %" PRIu64
                     ", and the files before it end with call %" PRIu64 ": one is cut",
                     run->file.place.part, in->before, run->calls);
            return fail(run);
        }
        if (body[0] < RECORD_SENT)
            return next_call(run, body, len);
        if (body[0] == RECORD_SENT || body[0] == RECORD_RESULT || body[0] > RECORD_END ||
            !note(run, body, len)) {
            snprintf(msg, msg_size,
                     "behind call %" PRIu64
                     " stands a record that has no place there: the file is damaged",
                     run->calls);
            return fail(run);
        }
    }
    return RECORD_STEP_END;
}

/* ---- its life ---- */

static int begin(struct record_run *run, const struct record_run_options *options,
                 const struct record_run_hooks *hooks, char *msg, size_t msg_size)
{
    const struct record_head *h = &run->file.head;
    if (options != NULL)
        run->options = *options;
    run->file.unchecked = run->options.unchecked;
    if (hooks != NULL)
        run->hooks = *hooks;
    if (run->options.memory == 0)
        run->options.memory = RECORD_MEMORY;
    if (run->options.patience == 0)
        run->options.patience = 24 * 3600 * TD_SEC;
    run->msg = msg;
    run->msg_size = msg_size;
    run->at = h->now;
    run->kind = TD_CALL_KINDS;
    struct td_stack_config config = {.now = h->now,
                                     .memory_limit = run->options.memory,
                                     .profile = (enum td_profile)h->profile,
                                     .allow_faults = h->allow_faults};
    if (h->memory_limit != 0 && h->memory_limit < config.memory_limit)
        config.memory_limit = h->memory_limit;
    memcpy(config.seed, h->seed, sizeof(config.seed));
    run->st = td_stack_new(&config);
    if (run->st != NULL)
        return EXIT_DONE;
    snprintf(msg, msg_size, "a stack of %" PRIu64 " bytes can't be made", config.memory_limit);
    return EXIT_USAGE;
}

int record_run_open(struct record_run *run, const char *path,
                    const struct record_run_options *options, const struct record_run_hooks *hooks,
                    char *msg, size_t msg_size)
{
    memset(run, 0, sizeof(*run));
    if (record_file_open(&run->file, path, msg, msg_size) != 0)
        return EXIT_USAGE;
    return begin(run, options, hooks, msg, msg_size);
}

int record_run_bytes(struct record_run *run, const uint8_t *bytes, size_t len,
                     const struct record_run_options *options, const struct record_run_hooks *hooks,
                     char *msg, size_t msg_size)
{
    memset(run, 0, sizeof(*run));
    if (record_file_bytes(&run->file, bytes, len, msg, msg_size) != 0)
        return EXIT_USAGE;
    return begin(run, options, hooks, msg, msg_size);
}

void record_run_close(struct record_run *run)
{
    td_stack_free(run->st);
    while (run->devices != NULL) {
        struct record_device *d = run->devices;
        run->devices = d->next;
        free(d);
    }
    record_room_done(&run->room);
    record_file_close(&run->file);
    free(run->frame);
    memset(run, 0, sizeof(*run));
}

/* ---- what is in it ---- */

static void count_record(struct record_contents *c, const uint8_t *body, size_t len,
                         struct record_room *room)
{
    struct record_coder coder = record_reader(body + 1, len - 1, room);
    enum td_call_kind kind;
    c->records++;
    if (body[0] == RECORD_SENT) {
        uint32_t ifindex;
        int result = -1;
        code_u32(&coder, &ifindex);
        code_int(&coder, &result);
        c->out += result == 0;
    } else if (body[0] == RECORD_END) {
        uint32_t why = 0;
        code_u32(&coder, &why);
        c->ended = true;
        c->why = why < RECORD_WHYS ? (enum record_why)why : RECORD_WHYS;
    } else if (record_kind_of(body[0], &kind)) {
        int64_t later = 0;
        code_i64(&coder, &later);
        c->calls++;
        c->by_kind[kind]++;
        c->in += kind == TD_CALL_INPUT;
        c->last += (td_time)later;
    }
}

void record_contents(struct record_file *f, struct record_contents *c)
{
    const uint8_t *body;
    size_t len;
    struct record_room room = {0};
    memset(c, 0, sizeof(*c));
    c->first = c->last = f->head.now;
    record_file_rewind(f);
    while (!c->ended && (c->tail = record_file_next(f, &body, &len)) == RECORD_GOT)
        count_record(c, body, len, &room);
    if (c->ended)
        c->tail = RECORD_NO_MORE;
    record_file_rewind(f);
}
