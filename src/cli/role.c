/* What the roles share: their beginning, their confinement. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_internal.h"
#include "link/link.h"
#include "observe/observe.h"
#include "sys/confine.h"

const char *const role_reads[] = {"/etc/resolv.conf",
                                  "/etc/hosts",
                                  "/etc/nsswitch.conf",
                                  "/etc/host.conf",
                                  "/etc/gai.conf",
                                  "/etc/services",
                                  "/etc/ssl",
                                  "/etc/ca-certificates",
                                  "/etc/gnutls",
                                  "/etc/ld.so.cache",
                                  "/etc/localtime",
                                  "/usr/share/ca-certificates",
                                  "/usr/share/zoneinfo",
                                  "/run/systemd/resolve",
                                  "/usr/lib",
                                  "/usr/lib64",
                                  "/lib",
                                  "/lib64",
                                  "/proc/self",
                                  "/proc/sys",
                                  "/sys/devices/system/cpu",
                                  "/dev/urandom",
                                  "/dev/null",
                                  NULL};

int role_fd(const struct option *o)
{
    int64_t fd;
    return o->value && str_to_i64(str_from(o->value), &fd) && fd >= 0 && fd < 65536 ? (int)fd : -1;
}

void role_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
    sigprocmask(SIG_BLOCK, ret, NULL);
}

bool role_begin(struct role_start *r, struct option *own, size_t own_n, int argc, char **argv)
{
    enum log_level level;
    r->options = (struct options){.own = own, .own_n = own_n};
    if (!options_read(&r->options, argc, argv) ||
        !log_level_parse(str_from(r->options.config.log_level), &level))
        return false;
    r->control_fd = r->ready_fd = -1;
    for (size_t i = 0; i < own_n; i++) {
        if (strcmp(own[i].name, "control-fd") == 0)
            r->control_fd = role_fd(&own[i]);
        if (strcmp(own[i].name, "ready-fd") == 0)
            r->ready_fd = role_fd(&own[i]);
    }
    sys_harden();
    log_open(2, level);
    return r->ready_fd >= 0;
}

/* Files and sockets know users, not roles: with one user `api` may speak to the vault as its
 * operator, when its database is behind a socket. */
static bool shares_user(const struct config *c, const char *user)
{
    const char *const all[] = {c->api_user, c->card_user, c->vault_user};
    uid_t own, other;
    gid_t group;
    int same = 0;
    if (!user[0] || sys_user(user, &own, &group, NULL) != OK)
        return false;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        same += all[i][0] && sys_user(all[i], &other, &group, NULL) == OK && other == own;
    return own == 0 || same > 1;
}

err_t role_confine(const struct config *c, const char *role, const char *user,
                   const char *const *read, const char *const *write, int calls,
                   struct err_info *reterr)
{
    struct confinement wanted = {
        .read = read, .write = write, .user = user, .calls = (enum confine_calls)calls};
    struct confine_report report;
    if (strcmp(c->confinement, "off") == 0)
        return OK;
    bool shared = shares_user(c, user); /* afterwards nobody is known by name */
    err_t err = sys_confine(&wanted, &report, reterr);
    if (!err && shared) {
        size_t n = strlen(report.missing);
        (void)snprintf(report.missing + n, sizeof report.missing - n,
                       "%sIt shares its user with another role, or with root.", n ? " " : "");
    }
    if (err || !report.missing[0])
        return err;
    if (strcmp(c->confinement, "required") == 0)
        return error_set(reterr, ERR_CONFIG,
                         "The role %s cannot be confined: %.300s Mend it, or say `confinement = "
                         "best`.",
                         role, report.missing);
    LOG(LOG_INFO, "role.not_confined", LOG_STR("role", role), LOG_STR("missing", report.missing));
    return OK;
}

bool api_places(const struct config *c, struct api_places *p)
{
    size_t n = 0;
    if (!store_path(c, p->store))
        return false;
    connectors_dir(c, p->connectors);
    for (; role_reads[n] && n < ROLE_READS_MAX - 3; n++)
        p->read[n] = role_reads[n];
    p->read[n++] = p->connectors;
    if (c->bin_table[0])
        p->read[n++] = c->bin_table;
    p->read[n] = NULL;
    p->write[0] = c->data;
    (void)snprintf(p->folder, sizeof p->folder, "%s", p->store);
    char *slash = store_is_remote(p->store) ? NULL : strrchr(p->folder, '/');
    if (slash)
        *slash = 0;
    p->write[1] = store_is_remote(p->store) ? NULL : slash ? p->folder : ".";
    return true;
}

