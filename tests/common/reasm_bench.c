/* tests/common/reasm_bench.c: see reasm_bench.h. */
#include "reasm_bench.h"

#include <stdarg.h>
#include <stdio.h>

struct bench_piece {
    struct td_piece p;
    uint8_t *bytes; /* p.len of them */
};

static struct reasm_bench *bench_of(const struct td_reassembly *r)
{
    return (struct reasm_bench *)(uintptr_t)((const char *)r - offsetof(struct reasm_bench, r));
}

static struct bench_piece *piece_of(const struct td_piece *p)
{
    return (struct bench_piece *)(uintptr_t)((const char *)p - offsetof(struct bench_piece, p));
}

static void wrong(struct reasm_bench *b, const char *fmt, ...)
{
    va_list ap;
    if (b->wrong[0] == '\0') {
        va_start(ap, fmt);
        vsnprintf(b->wrong, sizeof b->wrong, fmt, ap);
        va_end(ap);
    }
}

static uint8_t *exactly(const uint8_t *from, uint32_t n)
{
    uint8_t *p = malloc(n);
    memcpy(p, from, n);
    return p;
}

static struct td_piece *piece_new(struct reasm_bench *b, uint32_t seq, const uint8_t *bytes,
                                  uint32_t len)
{
    struct bench_piece *x = malloc(sizeof *x);
    memset(x, 0xa5, sizeof *x); /* what is the organ's to use holds nothing good */
    x->p.seq = seq;
    x->p.len = len;
    x->bytes = exactly(bytes, len);
    b->pieces++;
    return &x->p;
}

static void piece_gone(struct reasm_bench *b, struct td_piece *p)
{
    free(piece_of(p)->bytes);
    free(piece_of(p));
    if (b->pieces-- == 0) {
        wrong(b, "a piece was given back that the organ didn't own");
    }
}

/* ---- the host ---- */

static void cut(struct td_reassembly *r, struct td_piece *p, uint32_t front, uint32_t keep)
{
    struct bench_piece *x = piece_of(p);
    if (keep == 0 || keep > p->len) {
        wrong(bench_of(r), "a piece of %u bytes was to be cut to %u", p->len, keep);
        return;
    }
    uint8_t *rest = exactly(x->bytes + front, keep);
    free(x->bytes);
    x->bytes = rest;
    p->seq += front;
    p->len = keep;
}

static void bench_trim_front(struct td_reassembly *r, struct td_piece *p, uint32_t n)
{
    cut(r, p, n, p->len - n);
}

static void bench_trim_back(struct td_reassembly *r, struct td_piece *p, uint32_t n)
{
    cut(r, p, 0, p->len - n);
}

static void bench_copy(const struct td_reassembly *r, const struct td_piece *p, uint32_t off,
                       void *dst, uint32_t n)
{
    if (off > p->len || n > p->len - off) {
        wrong(bench_of(r), "bytes [%u, %u) were asked of a piece of %u", off, off + n, p->len);
        return;
    }
    memcpy(dst, piece_of(p)->bytes + off, n);
}

static void bench_free(struct td_reassembly *r, struct td_piece *p)
{
    piece_gone(bench_of(r), p);
}

static struct td_piece *bench_make(struct td_reassembly *r, uint32_t seq, const void *bytes,
                                   uint32_t len)
{
    return bench_of(r)->starved ? NULL : piece_new(bench_of(r), seq, bytes, len);
}

static void *bench_alloc(struct td_reassembly *r, uint32_t size)
{
    struct reasm_bench *b = bench_of(r);
    b->memory += b->starved ? 0 : size;
    return b->starved ? NULL : calloc(1, size);
}

static void bench_release(struct td_reassembly *r, void *p, uint32_t size)
{
    bench_of(r)->memory -= p != NULL ? size : 0;
    free(p);
}

static const struct td_reassembly_host bench_host = {
    bench_trim_front, bench_trim_back, bench_copy,    bench_free,
    bench_make,       bench_alloc,     bench_release,
};

/* ---- what a test calls ---- */

void bench_open(struct reasm_bench *b, const struct td_reassembly_ops *ops, uint32_t rcv_nxt)
{
    *b = (struct reasm_bench){.rcv_nxt = rcv_nxt};
    b->r = (struct td_reassembly){ops, &bench_host, calloc(1, ops->state_size + 1)};
    if (ops->init != NULL) {
        ops->init(&b->r);
    }
}

void bench_close(struct reasm_bench *b)
{
    b->r.ops->clear(&b->r);
    if (b->pieces != 0 || b->memory != 0) {
        wrong(b, "clear left %u pieces and %llu bytes", b->pieces, (unsigned long long)b->memory);
    }
    free(b->r.state);
    free(b->stream);
    b->r.state = NULL;
    b->stream = NULL;
}

int64_t bench_insert(struct reasm_bench *b, uint32_t seq, const uint8_t *bytes, uint32_t len)
{
    int64_t fresh = b->r.ops->insert(&b->r, piece_new(b, seq, bytes, len));
    if (fresh > len) {
        wrong(b, "insert said %lld of %u bytes were new", (long long)fresh, len);
    }
    return fresh;
}

static void deliver(struct reasm_bench *b, const uint8_t *bytes, uint32_t len)
{
    if (b->stream_len + len > b->stream_cap) {
        b->stream_cap = (b->stream_len + len) * 2;
        b->stream = realloc(b->stream, b->stream_cap);
    }
    memcpy(b->stream + b->stream_len, bytes, len);
    b->stream_len += len;
    b->rcv_nxt += len;
}

