/* A test of explore/runtime/states.h and workers.h alone: states are found again, in any shard, while the store grows; work is done once, by all. */
#define WORDS 2
#include "states.h"
#include "workers.h"

#include <stdio.h>

enum { COUNT = 100000 };

static word random_word(word *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static uint64_t find(const struct states *s, const word *w)
{
    uint64_t *table = (uint64_t *)s->table.memory, hash = hash_of(w), place = home_of(s, hash), entry;
    for (; (entry = table[place]); place = next_place(s, place))
        if (entry >> 32 == (uint32_t)hash && same_state(state_at(s, (uint32_t)entry - 1), w))
            return (uint32_t)entry - 1;
    return UINT64_MAX;
}

static void add(struct states *s, const word *w)
{
    uint64_t *table = (uint64_t *)s->table.memory, hash = hash_of(w), place = home_of(s, hash);
    while (table[place])
        place = next_place(s, place);
    memcpy(state_at(s, s->count), w, WORDS * sizeof(word));
    table[place] = hash << 32 | ++s->count;
}

static atomic_int done[1000];

static void task(void *who, int number, int worker)
{
    atomic_fetch_add(&done[number], 1);
    (void)who, (void)worker;
}

#define CHECK(condition) do { if (!(condition)) { printf("line %d: " #condition "\n", __LINE__); return 1; } } while (0)

int main(void)
{
    struct states s = {0};
    word seed = 88172645463325252u;
    unsigned shards = 0;
    for (uint64_t n = 0; n < COUNT; n++) {
        word w[WORDS] = {n / 3, random_word(&seed)};
        CHECK(states_reserve(&s, 1));
        CHECK(find(&s, w) == UINT64_MAX);
        add(&s, w);
        shards |= 1u << shard_of(hash_of(w));
    }
    CHECK(shards == (1u << SHARDS) - 1);
    seed = 88172645463325252u;
    for (uint64_t n = 0; n < COUNT; n++) {
        word w[WORDS] = {n / 3, random_word(&seed)};
        CHECK(find(&s, w) == n);
        w[0] ^= 1;
        CHECK(find(&s, w) == UINT64_MAX);
    }
    CHECK((s.count << 32) / 10 * 10 <= ((uint64_t)7 << 32 << s.log2) / 10 * 10);
    states_free(&s);

    struct pool pool;
    pool_start(&pool, 3);
    for (int round = 1; round <= 40; round++) {
        parallel(&pool, task, NULL, 1000);
        for (int i = 0; i < 1000; i++)
            CHECK(atomic_load(&done[i]) == round);
    }
    pool_stop(&pool);
    return 0;
}
