/* Shifts the wall clock of a program and of its children by SHIFT_SECONDS: for LD_PRELOAD, see `run` beside this.
 *
 * Debian's libfaketime (0.9.10) does not do: with the monotonic clock left alone Python's time.sleep fails (EINVAL), and
 * with it faked too, Python's waits with a time-out never end. Here the monotonic clock is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Larger than any time since boot: what is above it are Unix seconds. */
#define UNIX_SECONDS 1000000000

static time_t shift(void) {
    static time_t seconds;
    static int is_read;
    if (!is_read) {
        const char *text = getenv("SHIFT_SECONDS");
        seconds = text ? atol(text) : 0;
        is_read = 1;
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += shift();
    return result;
}

time_t time(time_t *stored) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stored) *stored = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* The moments until which somebody waits, back by the kernel's clock. */
static struct timespec real(const struct timespec *until) {
    struct timespec back = *until;
    if (back.tv_sec > UNIX_SECONDS) back.tv_sec -= shift();
    return back;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    struct timespec until = flags & TIMER_ABSTIME ? real(wanted) : *wanted;
    return syscall(SYS_clock_nanosleep, clock, flags, &until, left) == 0 ? 0 : errno;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    static int (*next)(sem_t *, const struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec back = real(until);
    return next(semaphore, &back);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    /* The default version; an older one of the same name has another layout. */
    if (!next) next = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next) next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec back = real(until);
    return next(condition, mutex, &back);
}