uint32_t bench_in_order(struct reasm_bench *b, const uint8_t *bytes, uint32_t len)
{
    uint32_t before = b->stream_len;
    struct td_piece *p;
    deliver(b, bytes, len);
    while ((p = b->r.ops->take(&b->r, b->rcv_nxt)) != NULL) {
        uint32_t old = b->rcv_nxt - p->seq;
        if (td_seq_before(b->rcv_nxt, p->seq)) {
            wrong(b, "take gave %u bytes from beyond the hole", p->len);
        } else if (old < p->len) {
            deliver(b, piece_of(p)->bytes + old, p->len - old);
        }
        piece_gone(b, p);
    }
    return b->stream_len - before;
}

/* ---- two of them ---- */

static uint8_t octet(uint64_t seed, uint32_t at) /* the stream's */
{
    struct prng r = {seed ^ at};
    return prng_u8(&r);
}

struct pair {
    struct reasm_bench b[2];
    char *why;
    size_t size;
    bool same;
};

static void differ(struct pair *x, const char *fmt, ...)
{
    va_list ap;
    if (x->same) {
        va_start(ap, fmt);
        vsnprintf(x->why, x->size, fmt, ap);
        va_end(ap);
    }
    x->same = false;
}

static void broken_rules(struct pair *x)
{
    for (int i = 0; i < 2; i++) {
        if (x->b[i].wrong[0] != '\0') {
            differ(x, "%s: %s", x->b[i].r.ops->name, x->b[i].wrong);
        }
    }
}

static void both_ranges(struct pair *x, uint32_t seq, uint32_t isn)
{
    struct td_range r[2] = {{0, 0}, {0, 0}};
    bool any[2];
    for (int i = 0; i < 2; i++) {
        any[i] = x->b[i].r.ops->range(&x->b[i].r, seq, &r[i]);
    }
    if (any[0] != any[1] || (any[0] && (r[0].left != r[1].left || r[0].right != r[1].right))) {
        differ(x, "range from %u: [%u, %u) and [%u, %u)", seq - isn, r[0].left - isn,
               r[0].right - isn, r[1].left - isn, r[1].right - isn);
    }
}

/* The walk that a host makes over all ranges: each begins behind the one before it, with a gap. */
static void all_ranges(struct pair *x, uint32_t isn)
{
    struct td_range r;
    for (uint32_t at = x->b[0].rcv_nxt; x->same && x->b[0].r.ops->range(&x->b[0].r, at, &r);
         at = r.right + 1) {
        both_ranges(x, at, isn);
        both_ranges(x, r.right, isn);
        if (!td_seq_before(r.left, r.right) ||
            (at != x->b[0].rcv_nxt && td_seq_before(r.left, at))) {
            differ(x, "range [%u, %u) from %u on", r.left - isn, r.right - isn, at - isn);
        }
    }
}

bool reasm_differ(const struct td_reassembly_ops *reference, const struct td_reassembly_ops *other,
                  uint64_t seed, uint32_t isn, uint32_t span, char *why, size_t size)
{
    struct prng rnd = {seed};
    struct pair x = {.why = why, .size = size, .same = true};
    uint8_t bytes[600];
    bench_open(&x.b[0], reference, isn);
    bench_open(&x.b[1], other, isn);
    for (unsigned i = 0; i < 400 && x.same && x.b[0].stream_len + 1 < span; i++) {
        uint32_t done = x.b[0].stream_len;
        bool in_order = prng_below(&rnd, 6) == 0;
        uint32_t off = in_order ? done : done + 1 + prng_below(&rnd, span - done - 1);
        uint32_t most = prng_below(&rnd, 4) == 0 ? sizeof bytes : 40;
        uint32_t len = 1 + prng_below(&rnd, most < span - off ? most : span - off);
        for (uint32_t k = 0; k < len; k++) {
            bytes[k] = octet(seed, off + k);
        }
        if (in_order) {
            uint32_t a = bench_in_order(&x.b[0], bytes, len),
                     b = bench_in_order(&x.b[1], bytes, len);
            if (a != b) {
                differ(&x, "step %u: text at %u delivered %u bytes and %u", i, off, a, b);
            }
        } else {
            int64_t a = bench_insert(&x.b[0], isn + off, bytes, len);
            int64_t b = bench_insert(&x.b[1], isn + off, bytes, len);
            if (a != b) {
                differ(&x, "step %u: of [%u, %u) %lld bytes were new and %lld", i, off, off + len,
                       (long long)a, (long long)b);
            }
        }
        broken_rules(&x);
        all_ranges(&x, isn);
        both_ranges(&x, isn + prng_below(&rnd, span), isn);
    }
    for (uint32_t k = 0; x.same && k < x.b[0].stream_len; k++) {
        if (x.b[0].stream[k] != octet(seed, k) || x.b[1].stream[k] != octet(seed, k)) {
            differ(&x, "octet %u of the stream is %u and %u, was %u", k, x.b[0].stream[k],
                   x.b[1].stream[k], octet(seed, k));
        }
    }
    for (int i = 0; i < 2; i++) {
        bench_close(&x.b[i]);
    }
    broken_rules(&x);
    return x.same;
}
