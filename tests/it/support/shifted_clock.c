// A clock that is off, for a server that is started with this in LD_PRELOAD: CLOCK_AHEAD seconds, which may be negative; and CLOCK_STEP
// microseconds more with each look, as on a machine that is too busy to look twice within a millisecond.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
    const char *text = getenv("CLOCK_AHEAD");
    return text ? atol(text) : 0;
}

static long long stepped(void) {
    static long long looks;
    const char *text = getenv("CLOCK_STEP");
    return text ? __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED) * atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        long long nanoseconds = now->tv_nsec + stepped() * 1000;
        now->tv_sec += ahead() + nanoseconds / 1000000000;
        now->tv_nsec = nanoseconds % 1000000000;
    }
    return done;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    int done = clock_gettime(CLOCK_REALTIME, &precise);
    (void)zone;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return done;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
