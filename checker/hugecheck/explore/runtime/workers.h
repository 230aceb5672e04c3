/*
 * workers.h: the same piece of work for many numbers, spread over a few threads.
 *
 * The caller is worker 0 and works too. The others sleep between pieces of work only when nothing comes for a while: pieces follow each other
 * within microseconds.
 */
#ifndef HUGECHECK_WORKERS_H
#define HUGECHECK_WORKERS_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MAX_WORKERS = 16, SPINS = 2000 };

typedef void (*work)(void *who, int number, int worker);

struct pool {
    int workers;
    pthread_t threads[MAX_WORKERS];
    atomic_int generation, next, busy, over;
    work task;
    void *who;
    int count, started;
};

struct seat {
    struct pool *pool;
    int worker;
};

static void work_on(struct pool *p, int worker)
{
    int number;
    while ((number = atomic_fetch_add(&p->next, 1)) < p->count)
        p->task(p->who, number, worker);
}

static void *sit(void *argument)
{
    struct seat seat = *(struct seat *)argument;
    struct pool *p = seat.pool;
    free(argument);
    int seen = 0;
    for (;;) {
        for (int spins = 0; atomic_load(&p->generation) == seen; spins++)
            if (spins > SPINS)
                sched_yield();
        seen = atomic_load(&p->generation);
        if (atomic_load(&p->over))
            return NULL;
        work_on(p, seat.worker);
        atomic_fetch_sub(&p->busy, 1);
    }
}

/* Do `task` for 0 .. count-1; back when all is done. */
static void parallel(struct pool *p, work task, void *who, int count)
{
    if (p->started == 0 || count < 2) {
        for (int number = 0; number < count; number++)
            task(who, number, 0);
        return;
    }
    p->task = task;
    p->who = who;
    p->count = count;
    atomic_store(&p->next, 0);
    atomic_store(&p->busy, p->started);
    atomic_fetch_add(&p->generation, 1);
    work_on(p, 0);
    while (atomic_load(&p->busy) > 0)
        sched_yield();
}

static void pool_start(struct pool *p, int workers)
{
    *p = (struct pool){0};
    p->workers = workers > MAX_WORKERS ? MAX_WORKERS : workers;
    for (int i = 1; i < p->workers; i++) {
        struct seat *seat = malloc(sizeof *seat);
        if (seat == NULL)
            return;
        *seat = (struct seat){p, i};
        if (pthread_create(&p->threads[i], NULL, sit, seat) != 0) {
            free(seat);
            return;
        }
        p->started++;
    }
}

static void pool_stop(struct pool *p)
{
    atomic_store(&p->over, 1);
    atomic_fetch_add(&p->generation, 1);
    for (int i = 1; i <= p->started; i++)
        pthread_join(p->threads[i], NULL);
    p->started = 0;
}

#endif
