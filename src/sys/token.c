/* PKCS#11, over the vendor's library. */
#include "sys/token.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/sys.h"

#define SLOTS_MAX 64
#define NONCE 12
#define TAG_BITS 128
#define PIN_MAX 256
#define BOUND_TO "florin.vault.master.1"

struct token {
    void *library;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    bool begun, open;
};

static err_t refuse(struct err_info *reterr, const char *what, CK_RV rv)
{
    return error_set(reterr, ERR_CONFIG, "The PKCS#11 token: %s (0x%lx).", what, rv);
}

/* --- the library --- */
static err_t load(struct token *t, const char *module, struct err_info *reterr)
{
    CK_C_GetFunctionList list = NULL;
    t->library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (t->library)
        *(void **)&list = dlsym(t->library, "C_GetFunctionList");
    if (!list || list(&t->f) != CKR_OK)
        return error_set(reterr, ERR_CONFIG, "%s is no PKCS#11 library that can be loaded.",
                         module[0] ? module : "(no vault_pkcs11_module)");
    CK_RV rv = t->f->C_Initialize(NULL);
    t->begun = rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
    return t->begun ? OK : refuse(reterr, "its library does not begin", rv);
}

/* Labels are 32 bytes, filled up with spaces. */
static bool is_called(const CK_TOKEN_INFO *info, const char *label)
{
    char have[33] = "";
    memcpy(have, info->label, 32);
    for (size_t n = 32; n > 0 && have[n - 1] == ' '; n--)
        have[n - 1] = 0;
    return !label[0] || strcmp(have, label) == 0;
}

static err_t find_slot(struct token *t, const char *label, CK_SLOT_ID *ret, struct err_info *reterr)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    int found = 0;
    CK_RV rv = t->f->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK)
        return refuse(reterr, "its slots cannot be listed", rv);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (t->f->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
            !(info.flags & CKF_TOKEN_INITIALIZED) || !is_called(&info, label))
            continue;
        *ret = slots[i];
        found++;
    }
    if (found == 1)
        return OK;
    return error_set(reterr, ERR_CONFIG, "There %s PKCS#11 token%s%s.",
                     found ? "is more than one" : "is no", label[0] ? " called " : "", label);
}

/* --- logging in --- */
static err_t read_pin(const char *path, char pin[PIN_MAX], size_t *ret_n, struct err_info *reterr)
{
    struct stat st;
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077))
        n = read(fd, pin, PIN_MAX);
    if (fd >= 0)
        close(fd);
    while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
        n--;
    if (n <= 0 || n == PIN_MAX)
        return error_set(reterr, ERR_CONFIG,
                         "%s holds no PIN, or can be read by others than its owner.",
                         path[0] ? path : "(no vault_pkcs11_pin_file)");
    *ret_n = (size_t)n;
    return OK;
}

static err_t log_in(struct token *t, const struct token_config *c, struct err_info *reterr)
{
    char pin[PIN_MAX];
    size_t n = 0;
    CK_SLOT_ID slot = 0;
    err_t err = find_slot(t, c->token, &slot, reterr);
    if (!err)
        err = read_pin(c->pin_file, pin, &n, reterr);
    if (err)
        return err;
    CK_RV rv =
        t->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->session);
    t->open = rv == CKR_OK;
    if (rv == CKR_OK)
        rv = t->f->C_Login(t->session, CKU_USER, (unsigned char *)pin, n);
    mem_wipe(pin, sizeof pin);
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED)
        return refuse(reterr, "the PIN is wrong or locked", rv);
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? OK : refuse(reterr, "no session", rv);
}

/* --- the key --- */
static err_t look_up(struct token *t, const char *label, bool *ret_found, struct err_info *reterr)
{
    CK_OBJECT_CLASS kind = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &kind, sizeof kind},
                             {CKA_KEY_TYPE, &type, sizeof type},
                             {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n = 0;
    CK_RV rv = t->f->C_FindObjectsInit(t->session, wanted, COUNT_OF(wanted));
    if (rv == CKR_OK) {
        rv = t->f->C_FindObjects(t->session, found, 2, &n);
        (void)t->f->C_FindObjectsFinal(t->session);
    }
    if (rv != CKR_OK)
        return refuse(reterr, "its keys cannot be listed", rv);
    if (n > 1)
        return error_set(reterr, ERR_CONFIG, "The PKCS#11 token has two AES keys called %s.",
                         label);
    *ret_found = n == 1;
    t->key = found[0];
    return OK;
}

static err_t make_key(struct token *t, const char *label, struct err_info *reterr)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG bytes = 32;
    CK_MECHANISM how = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE with[] = {{CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
                           {CKA_VALUE_LEN, &bytes, sizeof bytes},
                           {CKA_TOKEN, &yes, sizeof yes},
                           {CKA_PRIVATE, &yes, sizeof yes},
                           {CKA_SENSITIVE, &yes, sizeof yes},
                           {CKA_EXTRACTABLE, &no, sizeof no},
                           {CKA_ENCRYPT, &yes, sizeof yes},
                           {CKA_DECRYPT, &yes, sizeof yes}};
    CK_RV rv = t->f->C_GenerateKey(t->session, &how, with, COUNT_OF(with), &t->key);
    return rv == CKR_OK ? OK : refuse(reterr, "no key can be made in it", rv);
}

