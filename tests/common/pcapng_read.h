/* tests/common/pcapng_read.h: pcapng read block by block, to look at what was written: every option
 * is seen, which readers of captures pass over. */
#ifndef TESTS_PCAPNG_READ_H
#define TESTS_PCAPNG_READ_H

#include "dev/pcapng.h"

#define PCAPNG_INTERFACES 256
struct pcapng_reader { /* zeroed: at the beginning of a file */
    bool big_endian, in_section;
    unsigned ninterfaces;
    struct {
        uint16_t linktype;
        uint8_t tsresol; /* as in the file: 9 = nanoseconds, 0x80 | n = 2^-n */
        char name[32];
        uint32_t snaplen;
    } interface[PCAPNG_INTERFACES];
};

struct pcapng_block {
    uint32_t type;
    size_t len;          /* of all of it */
    const uint8_t *body; /* of the buffer that was read */
    size_t body_len;
    struct pcapng_packet packet; /* PCAPNG_PACKET: points into the buffer */
};
/* Looks at the block that begins at b, of which n bytes are there. 1: *block holds it; 0: there is
 * less than a whole block; -1: that is no pcapng (msg says why). A block of an unknown kind is 1
 * too. */
int pcapng_read(struct pcapng_reader *r, const uint8_t *b, size_t n, struct pcapng_block *block,
                char *msg, size_t msg_size);
/* The next option of a block's body, beginning at *at (for the first: where the options begin,
 * which pcapng_options says). False: no more. */
size_t pcapng_options(const struct pcapng_reader *r, const struct pcapng_block *block);
bool pcapng_option(const struct pcapng_reader *r, const struct pcapng_block *block, size_t *at,
                   uint16_t *code, const uint8_t **value, uint16_t *len);

#endif
