/* tapdeckd/cmd_get.c: `get URL`: a file over HTTP/1.1, from the stack.
 *
 * One request a connection, with curl's words. What the bytes of the answer mean, get/answer.c
 * says; here is the socket's side: connect, send, read as fast as the reader takes the body, follow
 * redirects (-L), keep the time (-m). -v tells what happened as it happens, on standard error, and
 * at the end what TCP did, with the number under which `why` tells all of it.
 *
 * -o is the client's: it writes the file where the person is, and takes the word out of the
 * request.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/args.h"
#include "get/answer.h"
#include "get/url.h"
#include "get/words.h"

#define TURN          262144 /* bytes read in a step */
#define PIECE         16384
#define FIELDS_MAX    16 /* of -H */
#define REDIRECTS_MAX 10

struct get {
    bool include, head_only, follow, verbose, fail;
    const char *field[FIELDS_MAX]; /* -H: words of the run */
    unsigned nfields;
    const char *range;
    td_time limit; /* -m; 0 = none */
    struct url url;
    struct answer answer;
    struct text request;
    size_t sent;
    int s;
    bool connected;
    unsigned redirects;
    td_time started, attempt, connected_at, first_byte, ended;
    struct sha256_ctx sum; /* of the body, for JSON */
    struct tcp_info info;
};

static void get_release(struct run *r)
{
    struct get *g = r->state;
    if (g == NULL)
        return;
    if (g->s >= 0)
        td_close(r->deck->st, g->s);
    answer_free(&g->answer);
    text_free(&g->request);
    free(g);
}

/* ---- telling ---- */

