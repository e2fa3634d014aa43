/* dev/diary_read.c: reading diaries out of a capture (format: dev/diary.h).
 *
 * Lines are read word by word. What isn't as it should be makes the line nothing; nothing is believed about lengths or
 * counts. Blocks of one stack may come in several pieces, and those of several stacks may be mixed.
 */
#include "dev/diary.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINE_BYTES 1024

/* ---- words ---- */

/* The next word of a line, which is cut up; "" at its end. */
static char *word(char **at)
{
    char *w = *at;
    while (*w == ' ')
        w++;
    char *end = w;
    while (*end != '\0' && *end != ' ')
        end++;
    *at = *end == ' ' ? end + 1 : end;
    *end = '\0';
    return w;
}

static bool number(const char *s, int64_t least, int64_t most, int64_t *n)
{
    bool negative = *s == '-';
    uint64_t v = 0;
    s += negative;
    if (!isdigit((unsigned char)*s))
        return false;
    for (; isdigit((unsigned char)*s); s++) {
        if (v > (uint64_t)INT64_MAX / 10 - 1)
            return false;
        v = 10 * v + (uint64_t)(*s - '0');
    }
    *n = negative ? -(int64_t)v : (int64_t)v;
    return *s == '\0' && *n >= least && *n <= most;
}

static bool small(char **at, int *n)
{
    int64_t v;
    bool good = number(word(at), INT32_MIN, INT32_MAX, &v);
    *n = good ? (int)v : -1;
    return good;
}

static bool large(char **at, int64_t *n)
{
    return number(word(at), INT64_MIN / 2, INT64_MAX / 2, n);
}

/* SECONDS.NANOSECONDS, nine digits of these. */
static bool seconds(const char *s, int64_t *ns)
{
    char whole[32];
    const char *dot = strchr(s, '.');
    int64_t a, b;
    if (dot == NULL || strlen(dot + 1) != 9 || (size_t)(dot - s) >= sizeof(whole))
        return false;
    memcpy(whole, s, (size_t)(dot - s));
    whole[dot - s] = '\0';
    if (!number(whole, 0, INT64_MAX / (int64_t)TD_SEC / 4, &a) || !number(dot + 1, 0, (int64_t)TD_SEC - 1, &b))
        return false;
    *ns = a * (int64_t)TD_SEC + b;
    return true;
}

/* A.B.C.D, up to `stop`, behind which *rest stands. */
static bool address(char *s, char stop, td_ip4 *a, char **rest)
{
    td_ip4 v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned byte = 0, digits = 0;
        for (; isdigit((unsigned char)*s) && digits < 3; s++, digits++)
            byte = 10 * byte + (unsigned)(*s - '0');
        if (digits == 0 || byte > 255 || *s != (i < 3 ? '.' : stop))
            return false;
        v = v << 8 | byte;
        s++;
    }
    *a = v;
    *rest = s;
    return true;
}

static bool end(char **at, struct diary_end *e)
{
    char *port;
    int64_t n;
    if (!address(word(at), ':', &e->addr, &port) || !number(port, 0, UINT16_MAX, &n))
        return false;
    e->port = (uint16_t)n;
    return true;
}

static bool word_is(char **at, const char *s)
{
    return strcmp(word(at), s) == 0;
}

static bool result(char **at, struct diary_call *c)
{
    return word_is(at, "=") && large(at, &c->result);
}

/* ---- calls ---- */

static int flags_of(char *names)
{
    static const struct {
        int flag;
        const char *name;
    } known[] = {
        {MSG_OOB, "oob"}, {MSG_DONTROUTE, "dontroute"}, {MSG_EOR, "eor"}, {MSG_WAITALL, "waitall"}, {MSG_MORE, "more"},
        {MSG_FASTOPEN, "fastopen"},
    };
    int flags = 0;
    for (char *rest, *name = strtok_r(names, "|", &rest); name != NULL; name = strtok_r(NULL, "|", &rest))
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            flags |= strcmp(name, known[i].name) == 0 ? known[i].flag : 0;
    return flags;
}

