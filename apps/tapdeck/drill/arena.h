/* drill/arena.h: memory that is given back all at once: a script's tree. */
#ifndef DRILL_ARENA_H
#define DRILL_ARENA_H

#include <stddef.h>

struct drill_arena;
struct drill_arena *arena_new(void); /* NULL: no memory */
void arena_free(struct drill_arena *a);
/* n zeroed bytes, aligned for anything. NULL: no memory. */
void *arena_alloc(struct drill_arena *a, size_t n);
/* A NUL-terminated copy of n bytes. NULL: no memory. */
char *arena_copy(struct drill_arena *a, const char *s, size_t n);

#endif
