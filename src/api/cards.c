/* What the role `card` asks over its link. */
#include "api/api_internal.h"

bool api_card_request(struct api *a, struct link_slot *card, const struct link_frame *f)
{
    (void)a, (void)card, (void)f;
    return false;
}
