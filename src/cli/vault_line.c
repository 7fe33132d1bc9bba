/* The socket on which operators talk to the running vault: both ends. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "sys/confine.h"

/* By way of the folder's descriptor: a path may be longer than a socket's name. */
static bool address(const char *dir, struct sockaddr_un *ret, int *ret_folder)
{
    *ret_folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/control.sock",
                   *ret_folder);
    return *ret_folder >= 0;
}

err_t vault_listen(const char *dir, const char *user, int *ret_fd, struct err_info *reterr)
{
    struct sockaddr_un a;
    int folder, fd = -1;
    uid_t uid;
    gid_t gid;
    err_t err = OK;
    bool good = address(dir, &a, &folder);
    if (good) {
        (void)unlinkat(folder, "control.sock", 0); /* of one that is dead: the folder is locked */
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        good = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0 &&
               fchmodat(folder, "control.sock", 0600, 0) == 0;
    }
    if (good && user[0] && geteuid() == 0) {
        err = sys_user(user, &uid, &gid, reterr);
        good = err || fchownat(folder, "control.sock", uid, gid, AT_SYMLINK_NOFOLLOW) == 0;
    }
    if (!good)
        err = error_set(reterr, ERR_IO, "%s/control.sock cannot be made", dir);
    if (folder >= 0)
        close(folder);
    if (err && fd >= 0)
        close(fd);
    *ret_fd = err ? -1 : fd;
    return err;
}

int vault_accept(int listener, int64_t *ret_uid)
{
    struct ucred who;
    socklen_t n = sizeof who;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || n != sizeof who) {
        close(fd);
        return -1;
    }
    *ret_uid = (int64_t)who.uid;
    return fd;
}

/* --- the operator's end --- */
struct vault_line {
    struct link *link;
    struct vault_run *run;
    struct vault_answer *answer;
    err_t err;
    bool done;
};

static bool deny(struct link *l, const struct link_frame *f, void *arg)
{
    (void)l, (void)f, (void)arg;
    return false;
}

err_t vault_line_open(struct vault_run *r, struct vault_line **ret)
{
    char dir[1024];
    struct sockaddr_un a;
    int folder, fd;
    if (!vault_dir(r->config, dir))
        return error_set(&r->info, ERR_CONFIG, "the name of the vault's folder is too long");
    if (!address(dir, &a, &folder))
        return error_set(&r->info, ERR_IO, "there is no vault at %s", dir);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(folder);
    struct vault_line *l = good ? mem_alloc(sizeof *l) : NULL;
    if (!l) {
        if (fd >= 0)
            close(fd);
        return error_set(&r->info, ERR_UNAVAILABLE, "the vault at %s does not run%s", dir,
                         errno == EACCES ? ", or is another user's" : "");
    }
    struct link_config c = {
        .fd = fd, .self = LINK_OPERATOR, .peer = LINK_VAULT, .request = deny, .arg = l};
    l->run = r;
    err_t err = link_open(&c, &l->link);
    if (err)
        mem_free(l);
    else
        *ret = l;
    return err;
}

void vault_line_close(struct vault_line *l)
{
    if (!l)
        return;
    link_close(l->link);
    mem_free(l);
}

static void on_answer(const struct link_frame *f, void *arg)
{
    struct vault_line *l = arg;
    struct link_reader r;
    char detail[sizeof l->run->info.detail];
    l->done = true;
    l->err =
        error_set(&l->run->info, ERR_UNAVAILABLE, "the vault has ended, or turned this user away");
    if (!f)
        return;
    r = (struct link_reader){.rest = f->payload};
    err_t err = (err_t)link_take_int(&r);
    link_take_text(&r, detail, sizeof detail);
    struct str json = link_take_str(&r, LINK_PAYLOAD_MAX);
    struct str data = link_take_str(&r, LINK_PAYLOAD_MAX);
    l->answer->more = link_take_int(&r) != 0;
    l->answer->fd = f->fd;
    if (!link_taken(&r))
        return;
    buf_add(&l->answer->json, json.p, json.n);
    buf_add(&l->answer->data, data.p, data.n);
    l->err = err ? error_set(&l->run->info, err, "%s", detail) : OK;
    if (!err)
        l->run->info = (struct err_info){0};
}

err_t vault_ask(struct vault_run *r, struct vault_line *l, enum vault_command command,
                const struct buf *payload, struct vault_answer *ret)
{
    struct buf out = BUF(LINK_PAYLOAD_MAX);
    *ret = (struct vault_answer){
        .json = BUF(LINK_PAYLOAD_MAX), .data = BUF(LINK_PAYLOAD_MAX), .fd = -1};
    link_put_int(&out, command);
    if (payload)
        buf_join(&out, payload);
    l->answer = ret;
    l->done = false;
    err_t err = out.failed ? error_set(&r->info, ERR_TOO_LARGE, "that is too much at once")
                           : link_ask(l->link, LINK_ADMIN, buf_view(&out), on_answer, l);
    if (out.p)
        mem_wipe(out.p, out.n);
    buf_free(&out);
    if (err)
        return r->info.err ? err : error_set(&r->info, err, "the vault does not listen");
    while (!l->done) {
        struct pollfd p = {.fd = link_fd(l->link), .events = POLLIN};
        (void)poll(&p, 1, -1);
        if (!link_step(l->link, 1) && !l->done)
            return error_set(&r->info, ERR_UNAVAILABLE,
                             "the vault has ended, or turned this user away");
    }
    return l->err;
}

void vault_answer_free(struct vault_answer *a)
{
    if (a->fd >= 0)
        close(a->fd);
    buf_free(&a->json);
    buf_free(&a->data);
}

int64_t vault_answer_int(const struct vault_answer *a, const char *member)
{
    json_t *j = a->json.p ? json_loads(a->json.p, 0, NULL) : NULL;
    int64_t v = json_integer_value(json_object_get(j, member));
    json_decref(j);
    return v;
}

int vault_ask_and_show(struct vault_run *r, enum vault_command command, const struct buf *payload,
                       void (*show)(const struct vault_answer *a))
{
    struct vault_line *l = NULL;
    struct vault_answer a;
    err_t err = vault_line_open(r, &l);
    if (err)
        return vault_fail(r, err);
    err = vault_ask(r, l, command, payload, &a);
    if (!err && r->json)
        (void)printf("%s\n", a.json.p);
    else if (!err)
        show(&a);
    vault_answer_free(&a);
    vault_line_close(l);
    return err ? vault_fail(r, err) : EXIT_DONE;
}
