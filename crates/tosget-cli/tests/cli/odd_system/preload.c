/* A system that answers as it is told: loaded before the C library, it makes named calls fail. The rules stand in the
 * variable ODD_SYSTEM; `odd_system/mod.rs` says how they read. Each use of a rule adds a line to the file ODD_SYSTEM_LOG. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST_RULES 32
#define EVERY_CALL -1

enum action { FAIL, DROP, HANG, KILL, WAIT, OTHER_INODE, DONE_BUT };

struct rule {
    char call[24];
    char action_text[24];
    enum action action;
    int number; /* errno, or milliseconds */
    long from, to; /* counted from 1, both included */
    long offset; /* of the file, from which on a write or read is meant */
    char path[512];
    atomic_long seen;
};

static struct rule rules[MOST_RULES];
static int rule_count;
static int log_fd = -1;
static __thread int inside;

static const struct { const char *name; int number; } ERRNOS[] = {
#define E(name) { #name, name }
    E(EACCES), E(EADDRNOTAVAIL), E(EAGAIN), E(EBADF), E(EBUSY), E(ECONNREFUSED), E(EDQUOT), E(EEXIST), E(EFBIG), E(EINTR),
    E(EINVAL), E(EIO), E(EISDIR), E(ELOOP), E(EMFILE), E(EMLINK), E(ENAMETOOLONG), E(ENETUNREACH), E(ENFILE), E(ENOBUFS),
    E(ENODEV), E(ENOENT), E(ENOLCK), E(ENOMEM), E(ENOSPC), E(ENOSYS), E(ENOTDIR), E(ENOTTY), E(ENXIO), E(EOPNOTSUPP),
    E(EPERM), E(EROFS), E(ESPIPE), E(ESTALE), E(ETIMEDOUT), E(ETXTBSY), E(EXDEV),
};

static void give_up(const char *why, const char *what) {
    dprintf(2, "ODD_SYSTEM: %s: %s\n", why, what);
    _exit(99);
}

static void parse_action(struct rule *rule) {
    const char *text = rule->action_text;
    if (!strcmp(text, "drop")) { rule->action = DROP; return; }
    if (!strcmp(text, "hang")) { rule->action = HANG; return; }
    if (!strcmp(text, "kill")) { rule->action = KILL; return; }
    if (!strcmp(text, "other-inode")) { rule->action = OTHER_INODE; return; }
    if (!strncmp(text, "wait", 4)) { rule->action = WAIT; rule->number = atoi(text + 4); return; }
    rule->action = strncmp(text, "done-", 5) ? FAIL : DONE_BUT;
    if (rule->action == DONE_BUT) text += 5;
    for (size_t i = 0; i < sizeof ERRNOS / sizeof *ERRNOS; i++)
        if (!strcmp(text, ERRNOS[i].name)) { rule->number = ERRNOS[i].number; return; }
    give_up("no such action", text);
}

static void parse_when(struct rule *rule, const char *text) {
    rule->from = 1; rule->to = __LONG_MAX__; rule->offset = EVERY_CALL;
    if (!strcmp(text, "*")) return;
    if (*text == '@') { rule->offset = atol(text + 1); return; }
    char *end;
    rule->from = rule->to = strtol(text, &end, 10);
    if (rule->from < 1) give_up("not a count", text);
    if (*end == '-') rule->to = end[1] ? atol(end + 1) : __LONG_MAX__;
}

/* The library asks the kernel for these itself, so only the kernel can refuse them, and each time. */
static void refuse_in_kernel(const struct rule *rule) {
    static const struct { const char *name; long number; } DIRECT[] = {
        { "fallocate", SYS_fallocate }, { "fadvise", SYS_fadvise64 }, { "fstatfs", SYS_fstatfs },
    };
    for (size_t i = 0; i < sizeof DIRECT / sizeof *DIRECT; i++) {
        if (strcmp(rule->call, DIRECT[i].name)) continue;
        struct sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DIRECT[i].number, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | rule->number),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            give_up("seccomp", strerror(errno));
    }
}

