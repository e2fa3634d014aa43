/* replay/record_read.c: the files of a recording, mapped: see record_log.h for what is in them.
 *
 * Nothing that stands in a file is believed before it was checked: lengths against the file, bodies
 * against their check. What follows the last whole record is a cut tail, and the end.
 */
#include "replay/record_read.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN 4096

static uint32_t get_u32(const uint8_t *b)
{
    uint32_t v;
    memcpy(&v, b, sizeof(v));
    return le32toh(v);
}

bool record_is(const char *path)
{
    char magic[8];
    struct stat st;
    /* A pipe isn't opened: whoever writes to it would see its reader go. */
    int fd = stat(path, &st) == 0 && S_ISREG(st.st_mode)
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                 : -1;
    bool is = fd >= 0 && pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
              memcmp(magic, RECORD_MAGIC, sizeof(magic)) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

/* ---- headers ---- */

/* 0; -1 and a sentence. */
static int read_head(const struct record_part *p, const char *name, struct record_head *h,
                     size_t *from, char *msg, size_t size)
{
    if (p->len < 8 || memcmp(p->map, RECORD_MAGIC, 8) != 0) {
        snprintf(msg, size, "%s is not a recording", name);
        return -1;
    }
    if (p->len >= 12 &&
        (p->map[8] != RECORD_VERSION || p->map[9] != 0 || p->map[10] != 0 || p->map[11] != 0)) {
        snprintf(msg, size, "%s is a recording of format %u; this program reads format %u", name,
                 (unsigned)(p->map[8] | p->map[9] << 8), RECORD_VERSION);
        return -1;
    }
    uint32_t len = p->len >= RECORD_START ? get_u32(p->map + 12) : 0;
    if (p->len < RECORD_START || len > p->len - RECORD_START) {
        snprintf(msg, size, "%s breaks off in its header", name);
        return -1;
    }
    struct record_coder c = record_reader(p->map + RECORD_START, len, NULL);
    memset(h, 0, sizeof(*h));
    code_head(&c, h);
    if (!code_ok(&c) ||
        get_u32(p->map + 16) != (uint32_t)record_digest(p->map + RECORD_START, len) ||
        h->profile > TD_PROFILE_RFC || h->now > TD_NEVER / 4 || !record_wall_fits(h->wall)) {
        snprintf(msg, size, "%s is damaged: its header isn't what was written", name);
        return -1;
    }
    *from = RECORD_START + len;
    return 0;
}

/* ---- files ---- */

static bool add_part(struct record_file *f, const struct record_part *p)
{
    struct record_part *more = realloc(f->part, (f->parts + 1) * sizeof(*more));
    if (more == NULL)
        return false;
    f->part = more;
    f->part[f->parts++] = *p;
    return true;
}

#define HOLE_MAX 16 /* so many files are looked for behind one that is missing */

/* Maps one file. 0 or -errno; map NULL: it is empty. */
static int map_file(const char *name, uint8_t **map, size_t *len)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    *map = NULL;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int err = errno;
        if (fd >= 0)
            close(fd);
        return -err;
    }
    *len = (size_t)st.st_size;
    void *at = st.st_size > 0 ? mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    int err = at == MAP_FAILED ? -errno : 0;
    close(fd);
    *map = err == 0 ? at : NULL;
    return err;
}

/* The file of this number. 1: it is there; 0: it isn't; -1: msg. */
static int open_part(struct record_file *f, uint32_t number, char *msg, size_t msg_size)
{
    char name[PATH_LEN];
    struct record_part p = {0};
    struct record_head h;
    if (!record_part_name(f->path, number, name, sizeof(name))) {
        snprintf(msg, msg_size, "the name of the recording is too long");
        return -1;
    }
    int err = map_file(name, &p.map, &p.len);
    if (err == -ENOENT && number > 0)
        return 0;
    if (err != 0 || p.map == NULL) {
        snprintf(msg, msg_size, "%s can't be read: %s", name,
                 err != 0 ? strerror(-err) : "it is empty");
        return -1;
    }
    int good = read_head(&p, name, &h, &p.from, msg, msg_size);
    if (good == 0 && number == 0 && h.part != 0) {
        snprintf(msg, msg_size, "%s is file %u of a recording, which begins in another: give that",
                 name, h.part);
        good = -1;
    }
    bool other = good == 0 && number > 0 &&
                 (h.part != number || memcmp(h.id, f->head.id, sizeof(h.id)) != 0);
    if (good == 0 && number == 0)
        f->head = h;
    p.before = h.before;
    if (good != 0 || other || !add_part(f, &p)) {
        munmap(p.map, p.len);
        return good != 0 && number == 0 ? -1 : 0; /* a rest of another recording is none of ours */
    }
    return 1;
}

/* A file of this recording behind one that isn't there: without it the rest can't be told from a
 * run that was killed. */
