// What the checkout page says, in every language. {merchant}, {amount}, {last} are filled in.
import type { Texts } from '../shared/language';

export type PageText =
  | 'title' | 'payTo' | 'total' | 'quantity' | 'card' | 'number' | 'expiry' | 'cvc' | 'name' | 'nameHint' | 'pay' | 'paying' | 'test'
  | 'paid' | 'paidText' | 'already' | 'alreadyText' | 'expired' | 'expiredText' | 'processing' | 'processingText'
  | 'confirm' | 'confirmText' | 'confirmButton' | 'back' | 'backToShop' | 'declined' | 'again' | 'reference' | 'secure' | 'trouble';

export const TEXTS: Texts<PageText> = {
  en: {
    title: 'Payment', payTo: 'Pay {merchant}', total: 'Total', quantity: 'Quantity', card: 'Card', number: 'Card number', expiry: 'Expiry date',
    cvc: 'Security code', name: 'Name on the card', nameHint: 'As it is printed', pay: 'Pay {amount}', paying: 'Paying …', test: 'Test mode: no money moves.',
    paid: 'Thank you', paidText: 'Your payment of {amount} was successful.', already: 'Already paid', alreadyText: 'This payment of {amount} has been made. Nothing more is to be done.',
    expired: 'This payment link has expired', expiredText: 'Nothing was charged. Please ask the shop for a new link.',
    processing: 'The payment is being processed', processingText: 'This can take a moment. This page looks again by itself; you do not need to pay again.',
    confirm: 'Confirm the payment', confirmText: 'Your bank asks you to confirm this payment.', confirmButton: 'Confirm now', back: 'Back to {merchant}', backToShop: 'Back to the shop',
    declined: 'The payment was not made', again: 'You can try again, also with another card.', reference: 'Reference',
    secure: 'Card details are encrypted on their way and the shop does not see them.', trouble: 'The page could not be loaded. Please try again.',
  },
  ru: {
    title: 'Оплата', payTo: 'Оплата: {merchant}', total: 'Итого', quantity: 'Количество', card: 'Банковская карта', number: 'Номер карты', expiry: 'Срок действия',
    cvc: 'Код безопасности', name: 'Имя на карте', nameHint: 'Как указано на карте', pay: 'Оплатить {amount}', paying: 'Выполняется оплата…', test: 'Тестовый режим: деньги не списываются.',
    paid: 'Спасибо', paidText: 'Платёж на сумму {amount} выполнен.', already: 'Уже оплачено', alreadyText: 'Платёж на сумму {amount} уже выполнен. Больше ничего делать не нужно.',
    expired: 'Срок действия ссылки на оплату истёк', expiredText: 'Деньги не списаны. Попросите у магазина новую ссылку.',
    processing: 'Платёж обрабатывается', processingText: 'Это может занять некоторое время. Страница обновится сама; платить ещё раз не нужно.',
    confirm: 'Подтвердите платёж', confirmText: 'Банк просит подтвердить этот платёж.', confirmButton: 'Подтвердить', back: 'Вернуться: {merchant}', backToShop: 'Вернуться в магазин',
    declined: 'Платёж не выполнен', again: 'Можно попробовать ещё раз, в том числе с другой картой.', reference: 'Номер платежа',
    secure: 'Данные карты передаются в зашифрованном виде, магазин их не видит.', trouble: 'Не удалось загрузить страницу. Попробуйте ещё раз.',
  },
  de: {
    title: 'Zahlung', payTo: 'Zahlung an {merchant}', total: 'Summe', quantity: 'Menge', card: 'Karte', number: 'Kartennummer', expiry: 'Gültig bis',
    cvc: 'Prüfnummer', name: 'Name auf der Karte', nameHint: 'Wie aufgedruckt', pay: '{amount} bezahlen', paying: 'Zahlung läuft …', test: 'Testmodus: Es fließt kein Geld.',
    paid: 'Vielen Dank', paidText: 'Ihre Zahlung über {amount} war erfolgreich.', already: 'Bereits bezahlt', alreadyText: 'Diese Zahlung über {amount} ist erfolgt. Sie müssen nichts weiter tun.',
    expired: 'Dieser Zahlungslink ist abgelaufen', expiredText: 'Es wurde nichts abgebucht. Bitte lassen Sie sich vom Händler einen neuen Link geben.',
    processing: 'Die Zahlung wird verarbeitet', processingText: 'Das kann einen Moment dauern. Diese Seite sieht von selbst wieder nach; Sie müssen nicht noch einmal bezahlen.',
    confirm: 'Zahlung bestätigen', confirmText: 'Ihre Bank bittet Sie, diese Zahlung zu bestätigen.', confirmButton: 'Jetzt bestätigen', back: 'Zurück zu {merchant}', backToShop: 'Zurück zum Shop',
    declined: 'Die Zahlung ist nicht erfolgt', again: 'Sie können es noch einmal versuchen, auch mit einer anderen Karte.', reference: 'Referenz',
    secure: 'Kartendaten werden verschlüsselt übertragen; der Händler sieht sie nicht.', trouble: 'Die Seite konnte nicht geladen werden. Bitte versuchen Sie es noch einmal.',
  },
  es: {
    title: 'Pago', payTo: 'Pago a {merchant}', total: 'Total', quantity: 'Cantidad', card: 'Tarjeta', number: 'Número de tarjeta', expiry: 'Fecha de caducidad',
    cvc: 'Código de seguridad', name: 'Nombre en la tarjeta', nameHint: 'Tal como figura en ella', pay: 'Pagar {amount}', paying: 'Pagando…', test: 'Modo de prueba: no se mueve dinero.',
    paid: 'Gracias', paidText: 'Su pago de {amount} se ha realizado correctamente.', already: 'Ya está pagado', alreadyText: 'Este pago de {amount} ya se ha realizado. No tiene que hacer nada más.',
    expired: 'Este enlace de pago ha caducado', expiredText: 'No se ha cobrado nada. Pida un enlace nuevo a la tienda.',
    processing: 'El pago se está procesando', processingText: 'Puede tardar un momento. Esta página se actualiza sola; no tiene que pagar otra vez.',
    confirm: 'Confirme el pago', confirmText: 'Su banco le pide que confirme este pago.', confirmButton: 'Confirmar ahora', back: 'Volver a {merchant}', backToShop: 'Volver a la tienda',
    declined: 'El pago no se ha realizado', again: 'Puede intentarlo de nuevo, también con otra tarjeta.', reference: 'Referencia',
    secure: 'Los datos de la tarjeta viajan cifrados y la tienda no los ve.', trouble: 'No se ha podido cargar la página. Inténtelo de nuevo.',
  },
  pt: {
    title: 'Pagamento', payTo: 'Pagamento a {merchant}', total: 'Total', quantity: 'Quantidade', card: 'Cartão', number: 'Número do cartão', expiry: 'Data de validade',
    cvc: 'Código de segurança', name: 'Nome no cartão', nameHint: 'Tal como está impresso', pay: 'Pagar {amount}', paying: 'A pagar…', test: 'Modo de teste: não há movimento de dinheiro.',
    paid: 'Obrigado', paidText: 'O seu pagamento de {amount} foi efetuado com sucesso.', already: 'Já está pago', alreadyText: 'Este pagamento de {amount} já foi efetuado. Não é preciso fazer mais nada.',
    expired: 'Esta ligação de pagamento expirou', expiredText: 'Nada foi cobrado. Peça à loja uma nova ligação.',
    processing: 'O pagamento está a ser processado', processingText: 'Pode demorar um momento. Esta página atualiza-se sozinha; não é preciso pagar outra vez.',
    confirm: 'Confirme o pagamento', confirmText: 'O seu banco pede que confirme este pagamento.', confirmButton: 'Confirmar agora', back: 'Voltar a {merchant}', backToShop: 'Voltar à loja',
    declined: 'O pagamento não foi efetuado', again: 'Pode tentar novamente, também com outro cartão.', reference: 'Referência',
    secure: 'Os dados do cartão são transmitidos cifrados e a loja não os vê.', trouble: 'Não foi possível carregar a página. Tente novamente.',
  },
};

export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
