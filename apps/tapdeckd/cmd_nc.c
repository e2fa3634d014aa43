/* tapdeckd/cmd_nc.c: `nc`: what a person types goes to a peer, what the peer sends is shown; from
 * the stack.
 *
 * The words, texts and habits are those of netcat-openbsd. A run of nc has one connection at a
 * time. It connects to each port of a range in turn, or listens and takes who comes; then both
 * streams flow until the rule for the end is met: connected   the peer has sent its FIN and the
 * input is over (with -N our FIN follows the input) listening   the peer has sent its FIN; with -k
 * the next one is waited for -q N        N seconds after the end of the input;  -w N  after N
 * seconds in which nothing moved Backpressure is that of the two ends: input waits in the run until
 * the socket takes it (so its client is asked for no more), and nothing is read from the socket
 * while the run's output waits for its client, so that the stack closes the window. At most TURN
 * bytes go each way in a step.
 *
 * Unlike the tool, a connection that fails is told without -v too, except while scanning (-z).
 */
#include "tapdeckd/nc.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define TURN  262144 /* bytes each way in a step */
#define PIECE 16384

static const char *proto_name(const struct nc *c)
{
    return c->udp ? "udp" : "tcp";
}

static void close_socket(struct run *r, int *s)
{
    if (*s >= 0)
        td_close(r->deck->st, *s);
    *s = -1;
}

static void nc_release(struct run *r)
{
    struct nc *c = r->state;
    if (c == NULL)
        return;
    close_socket(r, &c->s);
    close_socket(r, &c->listener);
    free(c);
}

/* ---- sockets ---- */