/* `write S N [flags F] [to END] = RESULT`, and `read`. */
static bool text_line(char **at, struct diary_call *c)
{
    if (!small(at, &c->s) || !large(at, &c->n))
        return false;
    for (;;) {
        const char *w = word(at);
        if (strcmp(w, "flags") == 0)
            c->flags = flags_of(word(at));
        else if (strcmp(w, "to") == 0 && !end(at, &c->peer))
            return false;
        else if (strcmp(w, "=") == 0)
            return large(at, &c->result);
        else if (*w == '\0')
            return false;
    }
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool level_of(const char *w, int *level)
{
    static const struct {
        int level;
        const char *name;
    } names[] = {{SOL_SOCKET, "socket"}, {0, "ip"}, {6, "tcp"}, {17, "udp"}};
    int64_t n;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(w, names[i].name) == 0) {
            *level = names[i].level;
            return true;
        }
    }
    bool good = number(w, 0, INT32_MAX, &n);
    *level = good ? (int)n : -1;
    return good;
}

static bool option_line(char **at, struct diary_call *c)
{
    int64_t len, v;
    if (!small(at, &c->s) || !level_of(word(at), &c->level) || !small(at, &c->option) || !large(at, &len) || len < 0)
        return false;
    const char *w = word(at);
    if (*w == 'x') {
        for (w++; nibble(w[0]) >= 0 && nibble(w[1]) >= 0 && c->len < sizeof(c->value); w += 2)
            c->value[c->len++] = (uint8_t)(nibble(w[0]) << 4 | nibble(w[1]));
    } else if (number(w, INT32_MIN, INT32_MAX, &v)) {
        int value = (int)v;
        memcpy(c->value, &value, sizeof(value));
        c->len = sizeof(value);
    } else {
        return false;
    }
    return result(at, c);
}

static bool socket_line(char **at, struct diary_call *c)
{
    if (!small(at, &c->s))
        return false;
    char *w = word(at);
    if (strcmp(w, "stream") == 0)
        c->n = SOCK_STREAM;
    else if (strcmp(w, "dgram") == 0)
        c->n = SOCK_DGRAM;
    else if (strcmp(w, "ping") != 0 && !number(w, 0, 255, &c->n))
        return false;
    return true;
}

static bool shutdown_line(char **at, struct diary_call *c)
{
    if (!small(at, &c->s))
        return false;
    const char *w = word(at);
    c->n = strcmp(w, "rd") == 0 ? SHUT_RD : strcmp(w, "wr") == 0 ? SHUT_WR : SHUT_RDWR;
    return true;
}

static bool keep_text(struct diary_call *c, const char *text)
{
    c->s = -1;
    c->text = *text != '\0' ? strdup(text) : NULL;
    return c->text != NULL;
}

static const char *const verbs[DIARY_WHATS] = {
    [DIARY_SOCKET] = "socket", [DIARY_SETOPT] = "setsockopt", [DIARY_BIND] = "bind", [DIARY_LISTEN] = "listen",
    [DIARY_ACCEPT] = "accept", [DIARY_CONNECT] = "connect", [DIARY_WRITE] = "write", [DIARY_READ] = "read",
    [DIARY_SHUTDOWN] = "shutdown", [DIARY_CLOSE] = "close", [DIARY_DUP] = "dup", [DIARY_DESTROY] = "destroy",
    [DIARY_KNOB] = "knob", [DIARY_MTU] = "mtu", [DIARY_DID] = "did",
};