static void tell(const struct get *g, struct run *r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void tell(const struct get *g, struct run *r, const char *fmt, ...)
{
    va_list ap;
    if (!g->verbose)
        return;
    text_puts(&r->notes, "* ");
    va_start(ap, fmt);
    text_vprintf(&r->notes, fmt, ap);
    va_end(ap);
    text_puts(&r->notes, "\n");
}

/* Each line of a head behind "> " or "< ". */
static void tell_lines(const struct get *g, struct run *r, char sign, const struct text *t)
{
    for (size_t at = 0; g->verbose && at < t->len;) {
        const char *lf = memchr(t->s + at, '\n', t->len - at);
        size_t n = lf != NULL ? (size_t)(lf - t->s) - at : t->len - at;
        size_t shown = n > 0 && t->s[at + n - 1] == '\r' ? n - 1 : n;
        run_note(r, "%c ", sign);
        for (size_t i = at; i < at + shown; i++) /* nothing a terminal would obey */
            run_note(r, "%c", t->s[i] >= 0x20 && t->s[i] < 0x7f ? t->s[i] : '?');
        run_note(r, "\n");
        at += n + 1;
    }
}

static void tell_tcp(const struct get *g, struct run *r)
{
    const struct tcp_info *i = &g->info;
    char addr[16];
    format_ip4(g->url.addr, addr);
    tell(g, r, "TCP: round trip %u.%03u ms (+- %u.%03u), mss %u, path MTU %u, window %u segments",
         i->tcpi_rtt / 1000, i->tcpi_rtt % 1000, i->tcpi_rttvar / 1000, i->tcpi_rttvar % 1000,
         i->tcpi_snd_mss, i->tcpi_pmtu, i->tcpi_snd_cwnd);
    tell(g, r, "TCP: %u segments out, %u in, %u retransmitted; %llu bytes received",
         i->tcpi_segs_out, i->tcpi_segs_in, i->tcpi_total_retrans,
         (unsigned long long)i->tcpi_bytes_received);
    tell(g, r, "connection %u to %s is closed: `why %u` tells what happened in it",
         td_socket_id(r->deck->st, g->s), addr, td_socket_id(r->deck->st, g->s));
}

static void hang_up(struct run *r, struct get *g)
{
    socklen_t len = sizeof(g->info);
    if (g->s < 0)
        return;
    td_getsockopt(r->deck->st, g->s, IPPROTO_TCP, TCP_INFO, &g->info, &len);
    if (g->connected)
        tell_tcp(g, r);
    td_close(r->deck->st, g->s);
    g->s = -1;
}

static void json_answer(struct run *r, struct get *g)
{
    struct slice name, value;
    struct answer *a = &g->answer;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[2 * SHA256_DIGEST_SIZE + 1], word[256], url[URL_MAX + 64];
    snprintf(url, sizeof(url), "http://%s%s", g->url.host, g->url.target);
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "url", url);
    jw_i64(&r->jw, "status", a->status);
    jw_str(&r->jw, "reason", a->reason);
    jw_u64(&r->jw, "redirects", g->redirects);
    jw_open(&r->jw, "headers", '[');
    for (size_t at = 0; answer_field(a, &at, &name, &value);) {
        jw_open(&r->jw, NULL, '{');
        snprintf(word, sizeof(word), "%.*s", (int)name.n, name.p);
        jw_str(&r->jw, "name", word);
        text_puts(r->jw.t, ",\"value\":\"");
        text_json(r->jw.t, value.p, value.n);
        text_puts(r->jw.t, "\"");
        jw_close(&r->jw, '}');
    }
    jw_close(&r->jw, ']');
    sha256_digest(&g->sum, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    jw_u64(&r->jw, "body_bytes", a->body);
    jw_str(&r->jw, "body_sha256", hex);
    jw_open(&r->jw, "time_ms", '{');
    jw_ms(&r->jw, "connect", g->connected_at - g->attempt);
    jw_ms(&r->jw, "first_byte", g->first_byte - g->attempt);
    jw_ms(&r->jw, "total", g->ended - g->started);
    jw_close(&r->jw, '}');
    jw_open(&r->jw, "tcp", '{');
    jw_ms(&r->jw, "rtt_ms", (uint64_t)g->info.tcpi_rtt * TD_US);
    jw_u64(&r->jw, "mss", g->info.tcpi_snd_mss);
    jw_u64(&r->jw, "segs_out", g->info.tcpi_segs_out);
    jw_u64(&r->jw, "segs_in", g->info.tcpi_segs_in);
    jw_u64(&r->jw, "retransmits", g->info.tcpi_total_retrans);
    jw_close(&r->jw, '}');
    jw_close(&r->jw, '}');
    run_puts(r, "\n");
}

/* ---- one exchange ---- */

static bool has_field(const struct get *g, const char *name)
{
    size_t n = strlen(name);
    for (unsigned i = 0; i < g->nfields; i++)
        if (strncasecmp(g->field[i], name, n) == 0 && g->field[i][n] == ':')
            return true;
    return false;
}

static void write_request(struct run *r, struct get *g)
{
    struct text *t = &g->request;
    text_consume(t, t->len);
    g->sent = 0;
    text_printf(t, "%s %s HTTP/1.1\r\n", g->head_only ? "HEAD" : "GET", g->url.target);
    if (!has_field(g, "Host"))
        text_printf(t, "Host: %s\r\n", g->url.host);
    if (!has_field(g, "User-Agent"))
        text_puts(t, "User-Agent: tapdeck/" TAPDECK_VERSION "\r\n");
    if (!has_field(g, "Accept"))
        text_puts(t, "Accept: */*\r\n");
    if (g->range != NULL)
        text_printf(t, "Range: bytes=%s\r\n", g->range);
    for (unsigned i = 0; i < g->nfields; i++)
        text_printf(t, "%s\r\n", g->field[i]);
    text_puts(t, "Connection: close\r\n\r\n");
    tell_lines(g, r, '>', t);
}

static int begin(struct run *r, td_time now)
{
    struct get *g = r->state;
    struct td_stack *st = r->deck->st;
    struct sockaddr_in sa = td_sockaddr(g->url.addr, g->url.port);
    char addr[16];
    format_ip4(g->url.addr, addr);
    tell(g, r, "connecting to %s port %u", addr, g->url.port);
    answer_free(&g->answer);
    answer_init(&g->answer, g->head_only);
    g->attempt = now;
    g->connected = false;
    g->first_byte = 0;
    sha256_init(&g->sum);
    g->s = td_socket(st, AF_INET, SOCK_STREAM, 0);
    int err = g->s < 0 ? g->s : td_set_notify(st, g->s, run_notify, r);
    if (err == 0)
        err = td_connect(st, g->s, (struct sockaddr *)&sa, sizeof(sa));
    if (err < 0 && err != -EINPROGRESS)
        return run_fail(r, EXIT_FAILED, "no connection to %s port %u: %s", addr, g->url.port,
                        error_text(err));
    r->ready = true;
    return RUN_MORE;
}

/* True: the connection stands (or is broken: *status). */
static bool connection_made(struct run *r, td_time now, int *status)
{
    struct get *g = r->state;
    struct td_stack *st = r->deck->st;
    struct sockaddr_in own = {0};
    int err = 0;
    socklen_t len = sizeof(err), own_len = sizeof(own);
    char addr[16], from[16];
    if ((td_poll(st, g->s) & (POLLOUT | POLLERR | POLLHUP)) == 0)
        return false;
    td_getsockopt(st, g->s, SOL_SOCKET, SO_ERROR, &err, &len);
    format_ip4(g->url.addr, addr);
    if (err != 0) {
        *status = run_fail(r, EXIT_FAILED, "no connection to %s port %u: %s", addr, g->url.port,
                           error_text(err));
        return false;
    }
    td_getsockname(st, g->s, (struct sockaddr *)&own, &own_len);
    format_ip4(ntohl(own.sin_addr.s_addr), from);
    td_time took = now - g->attempt;
    tell(g, r, "connected from %s port %u after %llu.%03llu ms", from, ntohs(own.sin_port),
         (unsigned long long)(took / TD_MS), (unsigned long long)(took / TD_US % 1000));
    g->connected = true;
    g->connected_at = now;
    write_request(r, g);
    return true;
}

static int send_request(struct run *r, struct get *g)
{
    while (g->sent < g->request.len) {
        int64_t n = td_send(r->deck->st, g->s, g->request.s + g->sent, g->request.len - g->sent, 0);
        if (n == -EAGAIN)
            return RUN_MORE;
        if (n < 0)
            return run_fail(r, EXIT_FAILED, "the request can't be sent: %s", error_text((int)n));
        g->sent += (size_t)n;
    }
    return RUN_MORE;
}

static bool redirects(const struct get *g)
{
    int s = g->answer.status;
    return g->follow && g->answer.location[0] != '\0' &&
           (s == 301 || s == 302 || s == 303 || s == 307 || s == 308);
}

/* The head is there: what of it is shown? */
static void head_came(struct run *r, struct get *g)
{
    tell_lines(g, r, '<', &g->answer.head);
    if ((g->include || g->head_only) && !r->json)
        text_add(&r->out, g->answer.head.s, g->answer.head.len);
    if (g->answer.framing == FRAMED_CHUNKED)
        tell(g, r, "the body comes in chunks");
    else if (g->answer.framing == FRAMED_CLOSE)
        tell(g, r, "the body ends where the connection does");
}

/* Takes bytes of the answer. False: it is over, done or bad. */
static bool take(struct run *r, struct get *g, const char *buf, size_t n)
{
    while (n > 0 && g->answer.state < ANSWER_DONE) {
        const char *body;
        size_t len, used;
        bool in_head = g->answer.state == ANSWER_HEAD;
        used = answer_feed(&g->answer, buf, n, &body, &len);
        buf += used;
        n -= used;
        if (in_head && (g->answer.state == ANSWER_BODY || g->answer.state == ANSWER_DONE))
            head_came(r, g);
        if (len > 0) {
            sha256_update(&g->sum, len, (const uint8_t *)body);
            if (!r->json && !redirects(g))
                text_add(&r->out, body, len);
        }
    }
    return g->answer.state < ANSWER_DONE;
}

static int finish(struct run *r, td_time now);

static int read_answer(struct run *r, td_time now)
{
    struct get *g = r->state;
    char buf[PIECE];
    for (size_t done = 0; g->answer.state < ANSWER_DONE;) {
        if (r->out.len + r->notes.len >= RUN_OUT_HIGH || done >= TURN) {
            r->ready = true;
            return RUN_MORE;
        }
        int64_t n = td_recv(r->deck->st, g->s, buf, sizeof(buf), 0);
        if (n == -EAGAIN)
            return RUN_MORE;
        if (n < 0)
            return run_fail(r, EXIT_FAILED,
                            "the connection broke after %" PRIu64 " bytes of the body: %s",
                            g->answer.body, error_text((int)n));
        if (g->first_byte == 0)
            g->first_byte = now;
        if (n == 0)
            answer_eof(&g->answer);
        else
            take(r, g, buf, (size_t)n);
        done += (size_t)n;
    }
    return finish(r, now);
}

static int follow(struct run *r, td_time now)
{
    struct get *g = r->state;
    struct url next;
    char msg[400];
    if (++g->redirects > REDIRECTS_MAX)
        return run_fail(r, EXIT_FAILED, "more than %d redirects: they may go in a circle",
                        REDIRECTS_MAX);
    if (!url_follow(&g->url, g->answer.location, &next, msg, sizeof(msg)))
        return run_fail(r, EXIT_FAILED, "a redirect that can't be followed: %s", msg);
    tell(g, r, "redirected to http://%s%s", next.host, next.target);
    g->url = next;
    return begin(r, now);
}

static int finish(struct run *r, td_time now)
{
    struct get *g = r->state;
    g->ended = now;
    hang_up(r, g);
    if (g->answer.state == ANSWER_BAD)
        return run_fail(r, EXIT_FAILED, "%s", g->answer.why);
    if (redirects(g))
        return follow(r, now);
    if (r->json)
        json_answer(r, g);
    if (g->fail && g->answer.status >= 400)
        return run_fail(r, EXIT_FAILED, "the server answered %d %s", g->answer.status,
                        g->answer.reason);
    return EXIT_DONE;
}

static int get_step(struct run *r, td_time now)
{
    struct get *g = r->state;
    int status = RUN_MORE;
    td_time end = g->limit != 0 ? g->started + g->limit : TD_NEVER;
    r->wake = end < now + RUN_PATIENCE ? end : now + RUN_PATIENCE;
    if (now >= end) {
        hang_up(r, g);
        return run_fail(
            r, EXIT_FAILED, "the time of -m is over: %s, %" PRIu64 " bytes of the body had come",
            !g->connected ? "there was no connection yet" : "the answer wasn't complete",
            g->answer.body);
    }
    if (!g->connected && !connection_made(r, now, &status))
        return status;
    status = send_request(r, g);
    return status == RUN_MORE ? read_answer(r, now) : status;
}

/* ---- the words ---- */

static const char options_are[] =
    "the options are -f -H 'NAME: VALUE' -i -I -j -L -m SECONDS -o FILE -r RANGE -s -v";

/* "0-99", "100-", "-50", joined by commas: as curl's. */
static bool range_ok(const char *s)
{
    bool digits = false, dash = false;
    for (;; s++) {
        if (*s >= '0' && *s <= '9') {
            digits = true;
        } else if (*s == '-' && !dash) {
            dash = true;
        } else if ((*s == ',' || *s == '\0') && digits && dash) {
            if (*s == '\0')
                return true;
            digits = dash = false;
        } else {
            return false;
        }
    }
}

static int get_option(struct run *r, struct get *g, int letter, const char *value)
{
    switch (letter) {
    case 'f':
        g->fail = true;
        return EXIT_DONE;
    case 'i':
        g->include = true;
        return EXIT_DONE;
    case 'I':
        g->head_only = true;
        return EXIT_DONE;
    case 'j':
        r->json = true;
        return EXIT_DONE;
    case 'L':
        g->follow = true;
        return EXIT_DONE;
    case 'v':
        g->verbose = true;
        return EXIT_DONE;
    case 'H':
        if (g->nfields == FIELDS_MAX)
            return run_fail(r, EXIT_USAGE, "more than %d fields with -H", FIELDS_MAX);
        if (!field_line_ok(value, strlen(value)))
            return run_fail(r, EXIT_USAGE, "'%s' doesn't fit -H: write -H 'Name: value'", value);
        g->field[g->nfields++] = value;
        return EXIT_DONE;
    case 'm':
        if (parse_seconds(value, &g->limit) && g->limit > 0)
            return EXIT_DONE;
        return run_fail(r, EXIT_USAGE,
                        "'%s' doesn't fit -m: write a number of seconds, such as 2.5", value);
    case 'o':
        return run_fail(
            r, EXIT_USAGE,
            "-o is for `tapdeck get`, which writes the file: here the body goes to the output");
    case 'r':
        g->range = value;
        if (range_ok(value))
            return EXIT_DONE;
        return run_fail(r, EXIT_USAGE, "'%s' doesn't fit -r: write bytes as 0-99, 100- or -50",
                        value);
    default:
        return EXIT_DONE; /* -s: there is no progress to be silent about */
    }
}

static int get_words(struct run *r, struct get *g)
{
    struct args a;
    const char *word = NULL, *url = NULL;
    char msg[400];
    int letter, status = EXIT_DONE;
    args_init(&a, r->argc, r->argv, GET_LETTERS);
    while (status == EXIT_DONE && (letter = run_option(r, &a, &word, options_are)) != -1) {
        if (letter == '?')
            return EXIT_USAGE;
        if (letter == 0 && url != NULL)
            return run_fail(r, EXIT_USAGE, "'%s' is a second URL: one at a time", word);
        if (letter == 0)
            url = word;
        else
            status = get_option(r, g, letter, a.value);
    }
    if (status != EXIT_DONE)
        return status;
    if (url == NULL)
        return run_fail(r, EXIT_USAGE, "what? write `get URL`, for example `get http://10.0.0.1/`");
    if (!url_parse(&g->url, url, msg, sizeof(msg)))
        return run_fail(r, EXIT_USAGE, "%s", msg);
    return EXIT_DONE;
}

static int get_main(struct run *r)
{
    struct get *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    g->s = -1;
    r->state = g;
    r->release = get_release;
    int status = get_words(r, g);
    if (status != EXIT_DONE)
        return status;
    r->step = get_step;
    g->started = deck_now(r->deck);
    return begin(r, g->started);
}

const struct command command_get = {
    .name = "get",
    .usage = "get [-fiILsvj] [-H FIELD] [-m SECONDS] [-r RANGE] [-o FILE] URL",
    .doc = "a file over HTTP/1.1, from the stack, as curl would fetch it",
    .more = "The body goes to standard output, or with -o to FILE, which the client writes. -i "
            "shows the header fields\n"
            "too, -I asks for them alone (HEAD), -v tells what happens as it happens, TCP "
            "included; -L follows redirects\n"
            "(at most 10); -r 0-99 asks for a part; -H adds a field; -m bounds the time; with -f "
            "an answer from 400 on\n"
            "is a failure; -j tells about the answer instead of giving it. The host is an address: "
            "the stack has no\n"
            "name service (-H 'Host: name' sends a name). There is no TLS.\n"
            "Exit status 0: an answer came whole; 1: none did; 2: bad words.\n"
            "Examples:\n  get http://10.0.0.1/\n  get -v -o page.html 10.0.0.1:8080/page\n  get -L "
            "-m 5 http://10.0.0.1/old",
    .fn = get_main,
};
