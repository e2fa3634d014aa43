/* replay/record_log.c: where a recording is put: see record_log.h.
 *
 * Files grow by windows of a megabyte: allocated and mapped by a thread of their own
 * (record_ahead.h), filled, unmapped. The kernel writes them when it likes. A file that is there
 * already is not overwritten: after a crash the daemon may be started again by the same
 * configuration, and the recording of the crash is what one wants to have then. So a recording that
 * stands in the way is moved to FILE.old, with all its files, and what stood there goes; anything
 * else that stands in the way is an error.
 */
#include "replay/record_log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK    ((size_t)256 << 10)
#define WINDOW   ((size_t)1 << 20)
#define OVERLAP  ((size_t)128 << 10)
#define PAGE     UINT64_C(65536) /* a multiple of the processor's */
#define SPARE    64              /* at a file's end, for END */
#define PATH_LEN 4096

struct record_chunk {
    struct record_chunk *next;
    size_t size, used;
    uint8_t bytes[];
};

void code_head(struct record_coder *c, struct record_head *h)
{
    code_u32(c, &h->part);
    code_fixed(c, h->id, sizeof(h->id));
    code_u64(c, &h->before);
    code_fixed(c, h->seed, sizeof(h->seed));
    code_u64(c, &h->now);
    code_u64(c, &h->memory_limit);
    code_u8(c, &h->profile);
    code_bool(c, &h->allow_faults);
    code_i64(c, &h->wall);
    code_name(c, h->name, sizeof(h->name));
    code_name(c, h->version, sizeof(h->version));
    code_u32(c, &h->build_id_len);
    if (h->build_id_len > RECORD_BUILD_ID)
        c->bad = true;
    else
        code_fixed(c, h->build_id, h->build_id_len);
}

static void put_u32(uint8_t *b, uint32_t v)
{
    v = htole32(v);
    memcpy(b, &v, sizeof(v));
}

bool record_part_name(const char *path, uint32_t part, char *dst, size_t size)
{
    char number[16] = "";
    size_t len = strlen(path);
    if (part > 0)
        snprintf(number, sizeof(number), ".%u", part);
    if (len + strlen(number) >= size)
        return false;
    memcpy(dst, path, len);
    memcpy(dst + len, number, strlen(number) + 1);
    return true;
}

/* ---- in memory ---- */

void record_log_keep(struct record_log *log, uint64_t keep)
{
    *log = (struct record_log){.fd = -1, .keep = keep};
    log->last = &log->first;
}

static void chunk_close(struct record_log *log)
{
    for (struct record_chunk *c = log->first; c != NULL; c = c->next)
        if (c->next == NULL)
            c->used = (size_t)(log->at - c->bytes);
}

static bool chunk_more(struct record_log *log, size_t n)
{
    size_t size = log->keep / 8 < CHUNK ? (size_t)(log->keep / 8) : CHUNK;
    size = size > n ? size : n;
    chunk_close(log);
    if (log->kept + size > log->keep) {
        log->why = RECORD_KEEP;
        return false;
    }
    struct record_chunk *c = malloc(sizeof(*c) + size);
    if (c == NULL) {
        log->why = RECORD_DISK;
        log->err = -ENOMEM;
        return false;
    }
    *c = (struct record_chunk){.size = size};
    *log->last = c;
    log->last = &c->next;
    log->kept += size;
    log->at = c->bytes;
    log->end = c->bytes + size;
    return true;
}

static void chunks_free(struct record_log *log)
{
    while (log->first != NULL) {
        struct record_chunk *c = log->first;
        log->first = c->next;
        free(c);
    }
    log->last = &log->first;
    log->kept = 0;
}

/* ---- in a file ---- */

static uint64_t position(const struct record_log *log)
{
    return log->window.from + (uint64_t)(log->at - log->window.map);
}

/* The file ends where it is written to. */
static void file_close(struct record_log *log)
{
    if (log->fd < 0)
        return;
    record_ahead_drop(log->ahead);
    if (log->window.map != NULL) {
        uint64_t end = position(log);
        log->written += end;
        record_window_close(&log->window);
        if (ftruncate(log->fd, (off_t)end) < 0)
            log->err = -errno; /* zeros stay behind its end, where a reader stops */
    }
    close(log->fd);
    log->fd = -1;
    log->at = log->end = NULL;
}

/* From here on it is written there. The next is wanted: it begins within this one, so that a record
 * that doesn't quite fit here goes there. */