/* It must not be possible to take the key out, or the token would be a file. */
static err_t check_key(struct token *t, const char *label, struct err_info *reterr)
{
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE asked[] = {{CKA_SENSITIVE, &sensitive, sizeof sensitive},
                            {CKA_EXTRACTABLE, &extractable, sizeof extractable}};
    CK_RV rv = t->f->C_GetAttributeValue(t->session, t->key, asked, COUNT_OF(asked));
    if (rv != CKR_OK || !sensitive || extractable)
        return error_set(reterr, ERR_CONFIG,
                         "The AES key %s of the PKCS#11 token can be taken out of it: it must be "
                         "sensitive and not extractable.",
                         label);
    return OK;
}

static err_t find_key(struct token *t, const char *label, bool make, struct err_info *reterr)
{
    bool found = false;
    if (!label[0])
        return error_set(reterr, ERR_CONFIG, "vault_pkcs11_key does not say which AES key it is.");
    err_t err = look_up(t, label, &found, reterr);
    if (!err && !found)
        err = make ? make_key(t, label, reterr)
                   : error_set(reterr, ERR_CONFIG, "The PKCS#11 token has no AES key called %s.",
                               label);
    return err ? err : check_key(t, label, reterr);
}

/* --- beginning and end --- */
err_t token_open(const struct token_config *config, bool make, struct token **ret,
                 struct err_info *reterr)
{
    struct token *t = mem_alloc(sizeof *t);
    if (!t)
        return error_set(reterr, ERR_NO_MEMORY, "No memory for a token.");
    err_t err = load(t, config->module, reterr);
    if (!err)
        err = log_in(t, config, reterr);
    if (!err)
        err = find_key(t, config->key, make, reterr);
    if (err)
        token_close(t);
    else
        *ret = t;
    return err;
}

void token_close(struct token *t)
{
    if (!t)
        return;
    if (t->open) {
        (void)t->f->C_Logout(t->session);
        (void)t->f->C_CloseSession(t->session);
    }
    if (t->begun)
        (void)t->f->C_Finalize(NULL);
    if (t->library)
        (void)dlclose(t->library);
    mem_free(t);
}

/* --- wrapping --- */
static CK_MECHANISM mechanism(CK_GCM_PARAMS *params, uint8_t nonce[NONCE])
{
    *params = (CK_GCM_PARAMS){.iv_ptr = nonce,
                              .iv_len = NONCE,
                              .iv_bits = NONCE * 8,
                              .aad_ptr = (unsigned char *)(uintptr_t)BOUND_TO,
                              .aad_len = sizeof BOUND_TO - 1,
                              .tag_bits = TAG_BITS};
    return (CK_MECHANISM){CKM_AES_GCM, params, sizeof *params};
}

err_t token_wrap(struct token *t, const uint8_t key[32], uint8_t ret[TOKEN_WRAPPED],
                 struct err_info *reterr)
{
    CK_GCM_PARAMS params;
    CK_ULONG n = TOKEN_WRAPPED - NONCE;
    sys_random(ret, NONCE);
    CK_MECHANISM how = mechanism(&params, ret);
    CK_RV rv = t->f->C_EncryptInit(t->session, &how, t->key);
    if (rv == CKR_OK)
        rv = t->f->C_Encrypt(t->session, (unsigned char *)(uintptr_t)key, 32, ret + NONCE, &n);
    if (rv == CKR_OK && n != TOKEN_WRAPPED - NONCE)
        rv = CKR_FUNCTION_FAILED;
    return rv == CKR_OK ? OK : refuse(reterr, "it does not seal with AES-GCM", rv);
}

err_t token_unwrap(struct token *t, const uint8_t wrapped[TOKEN_WRAPPED], uint8_t ret[32],
                   struct err_info *reterr)
{
    CK_GCM_PARAMS params;
    uint8_t nonce[NONCE], plain[TOKEN_WRAPPED], sealed[TOKEN_WRAPPED - NONCE];
    CK_ULONG n = sizeof plain;
    memcpy(nonce, wrapped, NONCE);
    memcpy(sealed, wrapped + NONCE, sizeof sealed);
    CK_MECHANISM how = mechanism(&params, nonce);
    CK_RV rv = t->f->C_DecryptInit(t->session, &how, t->key);
    if (rv == CKR_OK)
        rv = t->f->C_Decrypt(t->session, sealed, sizeof sealed, plain, &n);
    bool good = rv == CKR_OK && n == 32;
    if (good)
        memcpy(ret, plain, 32);
    mem_wipe(plain, sizeof plain);
    return good ? OK
                : error_set(reterr, ERR_CRYPTO,
                            "The PKCS#11 token does not open the vault's key (0x%lx).", rv);
}
