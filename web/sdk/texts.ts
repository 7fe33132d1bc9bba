// What the SDK says to customers, in every language. What a decline means to the shop is its code; customers need less.
import type { Texts } from '../shared/language';

export type SdkText =
  | 'number' | 'expiry' | 'cvc' | 'declined' | 'funds' | 'cardExpired' | 'wrongCvc' | 'notConfirmed' | 'timeOver' | 'later'
  | 'confirm' | 'close' | 'leave' | 'stay' | 'go' | 'left' | 'expired';

export const TEXTS: Texts<SdkText> = {
  en: {
    number: 'Card number', expiry: 'Expiry date', cvc: 'Security code',
    declined: 'The card was declined. Try another card.', funds: 'The card does not have enough funds.', cardExpired: 'The card has expired.',
    wrongCvc: 'The security code is not correct.', notConfirmed: 'Your bank did not confirm the payment. No money was taken.',
    timeOver: 'The time to confirm the payment is over. No money was taken.', later: 'The payment cannot be made at the moment. Please try again.',
    confirm: 'Confirm the payment', close: 'Close', leave: 'Leave without confirming? The payment is not finished then.',
    stay: 'Stay', go: 'Leave', left: 'The payment has not been confirmed.', expired: 'The payment has expired.',
  },
  ru: {
    number: 'Номер карты', expiry: 'Срок действия', cvc: 'Код безопасности',
    declined: 'Карта отклонена. Попробуйте другую карту.', funds: 'На карте недостаточно средств.', cardExpired: 'Срок действия карты истёк.',
    wrongCvc: 'Код безопасности неверен.', notConfirmed: 'Банк не подтвердил платёж. Деньги не списаны.',
    timeOver: 'Время подтверждения платежа истекло. Деньги не списаны.', later: 'Сейчас выполнить платёж не удалось. Попробуйте ещё раз.',
    confirm: 'Подтверждение платежа', close: 'Закрыть', leave: 'Уйти без подтверждения? Тогда платёж не будет завершён.',
    stay: 'Остаться', go: 'Уйти', left: 'Платёж не подтверждён.', expired: 'Срок платежа истёк.',
  },
  de: {
    number: 'Kartennummer', expiry: 'Gültig bis', cvc: 'Prüfnummer',
    declined: 'Die Karte wurde abgelehnt. Versuchen Sie es mit einer anderen Karte.', funds: 'Die Karte ist nicht ausreichend gedeckt.', cardExpired: 'Die Karte ist abgelaufen.',
    wrongCvc: 'Die Prüfnummer ist falsch.', notConfirmed: 'Ihre Bank hat die Zahlung nicht bestätigt. Es wurde nichts abgebucht.',
    timeOver: 'Die Zeit für die Bestätigung ist abgelaufen. Es wurde nichts abgebucht.', later: 'Die Zahlung ist gerade nicht möglich. Bitte versuchen Sie es noch einmal.',
    confirm: 'Zahlung bestätigen', close: 'Schließen', leave: 'Ohne Bestätigung verlassen? Die Zahlung ist dann nicht abgeschlossen.',
    stay: 'Bleiben', go: 'Verlassen', left: 'Die Zahlung wurde nicht bestätigt.', expired: 'Die Zahlung ist abgelaufen.',
  },
  es: {
    number: 'Número de tarjeta', expiry: 'Fecha de caducidad', cvc: 'Código de seguridad',
    declined: 'La tarjeta ha sido rechazada. Pruebe con otra tarjeta.', funds: 'La tarjeta no tiene fondos suficientes.', cardExpired: 'La tarjeta ha caducado.',
    wrongCvc: 'El código de seguridad no es correcto.', notConfirmed: 'Su banco no ha confirmado el pago. No se ha cobrado nada.',
    timeOver: 'El plazo para confirmar el pago ha terminado. No se ha cobrado nada.', later: 'En este momento no se puede realizar el pago. Inténtelo de nuevo.',
    confirm: 'Confirmar el pago', close: 'Cerrar', leave: '¿Salir sin confirmar? El pago quedará sin terminar.',
    stay: 'Quedarse', go: 'Salir', left: 'El pago no se ha confirmado.', expired: 'El pago ha caducado.',
  },
  pt: {
    number: 'Número do cartão', expiry: 'Data de validade', cvc: 'Código de segurança',
    declined: 'O cartão foi recusado. Tente com outro cartão.', funds: 'O cartão não tem saldo suficiente.', cardExpired: 'O cartão expirou.',
    wrongCvc: 'O código de segurança não está correto.', notConfirmed: 'O seu banco não confirmou o pagamento. Nada foi cobrado.',
    timeOver: 'O tempo para confirmar o pagamento terminou. Nada foi cobrado.', later: 'Neste momento não é possível efetuar o pagamento. Tente novamente.',
    confirm: 'Confirmar o pagamento', close: 'Fechar', leave: 'Sair sem confirmar? O pagamento ficará por concluir.',
    stay: 'Ficar', go: 'Sair', left: 'O pagamento não foi confirmado.', expired: 'O pagamento expirou.',
  },
};

const DECLINES: Readonly<Record<string, SdkText>> = {
  insufficient_funds: 'funds', limit_exceeded: 'funds', expired_card: 'cardExpired', incorrect_cvc: 'wrongCvc',
  authentication_failed: 'notConfirmed', authentication_canceled: 'notConfirmed', authentication_required: 'notConfirmed',
  authentication_expired: 'timeOver', bank_unavailable: 'later', provider_unavailable: 'later', provider_timeout: 'later',
};

// A stolen or lost card is just declined: the customer may be the thief.
export function declineText(code: string | null | undefined): SdkText {
  return (code && Object.prototype.hasOwnProperty.call(DECLINES, code) ? DECLINES[code] : undefined) ?? 'declined';
}
