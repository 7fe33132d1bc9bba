#include "wire/wire_internal.h"

static void write_items(struct jw *w, const struct err_info *info)
{
    jw_array(w, "errors");
    for (int i = 0; i < info->items; i++) {
        jw_object(w, NULL);
        jw_str(w, "detail", str_from(info->item[i].detail));
        jw_str(w, "pointer", str_from(info->item[i].pointer));
        jw_object_end(w);
    }
    jw_array_end(w);
}

void problem_write(struct buf *out, const struct err_info *info, struct id request_id,
                   const char *decline_code, const char *extra)
{
    ASSERT(info->items >= 0 && info->items <= ERROR_ITEMS_MAX);
    const struct error_def *def = error_def(info->err == OK ? ERR_INTERNAL : info->err);
    bool tell =
        def->klass != ERROR_BUG; /* what went wrong inside is for the log, not for the peer */
    const char *detail = tell && info->detail[0] ? info->detail : def->title;
    char type[80] = "urn:florin:error:";
    size_t prefix = strlen(type), code = strlen(def->code);
    ASSERT(prefix + code < sizeof type);
    memcpy(type + prefix, def->code, code + 1);
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "type", str_from(type));
    jw_str(&w, "title", str_from(def->title));
    jw_int(&w, "status", def->status);
    jw_str(&w, "detail", str_from(detail));
    jw_str(&w, "code", str_from(def->code));
    if (tell && info->param[0])
        jw_str(&w, "param", str_from(info->param));
    if (tell && info->items > 0)
        write_items(&w, info);
    if (decline_code)
        jw_str(&w, "decline_code", str_from(decline_code));
    if (extra && extra[0])
        jw_raw(&w, NULL, str_from(extra));
    if (!id_is_zero(request_id))
        jw_id(&w, "request_id", ID_REQUEST, request_id);
    jw_object_end(&w);
}