static bool call_line(char *at, struct diary_call *c)
{
    const char *verb = word(&at);
    unsigned what = 0;
    while (what < DIARY_WHATS && strcmp(verb, verbs[what]) != 0)
        what++;
    c->what = (enum diary_what)what;
    switch (what) {
    case DIARY_SOCKET:
        return socket_line(&at, c);
    case DIARY_SETOPT:
        return option_line(&at, c);
    case DIARY_BIND:
        return small(&at, &c->s) && end(&at, &c->us) && result(&at, c);
    case DIARY_LISTEN:
        return small(&at, &c->s) && large(&at, &c->n) && result(&at, c);
    case DIARY_ACCEPT:
        return small(&at, &c->s) && word_is(&at, "=") && small(&at, &c->made) && end(&at, &c->us) && end(&at, &c->peer);
    case DIARY_CONNECT:
        return small(&at, &c->s) && end(&at, &c->us) && end(&at, &c->peer) && result(&at, c);
    case DIARY_WRITE:
    case DIARY_READ:
        return text_line(&at, c);
    case DIARY_SHUTDOWN:
        return shutdown_line(&at, c);
    case DIARY_CLOSE:
        return small(&at, &c->s);
    case DIARY_DUP:
        return small(&at, &c->s) && word_is(&at, "=") && small(&at, &c->made);
    case DIARY_DESTROY:
        c->s = -1;
        return end(&at, &c->us) && end(&at, &c->peer);
    case DIARY_KNOB:
        return strchr(at, '=') != NULL && keep_text(c, at); /* a value may have blanks in it */
    case DIARY_MTU: {
        const char *name = word(&at);
        return large(&at, &c->n) && keep_text(c, name);
    }
    case DIARY_DID:
        return keep_text(c, word(&at));
    default:
        return false;
    }
}

/* ---- the book ---- */

static bool grow(void **at, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return true;
    size_t more = *room == 0 ? 16 : 2 * *room;
    void *grown = realloc(*at, more * size);
    if (grown == NULL)
        return false;
    *at = grown;
    *room = more;
    return true;
}

static void keep_address(struct diary_stack *st, char *at)
{
    td_ip4 a;
    char *plen;
    int64_t n;
    if (st->naddrs == DIARY_ADDRS_MAX || !address(word(&at), '/', &a, &plen) || !number(plen, 0, 32, &n))
        return;
    const char *name = word(&at);
    st->addr[st->naddrs].addr = a;
    st->addr[st->naddrs].plen = (uint8_t)n;
    st->addr[st->naddrs].mtu = 0;
    for (unsigned i = 0; i < st->ninterfaces; i++)
        if (strcmp(st->interface[i].name, name) == 0)
            st->addr[st->naddrs].mtu = st->interface[i].mtu;
    st->naddrs++;
}

/* `interface NAME mtu N` */
static void keep_interface(struct diary_stack *st, char *at)
{
    const char *name = word(&at);
    int64_t mtu;
    size_t len = strlen(name);
    if (st->ninterfaces == DIARY_ADDRS_MAX || len >= sizeof(st->interface[0].name) || !word_is(&at, "mtu") ||
        !number(word(&at), 0, UINT32_MAX, &mtu))
        return;
    memcpy(st->interface[st->ninterfaces].name, name, len + 1);
    st->interface[st->ninterfaces++].mtu = (uint32_t)mtu;
}

static void keep_arrival(struct diary_book *b, struct diary_stack *st, int64_t wall, char *at)
{
    int64_t id, seq, ack, ts;
    void *in = st->in;
    if (!number(word(&at), 0, UINT16_MAX, &id) || !number(word(&at), 0, UINT32_MAX, &seq) || !number(word(&at), 0, UINT32_MAX, &ack) ||
        !number(word(&at), 0, UINT32_MAX, &ts))
        return;
    bool room = b->ncalls < DIARY_CALLS_MAX;
    if (!room || !grow(&in, st->nin, &st->in_room, sizeof(*st->in))) {
        b->no_memory |= room;
        st->cut = true;
        return;
    }
    st->in = in;
    st->in[st->nin++] = (struct diary_in){.wall = wall, .key = {(tcp_seq)seq, (tcp_seq)ack, (uint32_t)ts, (uint16_t)id}};
    st->in_sorted = false;
    b->ncalls++;
}

