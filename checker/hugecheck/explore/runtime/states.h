/*
 * states.h: every state found so far, exactly, in the order of discovery.
 *
 * `arena` holds the packed states one after the other; a state is its number. `table` finds them: open addressing with linear probing, one 64-bit entry
 * each: the low half of the hash and number + 1 (0: free). The upper bits of the hash say where to look first; its uppermost SHARD_BITS choose a part of
 * the table that one worker at a time owns, so that no entry is ever contended for.
 *
 * Entries with PROVISIONAL name a candidate of the block at hand instead of a state.
 */
#ifndef HUGECHECK_STATES_H
#define HUGECHECK_STATES_H

#include "model.h"
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { SHARD_BITS = 2, SHARDS = 1 << SHARD_BITS };
#define MAX_STATES ((uint64_t)0x7fffffff)
#define PROVISIONAL ((uint64_t)0x80000000)
#define NO_PARENT ((uint32_t)0xffffffff)

/* A block of memory that grows without being copied where the system can do that; in huge pages where it has them. */
struct region {
    unsigned char *memory;
    size_t size;
};

static int region_grow(struct region *r, size_t size)
{
    const size_t unit = (size_t)2 << 20;
    size = (size + unit - 1) / unit * unit;
    if (size <= r->size)
        return 1;
#ifdef __linux__
    void *memory = r->memory == NULL ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                                     : mremap(r->memory, r->size, size, MREMAP_MAYMOVE);
    if (memory == MAP_FAILED)
        return 0;
    if (size >= 8 * unit)
        madvise(memory, size, MADV_HUGEPAGE);
#else
    void *memory = realloc(r->memory, size);
    if (memory == NULL)
        return 0;
    memset((unsigned char *)memory + r->size, 0, size - r->size);
#endif
    r->memory = memory;
    r->size = size;
    return 1;
}

static void region_free(struct region *r)
{
#ifdef __linux__
    if (r->memory != NULL)
        munmap(r->memory, r->size);
#else
    free(r->memory);
#endif
    r->memory = NULL;
    r->size = 0;
}

struct states {
    struct region arena, parents, table;
    uint64_t count, capacity;   /* of the arena, in states */
    int log2;                   /* of the number of entries of the table */
};

static inline word *state_at(const struct states *s, uint64_t number)
{
    return (word *)s->arena.memory + number * WORDS;
}

static inline uint64_t hash_of(const word *w)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < WORDS; i++) {
        unsigned __int128 product = (unsigned __int128)(w[i] ^ h) * 0xd6e8feb86659fd93u;
        h = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return h * 0xff51afd7ed558ccdu ^ h >> 32;
}

static inline int same_state(const word *a, const word *b)
{
    word difference = 0;
    for (int i = 0; i < WORDS; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

static inline unsigned shard_of(uint64_t hash) { return (unsigned)(hash >> (64 - SHARD_BITS)); }
static inline uint64_t home_of(const struct states *s, uint64_t hash) { return hash >> (64 - s->log2); }

/* The place after `position`, staying within its shard. */
static inline uint64_t next_place(const struct states *s, uint64_t position)
{
    uint64_t inside = ((uint64_t)1 << (s->log2 - SHARD_BITS)) - 1;
    return (position & ~inside) | ((position + 1) & inside);
}

/* Room for `more` states, in arena and table. 0: no memory. */
static int states_reserve(struct states *s, uint64_t more)
{
    uint64_t needed = s->count + more;
    if (needed > s->capacity) {
        uint64_t capacity = s->capacity + s->capacity / 2;
        if (capacity < needed)
            capacity = needed;
        if (capacity < 4096)
            capacity = 4096;
        if (!region_grow(&s->arena, capacity * WORDS * sizeof(word)) || !region_grow(&s->parents, capacity * sizeof(uint32_t)))
            return 0;
        s->capacity = capacity;
    }
    int log2 = s->log2 ? s->log2 : 14;
    while (needed * 10 > ((uint64_t)1 << log2) * 7)
        log2++;
    if (log2 == s->log2)
        return 1;
    struct region old = s->table;
    s->table = (struct region){NULL, 0};
    if (!region_grow(&s->table, sizeof(uint64_t) << log2)) {
        s->table = old;
        return 0;
    }
    s->log2 = log2;
    region_free(&old);
    uint64_t *table = (uint64_t *)s->table.memory;
    uint64_t ahead[16];
    for (uint64_t n = 0; n < s->count + 16; n++) {
        if (n >= 16) {
            uint64_t hash = ahead[n % 16], position = home_of(s, hash);
            while (table[position])
                position = next_place(s, position);
            table[position] = hash << 32 | (n - 16 + 1);
        }
        if (n < s->count) {
            ahead[n % 16] = hash_of(state_at(s, n));
            __builtin_prefetch(&table[home_of(s, ahead[n % 16])], 1);
        }
    }
    return 1;
}

static void states_free(struct states *s)
{
    region_free(&s->arena);
    region_free(&s->parents);
    region_free(&s->table);
}

#endif
