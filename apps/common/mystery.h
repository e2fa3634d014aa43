/* common/mystery.h: which fault a student is given: the same for the daemon, which switches it on,
 * and for the instructor's client, which computes the answer without it.
 *
 * Theory of operation. The candidates are the faults of the catalogue (core/faults.def), in its
 * order, that SET names; without SET all of them. With h the HMAC-SHA256 (RFC 2104, FIPS 180-4) of
 * the student's id, keyed with the instructor's salt, the choice is candidate number (the first 8
 * octets of h as a big-endian number) modulo (how many candidates there are), counted from 0.
 * Whoever has the salt can compute it by hand:
 *
 *     printf %s alice | openssl dgst -sha256 -hmac "$(cat salt)"
 *
 * The salt is a file's content without the white space at its end, or, as env:NAME, an environment
 * variable's: it never stands in a command's words, where `ps` and the history would show it.
 */
#ifndef APPS_COMMON_MYSTERY_H
#define APPS_COMMON_MYSTERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYSTERY_SALT_MAX 4096
#define MYSTERY_ID_MAX   128

struct salt {
    size_t len;
    uint8_t bytes[MYSTERY_SALT_MAX + 1];
};
/* From FILE or env:NAME. False: msg is one sentence, which tells nothing of the content. */
bool salt_read(struct salt *s, const char *from, char *msg, size_t msg_size);
void salt_forget(struct salt *s); /* overwrites it */

/* The faults that SET means, as bits of enum fault_id: names and layers (tcp, ip …) with commas
 * between; NULL: all. */
bool mystery_set(const char *set, uint64_t *faults, char *msg, size_t msg_size);
/* The choice among `faults` (not 0): an enum fault_id. */
unsigned mystery_choose(const struct salt *s, const char *id, uint64_t faults);
/* The words SALTFILE ID [from SET] at argv[0], all or a sentence. */
bool mystery_words(int argc, char *const *argv, unsigned *fault, char *msg, size_t msg_size);

#endif