static bool hole(const struct record_file *f, char *msg, size_t msg_size)
{
    char name[PATH_LEN], missing[PATH_LEN], any[256];
    for (uint32_t n = f->parts + 1; n < RECORD_FILES_MAX && n <= f->parts + HOLE_MAX; n++) {
        struct record_part p = {0};
        struct record_head h;
        if (!record_part_name(f->path, n, name, sizeof(name)) ||
            map_file(name, &p.map, &p.len) != 0 || p.map == NULL)
            continue;
        bool ours = read_head(&p, name, &h, &p.from, any, sizeof(any)) == 0 && h.part == n &&
                    memcmp(h.id, f->head.id, sizeof(h.id)) == 0;
        munmap(p.map, p.len);
        if (ours && record_part_name(f->path, f->parts, missing, sizeof(missing))) {
            snprintf(msg, msg_size,
                     "%s is missing or isn't of this recording, and %s is there: put it back, or "
                     "take away what "
                     "comes behind it to replay the beginning",
                     missing, name);
            return true;
        }
    }
    return false;
}

int record_file_open(struct record_file *f, const char *path, char *msg, size_t msg_size)
{
    memset(f, 0, sizeof(*f));
    f->path = strdup(path);
    msg[0] = '\0';
    int got = f->path != NULL ? 1 : -1;
    for (uint32_t n = 0; got > 0 && n < RECORD_FILES_MAX; n++)
        got = open_part(f, n, msg, msg_size);
    if (got == 0 && hole(f, msg, msg_size))
        got = -1;
    if (got < 0) {
        if (msg[0] == '\0')
            snprintf(msg, msg_size, "there is no memory to read %s", path);
        record_file_close(f);
        return -1;
    }
    record_file_rewind(f);
    return 0;
}

int record_file_bytes(struct record_file *f, const uint8_t *bytes, size_t len, char *msg,
                      size_t msg_size)
{
    struct record_part p = {.map = (uint8_t *)(uintptr_t)bytes, .len = len};
    memset(f, 0, sizeof(*f));
    f->borrowed = true;
    if (read_head(&p, "the input", &f->head, &p.from, msg, msg_size) != 0)
        return -1;
    if (!add_part(f, &p)) {
        snprintf(msg, msg_size, "there is no memory to read it");
        return -1;
    }
    record_file_rewind(f);
    return 0;
}

void record_file_close(struct record_file *f)
{
    for (uint32_t i = 0; i < f->parts && !f->borrowed; i++)
        munmap(f->part[i].map, f->part[i].len);
    free(f->part);
    free(f->path);
    memset(f, 0, sizeof(*f));
}

/* ---- records ---- */

void record_file_rewind(struct record_file *f)
{
    f->place = (struct record_place){.part = 0, .at = f->part[0].from};
}

/* Where the next record is: perhaps in the next file. NULL: nowhere; *left: bytes from there to its
 * file's end. */
static const uint8_t *find(const struct record_file *f, struct record_place *at, size_t *left)
{
    for (;;) {
        const struct record_part *p = &f->part[at->part];
        *left = p->len - at->at;
        if (*left >= sizeof(uint32_t) && get_u32(p->map + at->at) != 0)
            return p->map + at->at;
        if (at->part + 1 >= f->parts)
            return NULL;
        at->part++;
        at->at = f->part[at->part].from;
    }
}

enum record_got record_file_next(struct record_file *f, const uint8_t **body, size_t *len)
{
    size_t left;
    const uint8_t *record = find(f, &f->place, &left);
    if (record == NULL)
        return left > 0 && left < sizeof(uint32_t) ? RECORD_CUT : RECORD_NO_MORE;
    uint32_t n = record_length(get_u32(record));
    if (n == 0 || n > RECORD_BODY_MAX || get_u32(record) != record_word(n))
        return RECORD_DAMAGED;
    if (left < RECORD_FRAME || n > left - RECORD_FRAME)
        return f->place.part + 1 < f->parts ? RECORD_DAMAGED : RECORD_CUT;
    if (!f->unchecked && get_u32(record + 4) != (uint32_t)record_digest(record + RECORD_FRAME, n))
        return RECORD_DAMAGED;
    *body = record + RECORD_FRAME;
    *len = n;
    f->place.at += RECORD_FRAME + n;
    return RECORD_GOT;
}

static bool fits(const uint8_t *record, size_t left)
{
    return left > RECORD_FRAME && record_length(get_u32(record)) <= left - RECORD_FRAME;
}

uint8_t record_file_tag(const struct record_file *f, const struct record_place *at)
{
    struct record_place place = *at;
    size_t left;
    const uint8_t *record = find(f, &place, &left);
    return record != NULL && fits(record, left) ? record[RECORD_FRAME] : 0;
}

bool record_file_skip(const struct record_file *f, struct record_place *at)
{
    size_t left;
    const uint8_t *record = find(f, at, &left);
    if (record == NULL || !fits(record, left))
        return false;
    at->at += RECORD_FRAME + record_length(get_u32(record));
    return true;
}

uint64_t record_file_size(const struct record_file *f)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < f->parts; i++)
        n += f->part[i].len;
    return n;
}

uint64_t record_file_at(const struct record_file *f)
{
    uint64_t n = f->place.at;
    for (uint32_t i = 0; i < f->place.part; i++)
        n += f->part[i].len;
    return n;
}
