/* Which vault has this database's cards: the first one that came, until an operator names another.
 */
#include "customers/customers_internal.h"

err_t card_vault_settle(struct store_tx *tx, struct id vault, int64_t now_us, struct id *ret)
{
    struct store_row *row;
    err_t err = store_exec(tx, SQL_CUSTOMERS_INSERT_CARD_VAULT, NULL, V_INT(0), V_ID(&vault),
                           V_INT(now_us));
    if (!err)
        err = store_one(tx, SQL_CUSTOMERS_READ_CARD_VAULT, &row, V_INT(0));
    if (err)
        return err;
    if (!row)
        return ERR_STORE;
    *ret = row_id(row, 0);
    return OK;
}

err_t card_vault_change(struct store_tx *tx, struct id vault, int64_t now_us, struct id *ret_before)
{
    err_t err = card_vault_settle(tx, vault, now_us, ret_before);
    return err ? err
               : store_exec_one(tx, SQL_CUSTOMERS_UPDATE_CARD_VAULT, ERR_STORE, V_ID(&vault),
                                V_INT(now_us), V_INT(0));
}
