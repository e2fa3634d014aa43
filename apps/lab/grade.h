/* lab/grade.h: many submissions of one lab, and their marks.
 *
 * Theory of operation. A submission is a folder: answers.txt, NODE.conf with console commands for a node, and whatever other
 * files the lab names. Its folder's name is the student's id. Each is judged in a process of its own, in a network built for it
 * alone, in virtual time: so the marks depend on the submission, the lab, the salt and nothing else, and forty take seconds.
 *
 * Nobody knows what is in a submission: its commands may try to read other people's files, to fill the disk, to run for ever.
 * So that process sees a file system in which there are only the lab (without its solution) and the submission, both read-only, and
 * an empty folder in memory; has no network but its simulated one; has limits of time, memory and file size; and sees no
 * process but its own (sandbox.c). What it has to say comes over a pipe, as JSON, of a bounded length. It tells in shared
 * memory which line it is at: so when it is ended, by itself or by a limit, that line is named, and its points are none.
 */
#ifndef LAB_GRADE_H
#define LAB_GRADE_H

#include <jansson.h>
#include <stdio.h>

#include "lab/check.h"

struct grade_options {
    const char *lab;         /* its folder */
    const struct salt *salt; /* NULL: none */
    const char *id;          /* of all submissions; NULL: their folders' names */
    unsigned seconds;        /* of the wall clock, for each */
    unsigned jobs;           /* at once */
    bool open;               /* no sandbox: where the machine allows none, and for one's own work */
};
/* Judges DIR; a JSON object:
 *     {"lab", "id", "dir", "points", "of", "tasks": [{"id", "title", "holds", "points", "of", "why", "came", "hint"}],
 *      "said": ["r1.conf:3: …"], "failed": "sentence: it crashed, or took too long"}
 * `failed` only where it applies; the tasks are none then. NULL: a sentence, about the lab and not the submission. */
json_t *grade(const struct grade_options *o, const char *dir, char *msg, size_t msg_size);
/* All of them, `jobs` at once; an array in their order. progress may be NULL. */
json_t *grade_all(const struct grade_options *o, char *const *dirs, size_t n, void (*progress)(void *ctx, size_t done), void *ctx,
                  char *msg, size_t msg_size);

/* What one submission gets, in a world that is built and configured: the object above, without `dir`. place: 256 bytes that tell
 * what is being looked at, or NULL. said is consumed. */
json_t *lab_result(struct lab_world *w, const struct lab *l, const struct lab_work *work, const char *id, char *place, json_t *said);
/* Adds each line of a text; changes it. */
void lab_said(json_t *said, char *lines);

/* ---- marks.c: what is made of an array of results ---- */
void marks_text(const json_t *results, bool hints, FILE *out);
void marks_csv(const json_t *results, FILE *out);
void marks_junit(const json_t *results, FILE *out);
/* One submission's results.json, as Gradescope's autograder reads it. */
json_t *marks_gradescope(const json_t *result);

/* ---- sandbox.c ---- */
struct sandbox {
    const char *lab, *work; /* folders; they become /lab/NAME and /work, read-only; the lab's solution and wrong are empty there */
    unsigned seconds;       /* of processor time */
    uint64_t memory;        /* bytes */
};
/* For the process that calls it and, because of the new process namespace, in a child that this makes: returns there. The caller's
 * own process waits for it and ends with its status (128 + the signal's number). False: a sentence, nothing has changed but what
 * was unshared. */
bool sandbox_enter(const struct sandbox *s, char *msg, size_t msg_size);
/* Limits alone. */
void sandbox_limit(const struct sandbox *s);

#endif
