/* replay/mapped.h: a file that processes can read without moving it under each other.
 *
 * Theory of operation. A tape is forked between any two steps (tape.h), and a file's offset is
 * shared by parent and child. So the file is mapped, and read through a stream over the mapping:
 * where the stream stands is then a number in the memory of each process. What can't be mapped (a
 * pipe) is read into memory first.
 */
#ifndef REPLAY_MAPPED_H
#define REPLAY_MAPPED_H

#include <stdio.h>

struct mapped {
    void *base; /* NULL: an empty file */
    size_t len;
};
/* Opens the file ("-": standard input) and a stream over it, which is the caller's to close, before
 * mapped_close. NULL: msg says why. A file that is cut off later by others ends the process that
 * reads there. */
FILE *mapped_open(struct mapped *m, const char *name, char *msg, size_t msg_size);
/* Another stream over it, from its beginning. NULL: no memory. */
FILE *mapped_again(const struct mapped *m);
void mapped_close(struct mapped *m);
/* From now on a mapped file that somebody else cuts off ends this process with a sentence and EXIT_FAILED instead of SIGBUS
 * (mmap(2)): a recording that is stopped while it is replayed, say. A tape's process goes without: its console tells what
 * became of it. */
void mapped_guard(void);

#endif