static void keep_call(struct diary_book *b, struct diary_stack *st, int64_t t, char *rest)
{
    struct diary_call c = {.made = -1, .wall = st->epoch + t};
    if (strncmp(rest, "in ", 3) == 0) {
        keep_arrival(b, st, c.wall, rest + 3);
        return;
    }
    if (strncmp(rest, "address ", 8) == 0) {
        keep_address(st, rest + 8);
        return;
    }
    if (!call_line(rest, &c)) {
        free(c.text);
        return;
    }
    void *calls = st->call;
    bool room = b->ncalls < DIARY_CALLS_MAX;
    if (!room || !grow(&calls, st->ncalls, &st->calls_room, sizeof(c))) {
        b->no_memory |= room;
        st->cut = true;
        free(c.text);
        return;
    }
    st->call = calls;
    st->call[st->ncalls++] = c;
    b->ncalls++;
}

static void keep_knob(struct diary_book *b, struct diary_stack *st, const char *text)
{
    void *knobs = st->knob;
    if (strchr(text, '=') == NULL || st->nknobs == DIARY_KNOBS_MAX)
        return;
    char *copy = strdup(text);
    if (copy == NULL || !grow(&knobs, st->nknobs, &st->knobs_room, sizeof(char *))) {
        b->no_memory = true;
        free(copy);
        return;
    }
    st->knob = knobs;
    st->knob[st->nknobs++] = copy;
}

static void state_line(struct diary_book *b, struct diary_stack *st, char *at)
{
    const char *verb = word(&at);
    int64_t n;
    if (strcmp(verb, "epoch") == 0) {
        if (st->ncalls == 0 && seconds(word(&at), &n))
            st->epoch = n;
    } else if (strcmp(verb, "profile") == 0) {
        st->profile = word_is(&at, "rfc") ? TD_PROFILE_RFC : TD_PROFILE_LINUX;
    } else if (strcmp(verb, "interface") == 0) {
        keep_interface(st, at);
    } else if (strcmp(verb, "address") == 0) {
        keep_address(st, at);
    } else if (strcmp(verb, "knob") == 0) {
        keep_knob(b, st, at);
    } else if (strcmp(verb, "cut") == 0) {
        st->cut = true;
    }
}

/* The stack that `stack N NAME` is about. */
static struct diary_stack *stack_line(struct diary_book *b, char *at)
{
    int64_t n;
    if (!word_is(&at, "stack") || !number(word(&at), 1, INT32_MAX, &n))
        return NULL;
    for (size_t i = 0; i < b->nstacks; i++)
        if (b->stack[i].number == (unsigned)n)
            return &b->stack[i];
    struct diary_stack *grown = b->nstacks < DIARY_STACKS_MAX ? realloc(b->stack, (b->nstacks + 1) * sizeof(*grown)) : NULL;
    if (grown == NULL)
        return NULL;
    b->stack = grown;
    struct diary_stack *st = &grown[b->nstacks++];
    *st = (struct diary_stack){.number = (unsigned)n};
    const char *name = word(&at);
    size_t len = strlen(name) < sizeof(st->name) ? strlen(name) : sizeof(st->name) - 1;
    memcpy(st->name, name, len);
    return st;
}

void diary_read(void *book, const char *text, size_t len)
{
    struct diary_book *b = book;
    struct diary_stack *st = NULL;
    const char *p = text, *stop = text + len;
    for (unsigned n = 0; p < stop; n++) {
        char line[LINE_BYTES];
        const char *nl = memchr(p, '\n', (size_t)(stop - p));
        size_t bytes = (size_t)((nl != NULL ? nl : stop) - p);
        bool fits = bytes < sizeof(line) && memchr(p, '\0', bytes) == NULL;
        if (fits)
            memcpy(line, p, bytes);
        line[fits ? bytes : 0] = '\0';
        p = nl != NULL ? nl + 1 : stop;
        if (n == 0) {
            if (strcmp(line, "tapdeck-diary 1") != 0)
                return;
        } else if (n == 1) {
            if ((st = stack_line(b, line)) == NULL)
                return;
        } else if (isdigit((unsigned char)line[0])) {
            char *at = line;
            int64_t t;
            if (seconds(word(&at), &t))
                keep_call(b, st, t, at);
        } else {
            state_line(b, st, line);
        }
    }
}