__attribute__((constructor)) static void read_rules(void) {
    const char *log = getenv("ODD_SYSTEM_LOG");
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    /* Out of the way of tests that count or limit descriptors. */
    if (log_fd >= 0) { int high = fcntl(log_fd, F_DUPFD_CLOEXEC, 900); if (high >= 0) { close(log_fd); log_fd = high; } }
    const char *text = getenv("ODD_SYSTEM");
    if (!text) return;
    char *copy = strdup(text), *rest = copy, *line;
    while ((line = strsep(&rest, "\n"))) {
        if (!*line) continue;
        if (rule_count == MOST_RULES) give_up("too many rules", line);
        struct rule *rule = &rules[rule_count];
        char when[24];
        if (sscanf(line, "%23s %23s %23s %511[^\n]", rule->call, rule->action_text, when, rule->path) < 3)
            give_up("not a rule", line);
        parse_action(rule);
        parse_when(rule, when);
        rule_count++;
        refuse_in_kernel(rule);
    }
    free(copy);
}

static void note(const struct rule *rule, const char *path) {
    if (log_fd < 0) return;
    char line[1024];
    int length = snprintf(line, sizeof line, "%s %s %s\n", rule->call, rule->action_text, path);
    syscall(SYS_write, log_fd, line, length < (int)sizeof line ? length : (int)sizeof line);
}

/* Whether a path has the rule's text in it, or at its end where the text ends in `$`. */
static int fits(const char *text, const char *path) {
    size_t length = strlen(text), all = strlen(path);
    if (!length || text[length - 1] != '$') return strstr(path, text) != NULL;
    length--;
    return all >= length && !strncmp(path + all - length, text, length);
}

/* The rule that holds for this call, if there is one. `end` is the file offset that a write or read would get to. */
static struct rule *rule_for(const char *call, const char *path, long end) {
    for (int i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if (strcmp(rule->call, call) || !fits(rule->path, path)) continue;
        if (rule->offset != EVERY_CALL) {
            if (end <= rule->offset) continue;
        } else {
            long seen = atomic_fetch_add(&rule->seen, 1) + 1;
            if (seen < rule->from || seen > rule->to) continue;
        }
        return rule;
    }
    return NULL;
}

enum outcome { GO_ON, REFUSED, DROPPED, INODE, DONE };

static enum outcome judge_path(const char *call, const char *path, long end) {
    if (!rule_count || inside) return GO_ON;
    int before = errno;
    inside = 1;
    struct rule *rule = rule_for(call, path ? path : "", end);
    if (rule) note(rule, path ? path : "");
    enum outcome outcome = GO_ON;
    if (rule) switch (rule->action) {
    case FAIL: before = rule->number; outcome = REFUSED; break;
    case DROP: outcome = DROPPED; break;
    case OTHER_INODE: outcome = INODE; break;
    case DONE_BUT: before = rule->number; outcome = DONE; break;
    case KILL: syscall(SYS_kill, getpid(), SIGKILL); break;
    case HANG: for (;;) { struct timespec day = { 86400, 0 }; nanosleep(&day, NULL); }
    case WAIT: {
        struct timespec left = { rule->number / 1000, rule->number % 1000 * 1000000L };
        while (nanosleep(&left, &left) && errno == EINTR) {}
        break;
    }
    }
    inside = 0;
    errno = before;
    return outcome;
}

static enum outcome judge_fd(const char *call, int fd, long end) {
    if (!rule_count || inside) return GO_ON;
    int before = errno;
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    errno = before;
    return judge_path(call, path, end);
}

#define NEXT(name) ({ static __typeof__(&name) next; if (!next) next = dlsym(RTLD_NEXT, #name); next; })
#define JUDGED(judge, dropped) switch (judge) { case REFUSED: return -1; case DROPPED: return dropped; default: break; }

#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    JUDGED(judge_path(flags & O_CREAT ? "create" : "open", path, 0), -1) return NEXT(name)(path, flags, mode); }
OPEN(open)
OPEN(open64)
#define OPENAT(name) int name(int at, const char *path, int flags, ...) { \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    JUDGED(judge_path(flags & O_CREAT ? "create" : "open", path, 0), -1) return NEXT(name)(at, path, flags, mode); }
OPENAT(openat)
OPENAT(openat64)

