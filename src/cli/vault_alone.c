/* For tests: the program, with one more command, `alone`, that runs the role `vault` under the real
 * parent and nothing else. Not part of the product. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/parent.h"
#include "crypto/crypto.h"
#include "observe/observe.h"

static void ready(struct parent *p)
{
    char text[96];
    struct err_info info = {0};
    int n = snprintf(text, sizeof text, "{\"pid\":%d,\"processes\":{\"vault\":%d}}\n",
                     (int)getpid(), (int)p->roles[0].pid);
    if (sys_write_file(p->config->ready_file, text, (size_t)n, 0600, &info) != OK)
        (void)fail(&info);
}

static int alone(int argc, char **argv)
{
    static struct options o;
    struct err_info info = {0};
    if (!options_read(&o, argc, argv))
        return EXIT_USAGE;
    struct parent p = {.config = &o.config, .master_fd = -1, .on_ready = ready};
    log_open(2, LOG_INFO);
    if (vault_master_fd(&o.config, true, &p.master_fd, &info) != OK ||
        vault_give(&o.config, &info) != OK)
        return fail(&info);
    p.roles[p.roles_n++] = (struct role){.id = LINK_VAULT, .command = "role-vault"};
    return parent_run(&p);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "alone") != 0)
        return cli_main(argc, argv);
    sys_harden();
    crypto_init();
    return alone(argc - 2, argv + 2);
}
