/* Record and replay: see tape.h. */
#include "tape.h"
#include "fuzz.h"

#define TAPE_IOVS                                                                                  \
    4 /* pieces of a message that are kept apart: how memory is asked for depends on them */

struct taped {
    struct taped *next;
    struct td_call call;
    int64_t result;
    void *bytes; /* frame, entropy, socket name, option, or the data of a message */
    size_t len;
    size_t niov, iov_len[TAPE_IOVS];
    void *name; /* of a message, or the knob's */
    socklen_t name_len;
    void *control; /* of a message; the knob's value */
    size_t control_len;
};

static void *copy(const void *p, size_t n)
{
    if (p == NULL) {
        return NULL;
    }
    void *q = malloc(n > 0 ? n : 1);
    FUZZ_CHECK(q != NULL);
    memcpy(q, p, n);
    return q;
}

void tape_init(struct tape *t)
{
    t->first = NULL;
    t->end = &t->first;
}

void tape_free(struct tape *t)
{
    while (t->first != NULL) {
        struct taped *e = t->first;
        t->first = e->next;
        free(e->bytes);
        free(e->name);
        free(e->control);
        free(e);
    }
    tape_init(t);
}

static void keep(struct taped *e, const void *bytes, size_t n)
{
    e->bytes = copy(bytes, n);
    e->len = n;
}

static void keep_message(struct taped *e, const struct msghdr *m)
{
    FUZZ_CHECK(m->msg_iovlen <= TAPE_IOVS);
    e->niov = m->msg_iovlen;
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        e->iov_len[i] = m->msg_iov[i].iov_len;
        e->len += m->msg_iov[i].iov_len;
    }
    uint8_t *at = e->bytes = malloc(e->len > 0 ? e->len : 1);
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        if (m->msg_iov[i].iov_len > 0) {
            memcpy(at, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
            at += m->msg_iov[i].iov_len;
        }
    }
}

void tape_record(void *ctx, const struct td_call *call, int64_t result)
{
    struct tape *t = ctx;
    struct taped *e = calloc(1, sizeof *e);
    FUZZ_CHECK(e != NULL);
    e->call = *call;
    e->result = result;
    *t->end = e;
    t->end = &e->next;
    switch (call->kind) {
    case TD_CALL_INPUT:
        keep(e, call->u.input.bytes, call->u.input.len);
        break;
    case TD_CALL_ENTROPY:
        keep(e, call->u.entropy.bytes, call->u.entropy.len);
        break;
    case TD_CALL_IF_ADD:
        keep(e, call->u.if_add.config, sizeof *call->u.if_add.config);
        break;
    case TD_CALL_IF_QDISC:
        keep(e, call->u.iface.qdisc, sizeof *call->u.iface.qdisc);
        break;
    case TD_CALL_IF_IMPAIR:
        keep(e, call->u.iface.rule, sizeof *call->u.iface.rule);
        break;
    case TD_CALL_ADDR_ADD:
    case TD_CALL_ADDR_DEL:
        keep(e, call->u.addr.a, sizeof *call->u.addr.a);
        break;
    case TD_CALL_LINK_ADD:
        keep(e, call->u.link.config, sizeof *call->u.link.config);
        break;
    case TD_CALL_BRIDGE_SET:
        keep(e, call->u.link.bridge, sizeof *call->u.link.bridge);
        break;
    case TD_CALL_ROUTE_ADD:
    case TD_CALL_ROUTE_DEL:
        keep(e, call->u.route.r, sizeof *call->u.route.r);
        break;
    case TD_CALL_ROUTE_CHANGE:
        keep(e, call->u.change.list, sizeof *call->u.change.list);
        e->name = copy(call->u.change.list->change,
                       call->u.change.list->n * sizeof *call->u.change.list->change);
        e->control = copy(call->u.change.list->path,
                          call->u.change.list->npaths * sizeof *call->u.change.list->path);
        break;
    case TD_CALL_KNOB_SET:
        e->name = copy(call->u.knob.name, strlen(call->u.knob.name) + 1);
        e->control = copy(call->u.knob.value, strlen(call->u.knob.value) + 1);
        break;
    case TD_CALL_TCP_PIN:
        keep(e, call->u.pin, sizeof *call->u.pin);
        break;
    case TD_CALL_NF_RESTORE:
    case TD_CALL_NF_FORGET:
        e->name = copy(call->u.nf.text, strlen(call->u.nf.text) + 1);
        break;
    case TD_CALL_SEND_DATAGRAM:
        e->name = copy(call->u.send.datagram, sizeof *call->u.send.datagram);
        keep(e, call->u.send.bytes, call->u.send.len);
        break;
    case TD_CALL_SEND_FRAME:
        keep(e, call->u.send.bytes, call->u.send.len);
        break;
    case TD_CALL_BIND:
    case TD_CALL_CONNECT:
        keep(e, call->u.sock.sa, call->u.sock.len);
        break;
    case TD_CALL_SENDMSG:
        keep_message(e, call->u.msg.out);
        e->name_len = call->u.msg.out->msg_namelen;
        e->name = copy(call->u.msg.out->msg_name, e->name_len);
        e->control_len = call->u.msg.out->msg_controllen;
        e->control = copy(call->u.msg.out->msg_control, e->control_len);
        break;
    case TD_CALL_RECVMSG:
        keep_message(e, call->u.msg.in);
        break;
    case TD_CALL_SETSOCKOPT:
        keep(e, call->u.opt.set, call->u.opt.len);
        break;
    case TD_CALL_GETSOCKOPT:
        keep(e, call->u.opt.get, *call->u.opt.outlen);
        break;
    default:
        break;
    }
}

