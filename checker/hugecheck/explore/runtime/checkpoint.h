/*
 * checkpoint.h: a search as a file, between two blocks, to go on from there.
 *
 * The states and their parents are the bulk; the table is built again from them. The file is good for the engine that wrote it only: `key` says which that
 * was (a hash of the generated text), and everything is as it lies in memory.
 */
#ifndef HUGECHECK_CHECKPOINT_H
#define HUGECHECK_CHECKPOINT_H

#include <stdio.h>

#include "search.h"

static const char CHECKPOINT_MAGIC[16] = "hugecheck 1";

struct checkpoint {
    char magic[16];
    uint64_t key, count, level, level_end, next, transitions, depth;
    int32_t undecided, words, clauses, spans;
};

static int put_bytes(FILE *file, const void *from, size_t size) { return fwrite(from, 1, size, file) == size; }
static int get_bytes(FILE *file, void *to, size_t size) { return fread(to, 1, size, file) == size; }

/* Everything beside states and parents, in or out. */
static int transfer(FILE *file, struct search *g, int (*move)(FILE *, void *, size_t))
{
    int ok = move(file, g->open, sizeof g->open) && move(file, g->has, sizeof g->has) && move(file, g->started, sizeof g->started)
        && move(file, g->refused_at, sizeof g->refused_at) && move(file, g->refused_call, sizeof g->refused_call);
    for (int i = 0; ok && i <= CLAUSES; i++) {
        struct finding *f = &g->found[i];
        value *kept = f->choices;
        ok = move(file, f, sizeof *f);
        f->choices = kept;
        if (ok && f->choice_count) {
            if (f->choices == NULL)
                f->choices = malloc(f->choice_count * sizeof(value));
            ok = f->choices != NULL && move(file, f->choices, f->choice_count * sizeof(value));
        }
    }
    return ok;
}

static int write_bytes(FILE *file, void *from, size_t size) { return put_bytes(file, from, size); }

/* Only when the search does not run. 0: the file could not be written. */
int search_save(struct search *g, const char *path, uint64_t key)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return 0;
    struct checkpoint c = {.key = key, .count = g->states.count, .level = g->level, .level_end = g->level_end, .next = g->next,
        .transitions = g->report->transitions, .depth = g->report->depth, .undecided = g->undecided, .words = WORDS, .clauses = CLAUSES,
        .spans = CALL_SPANS};
    memcpy(c.magic, CHECKPOINT_MAGIC, sizeof c.magic);
    int ok = put_bytes(file, &c, sizeof c) && transfer(file, g, write_bytes)
        && put_bytes(file, g->states.arena.memory, c.count * WORDS * sizeof(word))
        && put_bytes(file, g->states.parents.memory, c.count * sizeof(uint32_t))
        && put_bytes(file, CHECKPOINT_MAGIC, sizeof c.magic);
    return (fclose(file) == 0) && ok;
}

/* Into a search that has not run yet. 0: not a (whole) checkpoint of this engine, or no memory; the search is of no use then. */
int search_restore(struct search *g, const char *path, uint64_t key)
{
    FILE *file = fopen(path, "rb");
    struct checkpoint c;
    struct states *s = &g->states;
    char end[sizeof c.magic];
    if (file == NULL)
        return 0;
    int ok = get_bytes(file, &c, sizeof c) && memcmp(c.magic, CHECKPOINT_MAGIC, sizeof c.magic) == 0 && c.key == key && c.words == WORDS
        && c.clauses == CLAUSES && c.spans == CALL_SPANS && c.count <= MAX_STATES && transfer(file, g, get_bytes)
        && states_reserve(s, c.count) && get_bytes(file, s->arena.memory, c.count * WORDS * sizeof(word))
        && get_bytes(file, s->parents.memory, c.count * sizeof(uint32_t)) && get_bytes(file, end, sizeof end)
        && memcmp(end, CHECKPOINT_MAGIC, sizeof end) == 0;
    fclose(file);
    if (!ok)
        return 0;
    s->count = c.count;
    s->log2 = 0;
    region_free(&s->table);
    g->level = c.level;
    g->level_end = c.level_end;
    g->next = c.next;
    g->undecided = c.undecided;
    g->report->transitions = c.transitions;
    g->report->depth = c.depth;
    return states_reserve(s, 0);
}

#endif