static void enter(struct record_log *log, const struct record_window *w, uint64_t from)
{
    uint64_t end = w->from + w->len;
    record_window_close(&log->window);
    log->window = *w;
    log->at = w->map + (from - w->from);
    log->end = w->map + w->len;
    if (end < log->size && w->len >= WINDOW)
        record_ahead_want(
            log->ahead, log->fd, end - OVERLAP,
            end - OVERLAP + WINDOW < log->size ? WINDOW : (size_t)(log->size - (end - OVERLAP)));
}

/* Maps the file from `from` on, room for n bytes and more. 0 or -errno. */
static int map_more(struct record_log *log, uint64_t from, size_t n)
{
    uint64_t start = from / PAGE * PAGE;
    uint64_t len = from - start + n > WINDOW ? (from - start + n + PAGE - 1) / PAGE * PAGE : WINDOW;
    struct record_window w;
    if (record_ahead_take(log->ahead, &w) == 0) {
        if (from >= w.from && from + n <= w.from + w.len) {
            enter(log, &w, from);
            return 0;
        }
        record_window_close(&w); /* a record larger than most */
    }
    if (start + len > log->size)
        len = log->size - start;
    int err = record_window_open(&w, log->fd, start, len);
    if (err == 0)
        enter(log, &w, from);
    return err;
}

static size_t write_head(uint8_t *to, size_t size, const struct record_head *head)
{
    struct record_head h = *head;
    struct record_coder c = record_writer(to + RECORD_START, size - RECORD_START, NULL);
    code_head(&c, &h);
    size_t n = (size_t)(c.at - to) - RECORD_START;
    memcpy(to, RECORD_MAGIC, 8);
    to[8] = RECORD_VERSION;
    memset(to + 9, 0, 3);
    put_u32(to + 12, (uint32_t)n);
    put_u32(to + 16, (uint32_t)record_digest(to + RECORD_START, n));
    return code_ok(&c) ? RECORD_START + n : 0;
}

/* Begins the file of log->head.part. 0 or -errno. */
static int file_begin(struct record_log *log)
{
    char name[PATH_LEN];
    if (!record_part_name(log->path, log->head.part, name, sizeof(name)))
        return -ENAMETOOLONG;
    log->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log->fd < 0)
        return -errno;
    int err = map_more(log, 0, 1024);
    if (err != 0) {
        close(log->fd);
        log->fd = -1;
        unlink(name);
        return err;
    }
    log->at += write_head(log->at, 1024, &log->head);
    return 0;
}

static bool next_file(struct record_log *log, uint64_t calls)
{
    if (log->head.part + 1 >= log->files) {
        log->why = RECORD_BOUND;
        return false;
    }
    file_close(log);
    log->head.part++;
    log->head.before = calls;
    log->err = file_begin(log);
    if (log->err != 0)
        log->why = RECORD_DISK;
    return log->err == 0;
}

static bool file_more(struct record_log *log, size_t n, uint64_t calls)
{
    if (n + 1024 + SPARE > log->size) {
        log->why = RECORD_BOUND;
        return false;
    }
    if (position(log) + n + SPARE > log->size && !next_file(log, calls))
        return false;
    if ((size_t)(log->end - log->at) >= n + SPARE)
        return true;
    log->err = map_more(log, position(log), n + SPARE);
    if (log->err != 0)
        log->why = RECORD_DISK;
    return log->err == 0;
}

/* ---- both ---- */

size_t record_log_left(const struct record_log *log)
{
    size_t left = log->at != NULL ? (size_t)(log->end - log->at) : 0,
           spare = log->path != NULL ? SPARE : 0;
    return left > spare ? left - spare : 0;
}

bool record_log_room(struct record_log *log, size_t n, uint64_t calls)
{
    if (log->why != RECORD_RUNS)
        return false;
    if (log->at != NULL && record_log_left(log) >= n)
        return true;
    return log->path != NULL ? file_more(log, n, calls) : chunk_more(log, n);
}

size_t record_log_put(struct record_log *log, size_t n)
{
    uint8_t *record = log->at;
    put_u32(record + 4, (uint32_t)record_digest(record + RECORD_FRAME, n));
    log->at += RECORD_FRAME + n;
    if ((size_t)(log->end - log->at) >= sizeof(uint32_t))
        memset(log->at, 0, sizeof(uint32_t)); /* of a longer record that was here before */
    atomic_signal_fence(memory_order_seq_cst);
    put_u32(record, record_word((uint32_t)n));
    return RECORD_FRAME + n;
}

uint64_t record_log_bytes(const struct record_log *log)
{
    if (log->path != NULL)
        return log->written + (log->window.map != NULL ? position(log) : 0);
    return log->kept - (log->at != NULL ? (size_t)(log->end - log->at) : 0);
}