static void lay_out_message(const struct taped *e, uint8_t *bytes, struct iovec iov[TAPE_IOVS])
{
    for (size_t i = 0; i < e->niov; i++) {
        iov[i] = (struct iovec){bytes, e->iov_len[i]};
        bytes += e->iov_len[i];
    }
}

void tape_replay(const struct tape *t, struct td_stack *st, void *const *devices)
{
    unsigned added = 0;
    for (const struct taped *e = t->first; e != NULL; e = e->next) {
        struct td_call c = e->call;
        struct td_if_config config;
        uint32_t ifindex;
        struct td_change_list changes;
        struct iovec iov[TAPE_IOVS];
        struct msghdr m = {.msg_iov = iov,
                           .msg_iovlen = e->niov,
                           .msg_name = e->name,
                           .msg_namelen = e->name_len,
                           .msg_control = e->control,
                           .msg_controllen = e->control_len};
        socklen_t len = (socklen_t)e->len;
        void *fresh = NULL;
        switch (c.kind) {
        case TD_CALL_INPUT:
            c.u.input.bytes = e->bytes;
            break;
        case TD_CALL_ENTROPY:
            c.u.entropy.bytes = e->bytes;
            break;
        case TD_CALL_IF_ADD:
            memcpy(&config, e->bytes, sizeof config);
            config.dev = devices[added++];
            c.u.if_add.config = &config;
            c.u.if_add.ifindex = &ifindex;
            break;
        case TD_CALL_IF_QDISC:
            c.u.iface.qdisc = e->bytes;
            break;
        case TD_CALL_IF_IMPAIR:
            c.u.iface.rule = e->bytes;
            break;
        case TD_CALL_ADDR_ADD:
        case TD_CALL_ADDR_DEL:
            c.u.addr.a = e->bytes;
            break;
        case TD_CALL_LINK_ADD:
            c.u.link.config = e->bytes;
            c.u.link.out = NULL;
            break;
        case TD_CALL_BRIDGE_SET:
            c.u.link.bridge = e->bytes;
            break;
        case TD_CALL_ROUTE_ADD:
        case TD_CALL_ROUTE_DEL:
            c.u.route.r = e->bytes;
            break;
        case TD_CALL_ROUTE_CHANGE:
            memcpy(&changes, e->bytes, sizeof changes);
            changes.change = e->name;
            changes.path = e->control;
            c.u.change.list = &changes;
            c.u.change.bad = NULL;
            break;
        case TD_CALL_KNOB_SET:
            c.u.knob.name = e->name;
            c.u.knob.value = e->control;
            break;
        case TD_CALL_TCP_PIN:
            c.u.pin = e->bytes;
            break;
        case TD_CALL_NF_RESTORE:
        case TD_CALL_NF_FORGET:
            c.u.nf.text = e->name;
            c.u.nf.msg = NULL;
            c.u.nf.line = NULL;
            break;
        case TD_CALL_SEND_DATAGRAM:
            c.u.send.datagram = e->name;
            c.u.send.bytes = e->bytes;
            break;
        case TD_CALL_SEND_FRAME:
            c.u.send.bytes = e->bytes;
            break;
        case TD_CALL_BIND:
        case TD_CALL_CONNECT:
            c.u.sock.sa = e->bytes;
            break;
        case TD_CALL_ACCEPT:
            c.u.sock.out = NULL;
            c.u.sock.outlen = NULL;
            break;
        case TD_CALL_SENDMSG:
            lay_out_message(e, e->bytes, iov);
            c.u.msg.out = &m;
            break;
        case TD_CALL_RECVMSG:
            fresh = calloc(1, e->len > 0 ? e->len : 1);
            lay_out_message(e, fresh, iov);
            c.u.msg.in = &m;
            break;
        case TD_CALL_SETSOCKOPT:
            c.u.opt.set = e->bytes;
            break;
        case TD_CALL_GETSOCKOPT:
            c.u.opt.get = fresh = calloc(1, e->len > 0 ? e->len : 1);
            c.u.opt.outlen = &len;
            break;
        default:
            break;
        }
        int64_t r = td_stack_replay(st, &c);
        if (r != e->result) {
            fprintf(stderr, "replay: %s gave %lld, was %lld\n", td_call_name(c.kind), (long long)r,
                    (long long)e->result);
        }
        FUZZ_CHECK(r == e->result);
        if (c.kind == TD_CALL_RECVMSG && r > 0) {
            size_t n = (size_t)r < e->len ? (size_t)r : e->len;
            FUZZ_CHECK(memcmp(fresh, e->bytes, n) == 0);
        }
        free(fresh);
    }
}
