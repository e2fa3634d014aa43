/* common/mystery.c: which fault a student is given (theory of operation: common/mystery.h). */
#include "common/mystery.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/faults.h"

void salt_forget(struct salt *s)
{
    explicit_bzero(s, sizeof *s);
}

static bool read_file(struct salt *s, const char *path, char *msg, size_t msg_size)
{
    /* Not waiting: a FIFO in its place must not hold the daemon. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        snprintf(msg, msg_size, "the salt %s is no file", path);
        close(fd);
        return false;
    }
    if (fd >= 0)
        n = read(fd, s->bytes, sizeof s->bytes);
    if (n < 0)
        snprintf(msg, msg_size, "the salt %s can't be read: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    s->len = n > 0 ? (size_t)n : 0;
    return n >= 0;
}

bool salt_read(struct salt *s, const char *from, char *msg, size_t msg_size)
{
    s->len = 0;
    if (strncmp(from, "env:", 4) == 0) {
        const char *value = getenv(from + 4);
        if (value == NULL) {
            snprintf(msg, msg_size, "the environment has no variable %s to take the salt from",
                     from + 4);
            return false;
        }
        s->len = strlen(value) <= MYSTERY_SALT_MAX ? strlen(value) : sizeof s->bytes;
        memcpy(s->bytes, value, s->len);
    } else if (!read_file(s, from, msg, msg_size)) {
        return false;
    }
    if (s->len > MYSTERY_SALT_MAX) {
        snprintf(msg, msg_size, "the salt %s is longer than %d bytes", from, MYSTERY_SALT_MAX);
        salt_forget(s);
        return false;
    }
    while (s->len > 0 && isspace(s->bytes[s->len - 1]))
        s->len--;
    if (s->len == 0)
        snprintf(msg, msg_size, "the salt %s is empty: put some random words into it", from);
    return s->len > 0;
}

/* The faults of one name or layer; 0: there are none such. */
static uint64_t faults_of(const char *word, size_t len)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        const char *const says[] = {fault_info[i].name, fault_info[i].layer};
        for (int k = 0; k < 2; k++)
            if (strlen(says[k]) == len && memcmp(says[k], word, len) == 0)
                bits |= UINT64_C(1) << i;
    }
    return bits;
}

bool mystery_set(const char *set, uint64_t *faults, char *msg, size_t msg_size)
{
    *faults = set == NULL ? (UINT64_C(1) << FAULT_COUNT) - 1 : 0;
    while (set != NULL && *set != '\0') {
        size_t len = strcspn(set, ",");
        uint64_t bits = faults_of(set, len);
        if (bits == 0) {
            snprintf(msg, msg_size,
                     "'%.*s' is neither a fault nor a layer: write names that `fault list` shows, "
                     "or link, arp, ip, "
                     "icmp, udp, tcp, nf, with commas between",
                     (int)(len < 64 ? len : 64), set);
            return false;
        }
        *faults |= bits;
        set += len + (set[len] == ',');
    }
    if (*faults == 0)
        snprintf(msg, msg_size, "a set of no faults leaves nothing to choose from");
    return *faults != 0;
}

unsigned mystery_choose(const struct salt *s, const char *id, uint64_t faults)
{
    struct hmac_sha256_ctx hmac;
    uint8_t digest[SHA256_DIGEST_SIZE];
    uint64_t number = 0;
    hmac_sha256_set_key(&hmac, s->len, s->bytes);
    hmac_sha256_update(&hmac, strlen(id), (const uint8_t *)id);
    hmac_sha256_digest(&hmac, sizeof digest, digest);
    for (int i = 0; i < 8; i++)
        number = number << 8 | digest[i];
    explicit_bzero(&hmac, sizeof hmac);
    unsigned n = (unsigned)(number % (unsigned)__builtin_popcountll(faults));
    while (n-- > 0)
        faults &= faults - 1;
    return (unsigned)__builtin_ctzll(faults);
}

bool mystery_words(int argc, char *const *argv, unsigned *fault, char *msg, size_t msg_size)
{
    struct salt salt;
    uint64_t faults;
    bool from = argc == 4 && strcmp(argv[2], "from") == 0;
    if (argc != 2 && !from) {
        snprintf(
            msg, msg_size,
            "write SALTFILE ID [from SET]: the salt's file (or env:NAME), whose fault it is, and "
            "from which faults or layers it is chosen");
        return false;
    }
    if (argv[1][0] == '\0' || strlen(argv[1]) > MYSTERY_ID_MAX) {
        snprintf(msg, msg_size, "an id has 1 to %d bytes", MYSTERY_ID_MAX);
        return false;
    }
    if (!mystery_set(from ? argv[3] : NULL, &faults, msg, msg_size) ||
        !salt_read(&salt, argv[0], msg, msg_size))
        return false;
    *fault = mystery_choose(&salt, argv[1], faults);
    salt_forget(&salt);
    return true;
}
