/* tapdeck/doctor.h: says what this machine lacks, and the command that mends it. */
#ifndef TAPDECK_DOCTOR_H
#define TAPDECK_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

/* What doctor asks the machine; a test answers instead. */
struct doctor_machine {
    bool root;
    bool (*exists)(const char *path);
    /* Can a TAP device be made, in a network namespace of one's own? 0 or an errno. */
    int (*try_tap)(bool user_namespace);
    /* The contents of a small file without its newline; false: can't be read. */
    bool (*read_word)(const char *path, char *dst, size_t size);
    int (*try_epoll_pwait2)(void); /* 0 or an errno */
    /* 1 installed, 0 not, -1: this is not Debian. */
    int (*package)(const char *name);
    FILE *packages; /* scripts/packages.txt, or NULL */
    bool (*run_dir)(char *dst, size_t size, char *msg, size_t msg_size);
};

/* Writes its findings to out; the exit status: 0 nothing that is needed is missing, 1 something is.
 */
int doctor(const struct doctor_machine *m, FILE *out);

/* The command: words after `doctor`. */
int doctor_main(int argc, char **argv);

#endif