/* A socket with the options of the words, bound if they ask for it; -errno. */
static int new_socket(struct run *r, td_ip4 addr, uint16_t port)
{
    struct td_stack *st = r->deck->st;
    const struct nc *c = r->state;
    int on = 1, s = td_socket(st, AF_INET, c->udp ? SOCK_DGRAM : SOCK_STREAM, 0), err = 0;
    if (s < 0)
        return s;
    td_setsockopt(st, s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (c->broadcast && c->udp)
        td_setsockopt(st, s, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    if (c->tos >= 0)
        td_setsockopt(st, s, IPPROTO_IP, IP_TOS, &c->tos, sizeof(c->tos));
    if (c->ttl >= 0)
        td_setsockopt(st, s, IPPROTO_IP, IP_TTL, &c->ttl, sizeof(c->ttl));
    if (addr != 0 || port != 0) {
        struct sockaddr_in sa = td_sockaddr(addr, port);
        err = td_bind(st, s, (struct sockaddr *)&sa, sizeof(sa));
    }
    if (err == 0)
        err = td_set_notify(st, s, run_notify, r);
    if (err < 0)
        td_close(st, s);
    return err < 0 ? err : s;
}

/* ---- the two streams ---- */

static void start_talking(struct run *r, td_time now)
{
    struct nc *c = r->state;
    c->stage = NC_TALKING;
    c->moved = now;
    c->quit_at = TD_NEVER;
    c->in_over = c->out_over = false;
    c->input_ended = c->no_input;
    c->received = 0;
    if (!c->no_input)
        run_read(r);
    r->ready = true;
}

/* The network broke the connection: no FIN, an error. */
static void broken(struct run *r, const char *what, int64_t err)
{
    struct nc *c = r->state;
    run_note(r, "nc: %s: %s\n", what, error_text((int)err));
    c->status = EXIT_FAILED;
    c->in_over = c->out_over = c->input_ended = true;
}

/* -C: each line feed gets its carriage return. How many bytes of src it stands for. */
static size_t with_crlf(struct nc *c, const char *src, size_t n, char *dst, size_t room,
                        size_t *len)
{
    size_t i = 0;
    bool cr = c->last_cr;
    for (*len = 0; i < n && *len + 2 <= room; i++) {
        if (src[i] == '\n' && !cr)
            dst[(*len)++] = '\r';
        dst[(*len)++] = src[i];
        cr = src[i] == '\r';
    }
    return i;
}

/* One piece of input to the peer. How much input it took; -errno. */
static int64_t send_piece(struct run *r, size_t at)
{
    struct nc *c = r->state;
    const char *input = r->in.s + at, *from = input;
    size_t avail = r->in.len - at < PIECE ? r->in.len - at : PIECE, n = avail, taken = avail;
    char lines[PIECE];
    if (c->crlf) {
        taken = with_crlf(c, input, avail, lines, sizeof(lines), &n);
        from = lines;
    }
    int64_t sent = td_send(r->deck->st, c->s, from, n, 0);
    if (sent < 0 || !c->crlf)
        return sent;
    bool half = false; /* the CR of an added CRLF went, the LF didn't */
    if ((size_t)sent < n) {
        taken = with_crlf(c, input, avail, lines, (size_t)sent + 1, &n);
        half = n > (size_t)sent;
        taken -= half ? 1 : 0;
    }
    c->last_cr = half || (taken > 0 ? input[taken - 1] == '\r' : c->last_cr);
    return (int64_t)taken;
}

static void send_input(struct run *r, td_time now)
{
    struct nc *c = r->state;
    size_t done = 0;
    while (!c->out_over && done < r->in.len && done < TURN) {
        int64_t n = send_piece(r, done);
        if (n == -EAGAIN)
            break;
        if (n < 0) {
            if (n == -EPIPE)
                c->out_over = true;
            else
                broken(r, "write", n);
            break;
        }
        done += (size_t)n;
        c->moved = now;
    }
    if (c->out_over) { /* nobody takes it any more */
        text_consume(&r->in, r->in.len);
        c->input_ended = true;
    } else if (done > 0) {
        text_consume(&r->in, done);
    }
    if (r->in_eof && r->in.len == 0 && !c->input_ended) {
        c->input_ended = true;
        if (c->half_close && !c->udp && td_shutdown(r->deck->st, c->s, SHUT_WR) == 0)
            c->out_over = true;
    }
    /* Also for later connections of -k, which begin with the input over. */
    if (c->input_ended && c->quit >= 0 && c->quit_at == TD_NEVER)
        c->quit_at = now + (td_time)c->quit * TD_SEC;
}

static void show_output(struct run *r, td_time now)
{
    struct nc *c = r->state;
    char buf[PIECE];
    size_t done = 0;
    while (!c->in_over) {
        if (r->out.len >= RUN_OUT_HIGH || done >= TURN) {
            r->ready = true; /* when there is room again */
            return;
        }
        int64_t n = td_recv(r->deck->st, c->s, buf, sizeof(buf), 0);
        if (n == -EAGAIN)
            return;
        if (n < 0) {
            broken(r, "read", n);
            return;
        }
        if (n == 0 && !c->udp) {
            c->in_over = true;
            return;
        }
        text_add(&r->out, buf, (size_t)n);
        done += (size_t)n + 1;
        c->moved = now;
        if (c->receive > 0 && ++c->received >= c->receive)
            c->in_over = c->input_ended = true;
    }
}

static bool talk_over(const struct run *r, td_time now)
{
    const struct nc *c = r->state;
    if (now >= c->quit_at)
        return true;
    if (c->timeout != 0 && now >= c->moved + c->timeout)
        return true;
    return c->in_over && (c->listen || c->input_ended);
}

/* A UDP listener is one socket for everybody; it talks to the first who speaks, with -k to nobody.
 */
static bool first_datagram(struct run *r)
{
    struct nc *c = r->state;
    td_ip4 from;
    uint16_t port;
    char peek, text[16];
    if (td_recvfrom(r->deck->st, c->s, &peek, 1, MSG_PEEK, &from, &port) < 0)
        return false;
    struct sockaddr_in sa = td_sockaddr(from, port);
    int err = td_connect(r->deck->st, c->s, (struct sockaddr *)&sa, sizeof(sa));
    format_ip4(from, text);
    if (err < 0)
        broken(r, "connect", err);
    else if (c->verbose)
        run_note(r, "Connection received on %s %u\n", text, port);
    return true;
}

/* ---- connecting and scanning ---- */

static bool next_port(struct nc *c)
{
    while (c->range < c->nports) {
        const struct nc_range *p = &c->port[c->range];
        if (c->next >= p->first && c->next <= p->last) {
            c->now_port = (uint16_t)c->next++;
            return true;
        }
        if (++c->range < c->nports)
            c->next = c->port[c->range].first;
    }
    return false;
}

static void scan_row(struct run *r, const char *state)
{
    const struct nc *c = r->state;
    char text[16];
    if (!r->json)
        return;
    format_ip4(c->addr, text);
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "address", text);
    jw_u64(&r->jw, "port", c->now_port);
    jw_str(&r->jw, "protocol", proto_name(c));
    jw_str(&r->jw, "state", state);
    jw_close(&r->jw, '}');
}

/* err -EINPROGRESS: -w has run out. */
static void attempt_failed(struct run *r, int err)
{
    struct nc *c = r->state;
    char text[16];
    format_ip4(c->addr, text);
    close_socket(r, &c->s);
    c->stage = NC_NEXT;
    r->ready = true;
    scan_row(r, err == -ECONNREFUSED                       ? "closed"
                : err == -ETIMEDOUT || err == -EINPROGRESS ? "filtered"
                                                           : "unreachable");
    if (c->verbose || !c->scan)
        run_note(r, "nc: connect to %s port %u (%s) %s: %s\n", text, c->now_port, proto_name(c),
                 err == -EINPROGRESS ? "timed out" : "failed", strerror(-err));
}

static void attempt_succeeded(struct run *r, td_time now)
{
    struct nc *c = r->state;
    char text[16];
    format_ip4(c->addr, text);
    if (c->verbose)
        run_note(r, "Connection to %s %u port [%s/*] succeeded!\n", text, c->now_port,
                 proto_name(c));
    c->status = EXIT_DONE;
    scan_row(r, "open");
    if (!c->scan) {
        start_talking(r, now);
        return;
    }
    close_socket(r, &c->s);
    c->stage = NC_NEXT;
    r->ready = true;
}

static int attempt(struct run *r, td_time now)
{
    struct nc *c = r->state;
    if (!next_port(c)) {
        if (r->json) {
            jw_close(&r->jw, ']');
            run_puts(r, "\n");
        }
        return c->status;
    }
    struct sockaddr_in sa = td_sockaddr(c->addr, c->now_port);
    c->s = new_socket(r, c->source, c->source_port);
    int err = c->s < 0 ? c->s : td_connect(r->deck->st, c->s, (struct sockaddr *)&sa, sizeof(sa));
    if (c->s < 0 && (err == -EADDRNOTAVAIL || err == -EADDRINUSE || err == -EMFILE))
        return run_fail(r, EXIT_FAILED, "the local end can't be bound: %s",
                        err == -EADDRINUSE ? "the port is in use" : error_text(err));
    c->deadline = c->timeout != 0 ? now + c->timeout : TD_NEVER;
    c->stage = NC_CONNECTING;
    if (err < 0 && err != -EINPROGRESS) {
        attempt_failed(r, err);
    } else if (c->udp && c->scan) {
        c->stage = NC_PROBING;
        c->probes = 0;
        c->deadline = now;
        r->ready = true;
    } else if (c->udp) {
        attempt_succeeded(r, now);
    } else {
        r->ready = true;
    }
    return RUN_MORE;
}

static void connecting(struct run *r, td_time now)
{
    struct nc *c = r->state;
    int mask = td_poll(r->deck->st, c->s), err = 0;
    socklen_t len = sizeof(err);
    if (mask & (POLLERR | POLLHUP | POLLOUT)) {
        td_getsockopt(r->deck->st, c->s, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err != 0)
            attempt_failed(r, -err);
        else
            attempt_succeeded(r, now);
    } else if (now >= c->deadline) {
        attempt_failed(r, -EINPROGRESS);
    }
}

/* UDP has no handshake: two datagrams, a second apart at most, and silence is called success. */
static void probing(struct run *r, td_time now)
{
    struct nc *c = r->state;
    int err = 0;
    socklen_t len = sizeof(err);
    td_getsockopt(r->deck->st, c->s, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err == 0 && now >= c->deadline) {
        if (c->probes == 2) {
            attempt_succeeded(r, now);
            return;
        }
        int64_t n = td_send(r->deck->st, c->s, "X", 1, 0);
        err = n < 0 && n != -EAGAIN ? (int)-n : 0;
        c->probes++;
        c->deadline = now + (c->timeout != 0 && c->timeout < TD_SEC ? c->timeout : TD_SEC) / 2;
    }
    if (err != 0)
        attempt_failed(r, -err);
}

/* ---- listening ---- */

static int start_listening(struct run *r, td_time now)
{
    struct nc *c = r->state;
    char text[16];
    format_ip4(c->source, text);
    int s = new_socket(r, c->source, c->now_port);
    int err = s < 0 || c->udp ? s : td_listen(r->deck->st, s, 16);
    if (err < 0) {
        close_socket(r, &s);
        return run_fail(r, EXIT_FAILED, "can't listen on %s port %u (%s): %s", text, c->now_port,
                        proto_name(c), err == -EADDRINUSE ? "the port is in use" : error_text(err));
    }
    if (c->verbose)
        run_note(r, "%s on %s %u\n", c->udp ? "Bound" : "Listening", text, c->now_port);
    c->stage = NC_LISTENING;
    if (!c->udp) {
        c->listener = s;
        return RUN_MORE;
    }
    c->s = s;
    if (c->keep) { /* receives from all, so there is nobody to send to */
        c->no_input = true;
        start_talking(r, now);
    }
    return RUN_MORE;
}

static void listening(struct run *r, td_time now)
{
    struct nc *c = r->state;
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    char text[16];
    if (c->udp) {
        if (first_datagram(r))
            start_talking(r, now);
        return;
    }
    int s = td_accept(r->deck->st, c->listener, (struct sockaddr *)&sa, &len);
    if (s < 0)
        return;
    format_ip4(ntohl(sa.sin_addr.s_addr), text);
    if (c->verbose)
        run_note(r, "Connection received on %s %u\n", text, ntohs(sa.sin_port));
    c->s = s;
    td_set_notify(r->deck->st, s, run_notify, r);
    if (!c->keep)
        close_socket(r, &c->listener);
    start_talking(r, now);
}

/* ---- the run ---- */

/* The connection is over. */
static int hang_up(struct run *r)
{
    struct nc *c = r->state;
    int status = c->status;
    close_socket(r, &c->s);
    if (c->listen && !c->keep)
        return status;
    c->stage = c->listen ? NC_LISTENING : NC_NEXT;
    c->status = c->listen ? EXIT_DONE : status;
    r->ready = true;
    return RUN_MORE;
}

static int talking(struct run *r, td_time now)
{
    send_input(r, now);
    show_output(r, now);
    return talk_over(r, now) ? hang_up(r) : RUN_MORE;
}

static td_time next_wake(const struct nc *c, td_time now)
{
    td_time at = now + RUN_PATIENCE, idle = c->timeout != 0 ? c->moved + c->timeout : TD_NEVER;
    if (c->stage == NC_CONNECTING || c->stage == NC_PROBING)
        at = c->deadline < at ? c->deadline : at;
    if (c->stage == NC_TALKING) {
        at = c->quit_at < at ? c->quit_at : at;
        at = idle < at ? idle : at;
    }
    return at;
}

static int nc_step(struct run *r, td_time now)
{
    struct nc *c = r->state;
    int status = RUN_MORE;
    switch (c->stage) {
    case NC_NEXT:
        status = attempt(r, now);
        break;
    case NC_CONNECTING:
        connecting(r, now);
        break;
    case NC_PROBING:
        probing(r, now);
        break;
    case NC_LISTENING:
        listening(r, now);
        break;
    case NC_TALKING:
        status = talking(r, now);
        break;
    }
    r->wake = next_wake(c, now);
    return status;
}

static int nc_interrupt(struct run *r)
{
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_FAILED;
}

static int nc_main(struct run *r)
{
    struct nc *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *c =
        (struct nc){.listener = -1, .s = -1, .quit = -1, .tos = -1, .ttl = -1, .quit_at = TD_NEVER};
    r->state = c;
    r->release = nc_release;
    int status = nc_words(r, c);
    if (status != EXIT_DONE)
        return status;
    r->step = nc_step;
    r->interrupt = nc_interrupt;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    r->ready = true;
    c->status = c->listen ? EXIT_DONE : EXIT_FAILED; /* until one port of those asked for answers */
    return c->listen ? start_listening(r, deck_now(r->deck)) : RUN_MORE;
}

const struct command command_nc = {
    .name = "nc",
    .usage = "nc [-bCdNnuv] [-M TTL] [-p PORT] [-q SECONDS] [-s ADDR] [-T TOS] [-W N] [-w SECONDS] "
             "ADDR PORT...\n"
             "nc -z [-nuvj] [-s ADDR] [-w SECONDS] ADDR PORT...\n"
             "nc -l [-CdkNnuv] [-q SECONDS] [-w SECONDS] [-W N] [-s ADDR] [ADDR] PORT",
    .doc = "connects or listens, and carries what you type and what comes (netcat)",
    .more =
        "What is read from standard input goes to the peer, what the peer sends goes to standard "
        "output, byte for\n"
        "byte. A connection ends when both sides have: -N sends a FIN at the end of the input, -q "
        "SECONDS leaves so\n"
        "long after it, -w SECONDS when nothing has moved for so long (and bounds connecting). -k "
        "takes one\n"
        "connection after another; -z only looks which ports answer (20-25 is a range; with -u "
        "silence counts as\n"
        "success); -v says what happens; -C sends CRLF; -d reads no input; -W N leaves after N "
        "pieces received.\n"
        "Exit status 0: it was connected; 1: it couldn't be, or was reset.\n"
        "Examples:\n  nc 10.0.0.1 80\n  nc -N 10.0.0.1 7 < request > answer\n  nc -l 5000 > file\n"
        "  nc -zv 10.0.0.1 20-25 80\n  nc -u -w 1 10.0.0.1 13",
    .fn = nc_main,
};