#define ON_FD(call, name) int name(int fd) { JUDGED(judge_fd(call, fd, 0), 0) return NEXT(name)(fd); }
ON_FD("fsync", fsync)
ON_FD("fsync", fdatasync)
#define ON_FD_AND(call, name, type) int name(int fd, type other) { JUDGED(judge_fd(call, fd, 0), 0) return NEXT(name)(fd, other); }
ON_FD_AND("truncate", ftruncate, off_t)
ON_FD_AND("truncate", ftruncate64, off64_t)
ON_FD_AND("flock", flock, int)
ON_FD_AND("chmod", fchmod, mode_t)
int fchown(int fd, uid_t user, gid_t group) { JUDGED(judge_fd("chown", fd, 0), 0) return NEXT(fchown)(fd, user, group); }
int futimens(int fd, const struct timespec times[2]) { JUDGED(judge_fd("utime", fd, 0), 0) return NEXT(futimens)(fd, times); }

ssize_t write(int fd, const void *bytes, size_t length) {
    JUDGED(judge_fd("write", fd, 0), (ssize_t)length)
    return NEXT(write)(fd, bytes, length);
}
#define PWRITE(name, type) ssize_t name(int fd, const void *bytes, size_t length, type at) { \
    JUDGED(judge_fd("write", fd, at + (long)length), (ssize_t)length) return NEXT(name)(fd, bytes, length, at); }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
ssize_t read(int fd, void *bytes, size_t length) {
    JUDGED(judge_fd("read", fd, 0), 0)
    return NEXT(read)(fd, bytes, length);
}
#define PREAD(name, type) ssize_t name(int fd, void *bytes, size_t length, type at) { \
    JUDGED(judge_fd("read", fd, at + (long)length), 0) return NEXT(name)(fd, bytes, length, at); }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

#define ON_PATH(call, name) int name(const char *path) { JUDGED(judge_path(call, path, 0), 0) return NEXT(name)(path); }
ON_PATH("remove", unlink)
ON_PATH("rmdir", rmdir)
int mkdir(const char *path, mode_t mode) { JUDGED(judge_path("mkdir", path, 0), 0) return NEXT(mkdir)(path, mode); }
int chmod(const char *path, mode_t mode) { JUDGED(judge_path("chmod", path, 0), 0) return NEXT(chmod)(path, mode); }
DIR *opendir(const char *path) { return judge_path("open", path, 0) ? NULL : NEXT(opendir)(path); }

/* Rules for `rename` and `link` mean the new name, or the old one with the call `rename-from` or `link-from`. */
int rename(const char *from, const char *to) {
    JUDGED(judge_path("rename-from", from, 0), 0)
    enum outcome outcome = judge_path("rename", to, 0);
    JUDGED(outcome, 0)
    int told = errno, result = NEXT(rename)(from, to);
    if (outcome != DONE || result) return result;
    errno = told;
    return -1;
}
int link(const char *from, const char *to) {
    JUDGED(judge_path("link-from", from, 0), 0) JUDGED(judge_path("link", to, 0), 0)
    return NEXT(link)(from, to);
}
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    JUDGED(judge_path("link-from", from, 0), 0) JUDGED(judge_path("link", to, 0), 0)
    return NEXT(linkat)(from_at, from, to_at, to, flags);
}

int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict stat) {
    /* Who looks whether the kernel knows this call gives no path; the header says that can't be. */
    const char *volatile given = path;
    int is_open = !given || !*given;
    enum outcome outcome = is_open ? judge_fd("fstat", at, 0) : judge_path("stat", path, 0);
    if (outcome == REFUSED) return -1;
    int result = NEXT(statx)(at, path, flags, mask, stat);
    if (outcome == INODE && result == 0) stat->stx_ino += 1000000007;
    return result;
}
#define STAT(call, name, judge, first) int name(first what, struct stat64 *stat) { \
    enum outcome outcome = judge(call, what, 0); if (outcome == REFUSED) return -1; \
    int result = NEXT(name)(what, stat); if (outcome == INODE && result == 0) stat->st_ino += 1000000007; return result; }
STAT("stat", stat64, judge_path, const char *)
STAT("stat", lstat64, judge_path, const char *)
STAT("fstat", fstat64, judge_fd, int)

/* Without a path. */
int socket(int family, int type, int protocol) { JUDGED(judge_path("socket", "", 0), -1) return NEXT(socket)(family, type, protocol); }
int connect(int fd, const struct sockaddr *to, socklen_t length) {
    JUDGED(judge_path("connect", "", 0), 0)
    return NEXT(connect)(fd, to, length);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    if (judge_path("thread", "", 0) == REFUSED) return errno;
    return NEXT(pthread_create)(thread, attributes, start, argument);
}
