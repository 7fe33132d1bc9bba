// More of bugs.mjs: mistakes in what cards need beyond a payment, a capture and a refund.
export const bugs = [];