/* Is the database reached over a socket in the file system? Then that must stay possible. */
static bool local_socket(const char *store)
{
    const char *authority = strstr(store, "://");
    if (!store_is_remote(store) || !authority)
        return false;
    authority += 3;
    const char *host = authority + strcspn(authority, "@/?");
    host = *host == '@' ? host + 1 : authority;
    return *host == '/' || *host == '?' || *host == 0 || *host == '%' || *host == ':' ||
           strstr(store, "host=") != NULL;
}

err_t role_confine_api(const struct config *c, const struct api_places *p, struct err_info *reterr)
{
    return role_confine(c, "api", c->api_user, p->read, p->write,
                        local_socket(p->store) ? CONFINE_LOCAL : CONFINE_OPEN, reterr);
}

void role_tell_refused(struct link *control, int offender)
{
    char bytes[16];
    struct buf b = BUF_ON(bytes);
    link_put_int(&b, offender);
    if (offender)
        (void)link_send(control, LINK_REFUSED, 0, buf_view(&b), -1);
}

void role_ready(int ready_fd)
{
    if (write(ready_fd, "1", 1) == 1)
        close(ready_fd);
}

/* --- whose files they are --- */
/* As root, in a folder that a role writes: it may change a name, or put a link there, at any
 * moment. So each is opened first, no link is followed, and what was opened is what is given. */
#define GIVE_DEPTH_MAX 64

struct giving {
    uid_t uid;
    gid_t gid;
    dev_t device; /* what is mounted below stays whose it is */
    int depth;
};

static bool give_all(struct giving *g, int folder);

static void not_given(const char *name, const char *why)
{
    LOG(LOG_WARN, "parent.not_given", LOG_STR("name", name), LOG_STR("reason", why));
}

static bool give_one(struct giving *g, int folder, const char *name)
{
    struct stat st;
    bool given = true;
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    if (fstat(fd, &st) != 0)
        given = false;
    else if (st.st_dev != g->device)
        not_given(name, "something else is mounted there");
    else if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && st.st_uid != g->uid)
        not_given(name, "it has another name, maybe elsewhere");
    else if (st.st_uid != g->uid)
        given = fchownat(fd, "", g->uid, g->gid, AT_EMPTY_PATH) == 0;
    if (given && S_ISDIR(st.st_mode) && st.st_dev == g->device) {
        int inside = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        given = inside >= 0 && give_all(g, inside);
    }
    close(fd);
    return given;
}

/* Takes the folder, and closes it. */
static bool give_all(struct giving *g, int folder)
{
    bool given = true;
    DIR *dir = fdopendir(folder);
    if (!dir) {
        close(folder);
        return false;
    }
    g->depth++;
    while (given && g->depth <= GIVE_DEPTH_MAX) {
        errno = 0;
        struct dirent *d = readdir(dir);
        if (!d) {
            given = errno == 0;
            break;
        }
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            given = give_one(g, folder, d->d_name);
    }
    if (g->depth > GIVE_DEPTH_MAX)
        not_given("", "too many folders within each other");
    g->depth--;
    (void)closedir(dir);
    return given;
}

/* Takes the folder, and closes it. */
static bool give_these(struct giving *g, int folder, const char *const *names)
{
    bool given = true;
    for (size_t i = 0; given && names[i]; i++)
        given = give_one(g, folder, names[i]);
    close(folder);
    return given;
}

err_t role_give(const char *folder, const char *const *only, const char *user,
                struct err_info *reterr)
{
    struct giving g = {.depth = 0};
    struct stat st;
    if (!user[0] || geteuid() != 0)
        return OK;
    err_t err = sys_user(user, &g.uid, &g.gid, reterr);
    if (err)
        return err;
    if (lstat(folder, &st) == 0 && S_ISLNK(st.st_mode))
        return error_set(reterr, ERR_CONFIG, "%s is a link: name the folder that it leads to",
                         folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool given =
        fd >= 0 && fstat(fd, &st) == 0 && (st.st_uid == g.uid || fchown(fd, g.uid, g.gid) == 0);
    if (given) {
        g.device = st.st_dev;
        given = only ? give_these(&g, fd, only) : give_all(&g, fd);
    } else if (fd >= 0) {
        close(fd);
    }
    return given ? OK : error_set(reterr, ERR_IO, "%s cannot be given to user %s", folder, user);
}