const struct diary_stack *diary_of(const struct diary_book *b, td_ip4 addr)
{
    for (size_t i = 0; i < b->nstacks; i++)
        for (unsigned k = 0; k < b->stack[i].naddrs; k++)
            if (b->stack[i].addr[k].addr == addr)
                return &b->stack[i];
    return NULL;
}

/* ---- arrivals ---- */

static int compare(const struct diary_key *a, const struct diary_key *b)
{
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    if (a->ack != b->ack)
        return a->ack < b->ack ? -1 : 1;
    if (a->ts != b->ts)
        return a->ts < b->ts ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static int by_key(const void *x, const void *y)
{
    const struct diary_in *a = x, *b = y;
    int c = compare(&a->key, &b->key);
    return c != 0 ? c : (a->wall > b->wall) - (a->wall < b->wall);
}

bool diary_arrival(struct diary_stack *st, const struct diary_key *key, int64_t captured, int64_t *wall)
{
    size_t lo = 0, hi = st->nin;
    if (!st->in_sorted)
        qsort(st->in, st->nin, sizeof(*st->in), by_key);
    st->in_sorted = true;
    const struct diary_in want = {.key = *key, .wall = captured};
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (by_key(&st->in[mid], &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* Those that are taken know one behind them that may not be, and are told how far that search went: many equal ones (a
     * hostile file's) cost no walk over all of them each time. */
    size_t at = lo;
    while (at < st->nin && st->in[at].taken)
        at = st->in[at].behind;
    for (size_t i = lo; i < at;) {
        size_t next = st->in[i].behind;
        st->in[i].behind = (uint32_t)at;
        i = next;
    }
    if (at == st->nin || compare(&st->in[at].key, key) != 0)
        return false;
    st->in[at].taken = true;
    st->in[at].behind = (uint32_t)at + 1;
    *wall = st->in[at].wall;
    return true;
}

void diary_arrivals_again(struct diary_book *b)
{
    for (size_t i = 0; i < b->nstacks; i++)
        for (size_t k = 0; k < b->stack[i].nin; k++)
            b->stack[i].in[k].taken = false;
}

/* ---- one connection's calls ---- */

#define HANDLES 65536

struct opened { /* a socket from its opening to its end; handles are used again */
    int32_t parent; /* the listening one that it came from; -1: none */
    uint16_t port;  /* bound to */
};

struct trace {
    int32_t of[HANDLES]; /* the socket that a handle means now; -1: none */
    struct opened *opened;
    int32_t n;
    int32_t *socket; /* a call's */
    int32_t chosen, listener;
    const struct diary_call *call; /* that began it */
    uint64_t distance; /* of the chosen's beginning from the connection's */
};

static bool same_end(struct diary_end a, struct diary_end b)
{
    return a.addr == b.addr && a.port == b.port;
}

static bool handle(int s)
{
    return s >= 0 && s < HANDLES;
}

static int32_t open_socket(struct trace *t, int s, int32_t parent)
{
    if (!handle(s))
        return -1;
    t->opened[t->n] = (struct opened){.parent = parent};
    return t->of[s] = t->n++;
}

static void choose(struct trace *t, const struct diary_call *c, int32_t which, int64_t begun)
{
    uint64_t distance = c->wall > begun ? (uint64_t)c->wall - (uint64_t)begun : (uint64_t)begun - (uint64_t)c->wall;
    if (which >= 0 && distance < t->distance) {
        t->chosen = which;
        t->call = c;
        t->distance = distance;
    }
}

/* Which socket each call is about, and which is the connection's. translated: the other end's address may be another than the
 * captured one, for a router on the way translates it. */
static void follow(struct trace *t, const struct diary_stack *st, struct diary_end us, struct diary_end peer, int64_t begun, bool translated)
{
    t->n = 0;
    memset(t->of, 0xff, sizeof(t->of));
    for (size_t i = 0; i < st->ncalls; i++) {
        const struct diary_call *c = &st->call[i];
        int32_t s = handle(c->s) ? t->of[c->s] : -1;
        bool ours = same_end(c->us, us) && c->peer.port == peer.port && (translated || c->peer.addr == peer.addr);
        if (c->what == DIARY_SOCKET)
            s = open_socket(t, c->s, -1);
        t->socket[i] = s;
        if (c->what == DIARY_ACCEPT) {
            int32_t made = open_socket(t, c->made, s);
            if (ours)
                choose(t, c, made, begun);
        } else if (c->what == DIARY_CONNECT && ours) {
            choose(t, c, s, begun);
        } else if (c->what == DIARY_WRITE && (c->flags & MSG_FASTOPEN) && same_end(c->peer, peer)) {
            choose(t, c, s, begun); /* which connects; from where it doesn't say */
        } else if (c->what == DIARY_DUP && handle(c->made)) {
            t->of[c->made] = s;
        } else if (c->what == DIARY_CLOSE && handle(c->s)) {
            t->of[c->s] = -1;
        } else if (c->what == DIARY_BIND && s >= 0) {
            t->opened[s].port = c->us.port;
        } else if (c->what == DIARY_LISTEN && s >= 0 && c->result == 0 && t->opened[s].port == us.port && c->wall <= begun) {
            t->listener = s;
        }
    }
    if (t->chosen >= 0)
        t->listener = t->opened[t->chosen].parent;
}

struct diary_call *diary_connection(const struct diary_stack *st, struct diary_end us, struct diary_end peer, int64_t begun, size_t *n)
{
    struct trace *t = malloc(sizeof(*t));
    struct diary_call *out = malloc((st->ncalls + 1) * sizeof(*out));
    *n = 0;
    if (t != NULL) {
        *t = (struct trace){.chosen = -1, .listener = -1, .distance = UINT64_MAX};
        t->opened = malloc((st->ncalls + 1) * sizeof(*t->opened));
        t->socket = malloc((st->ncalls + 1) * sizeof(*t->socket));
    }
    if (t != NULL && out != NULL && t->opened != NULL && t->socket != NULL) {
        follow(t, st, us, peer, begun, false);
        if (t->chosen < 0)
            follow(t, st, us, peer, begun, true);
        for (size_t i = 0; i < st->ncalls; i++) {
            struct diary_call c = st->call[i];
            int32_t s = t->socket[i];
            bool own = s >= 0 && s == t->chosen, listening = s >= 0 && s == t->listener;
            if (c.what == DIARY_ACCEPT)
                listening = listening && t->call == &st->call[i];
            bool all = c.what == DIARY_KNOB || c.what == DIARY_MTU || c.what == DIARY_DID;
            if (c.what == DIARY_DESTROY)
                own = same_end(c.us, us) && same_end(c.peer, peer);
            if (!own && !listening && !all)
                continue;
            c.s = own ? 1 : listening ? 0 : -1;
            out[(*n)++] = c;
        }
    }
    if (t != NULL) {
        free(t->opened);
        free(t->socket);
    }
    free(t);
    if (*n == 0) {
        free(out);
        out = NULL;
    }
    return out;
}

void diary_book_free(struct diary_book *b)
{
    for (size_t i = 0; i < b->nstacks; i++) {
        for (size_t k = 0; k < b->stack[i].nknobs; k++)
            free(b->stack[i].knob[k]);
        for (size_t k = 0; k < b->stack[i].ncalls; k++)
            free(b->stack[i].call[k].text);
        free(b->stack[i].knob);
        free(b->stack[i].call);
        free(b->stack[i].in);
    }
    free(b->stack);
    *b = (struct diary_book){0};
}