/* Is it one of ours, or empty? */
static bool is_recording(const char *name)
{
    char magic[8];
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, magic, sizeof(magic)) : -1;
    if (fd >= 0)
        close(fd);
    return n == 0 ||
           (n == (ssize_t)sizeof(magic) && memcmp(magic, RECORD_MAGIC, sizeof(magic)) == 0);
}

/* A file of an older set goes, or is moved. 0 or -errno, with a sentence. */
static int give_way(const char *from, const char *to, char *msg, size_t msg_size)
{
    if (!is_recording(from)) {
        snprintf(
            msg, msg_size,
            "there is a file %.1000s, which is no recording: choose another name, or remove it",
            from);
        return -EEXIST;
    }
    if ((to != NULL ? rename(from, to) : unlink(from)) < 0) {
        snprintf(msg, msg_size, "the older recording %.1000s can't be moved away: %s", from,
                 strerror(errno));
        return -errno;
    }
    return 0;
}

/* Makes room for a set of files. */
static int move_away(const char *path, char *msg, size_t msg_size)
{
    char from[PATH_LEN], base[PATH_LEN], to[PATH_LEN];
    size_t len = strlen(path);
    if (len + sizeof(".old.1000") > sizeof(base)) {
        snprintf(msg, msg_size, "the name of the recording is too long");
        return -ENAMETOOLONG;
    }
    memcpy(base, path, len);
    memcpy(base + len, ".old", sizeof(".old"));
    bool keep = access(path, F_OK) == 0; /* else the files behind the first are rests */
    int err = 0;
    for (uint32_t part = 0; part < RECORD_FILES_MAX && err == 0; part++) {
        record_part_name(path, part, from, sizeof(from));
        record_part_name(base, part, to, sizeof(to));
        bool there = access(from, F_OK) == 0, old = keep && access(to, F_OK) == 0;
        if (!there && !old && part > 0)
            break;
        if (there)
            err = give_way(from, keep ? to : NULL, msg, msg_size);
        else if (old)
            err = give_way(to, NULL, msg, msg_size);
    }
    return err;
}

/* What was kept, record by record: a file may end between any two. False: log->why. */
static bool write_kept(struct record_log *log, const struct record_chunk *first, uint64_t *calls)
{
    for (const struct record_chunk *c = first; c != NULL; c = c->next) {
        for (size_t at = 0; at < c->used;) {
            uint32_t n;
            memcpy(&n, c->bytes + at, sizeof(n));
            size_t len = RECORD_FRAME + record_length(le32toh(n));
            if (!record_log_room(log, len, *calls))
                return false;
            memcpy(log->at, c->bytes + at, len);
            log->at += len;
            *calls += c->bytes[at + RECORD_FRAME] < RECORD_SENT;
            at += len;
        }
    }
    return true;
}

int record_log_file(struct record_log *log, const char *path, uint64_t size, uint32_t files,
                    const struct record_head *head, char *msg, size_t msg_size)
{
    struct record_log to = {.fd = -1, .size = size, .files = files, .head = *head};
    uint64_t calls = 0;
    int err = move_away(path, msg, msg_size);
    if (err != 0)
        return err;
    chunk_close(log);
    to.last = &to.first;
    to.path = strdup(path);
    to.ahead = record_ahead_new();
    err = to.path != NULL ? file_begin(&to) : -ENOMEM;
    if (err == 0 && !write_kept(&to, log->first, &calls))
        err = to.why == RECORD_DISK ? to.err : -EFBIG;
    if (err != 0) {
        snprintf(msg, msg_size, "the recording %s can't be written: %s", path,
                 err == -EFBIG ? "what has happened so far is more than fits" : strerror(-err));
        for (uint32_t part = 0; to.fd >= 0 && part <= to.head.part; part++) {
            char name[PATH_LEN];
            if (record_part_name(path, part, name, sizeof(name)))
                unlink(name);
        }
        file_close(&to);
        record_ahead_free(to.ahead);
        free(to.path);
        return err;
    }
    chunks_free(log);
    *log = to;
    log->last = &log->first;
    return 0;
}

void record_log_close(struct record_log *log, enum record_why why)
{
    log->why = why;
    if (log->path != NULL)
        file_close(log);
    else
        chunks_free(log);
    log->at = log->end = NULL;
    record_ahead_free(log->ahead);
    log->ahead = NULL;
}

void record_log_done(struct record_log *log)
{
    record_log_close(log, log->why != RECORD_RUNS ? log->why : RECORD_ASKED);
    free(log->path);
    log->path = NULL;
}
