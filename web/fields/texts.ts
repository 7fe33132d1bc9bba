// What a field says, in every language.
import type { Texts } from '../shared/language';

export type FieldText =
  | 'number' | 'expiry' | 'cvc' | 'expiryPlaceholder'
  | 'numberEmpty' | 'numberIncomplete' | 'numberInvalid'
  | 'expiryEmpty' | 'expiryIncomplete' | 'expiryInvalid' | 'expiryPast'
  | 'cvcEmpty' | 'cvcIncomplete' | 'cvcInvalid'
  | 'unavailable' | 'tooMany' | 'tokenOver';

export const TEXTS: Texts<FieldText> = {
  en: {
    number: 'Card number', expiry: 'Expiry date', cvc: 'Security code', expiryPlaceholder: 'MM / YY',
    numberEmpty: 'Enter the card number.', numberIncomplete: 'The card number is incomplete.', numberInvalid: 'The card number is not valid.',
    expiryEmpty: 'Enter the expiry date.', expiryIncomplete: 'The expiry date is incomplete.', expiryInvalid: 'The expiry date is not valid.',
    expiryPast: 'The card has expired.',
    cvcEmpty: 'Enter the security code.', cvcIncomplete: 'The security code is incomplete.', cvcInvalid: 'The security code is not valid.',
    unavailable: 'The card cannot be taken at the moment. Please try again.', tooMany: 'Too many attempts. Please wait a moment and try again.',
    tokenOver: 'This payment page is out of date. Please load it again.',
  },
  ru: {
    number: 'Номер карты', expiry: 'Срок действия', cvc: 'Код безопасности', expiryPlaceholder: 'ММ / ГГ',
    numberEmpty: 'Введите номер карты.', numberIncomplete: 'Номер карты введён не полностью.', numberInvalid: 'Номер карты неверен.',
    expiryEmpty: 'Введите срок действия.', expiryIncomplete: 'Срок действия введён не полностью.', expiryInvalid: 'Срок действия указан неверно.',
    expiryPast: 'Срок действия карты истёк.',
    cvcEmpty: 'Введите код безопасности.', cvcIncomplete: 'Код безопасности введён не полностью.', cvcInvalid: 'Код безопасности неверен.',
    unavailable: 'Сейчас карту принять не удалось. Попробуйте ещё раз.', tooMany: 'Слишком много попыток. Подождите немного и попробуйте снова.',
    tokenOver: 'Эта страница оплаты устарела. Загрузите её заново.',
  },
  de: {
    number: 'Kartennummer', expiry: 'Gültig bis', cvc: 'Prüfnummer', expiryPlaceholder: 'MM / JJ',
    numberEmpty: 'Geben Sie die Kartennummer ein.', numberIncomplete: 'Die Kartennummer ist unvollständig.', numberInvalid: 'Die Kartennummer ist ungültig.',
    expiryEmpty: 'Geben Sie das Ablaufdatum ein.', expiryIncomplete: 'Das Ablaufdatum ist unvollständig.', expiryInvalid: 'Das Ablaufdatum ist ungültig.',
    expiryPast: 'Die Karte ist abgelaufen.',
    cvcEmpty: 'Geben Sie die Prüfnummer ein.', cvcIncomplete: 'Die Prüfnummer ist unvollständig.', cvcInvalid: 'Die Prüfnummer ist ungültig.',
    unavailable: 'Die Karte kann gerade nicht angenommen werden. Bitte versuchen Sie es noch einmal.', tooMany: 'Zu viele Versuche. Bitte warten Sie einen Moment und versuchen Sie es noch einmal.',
    tokenOver: 'Diese Zahlungsseite ist veraltet. Bitte laden Sie sie neu.',
  },
  es: {
    number: 'Número de tarjeta', expiry: 'Fecha de caducidad', cvc: 'Código de seguridad', expiryPlaceholder: 'MM / AA',
    numberEmpty: 'Introduzca el número de la tarjeta.', numberIncomplete: 'El número de la tarjeta está incompleto.', numberInvalid: 'El número de la tarjeta no es válido.',
    expiryEmpty: 'Introduzca la fecha de caducidad.', expiryIncomplete: 'La fecha de caducidad está incompleta.', expiryInvalid: 'La fecha de caducidad no es válida.',
    expiryPast: 'La tarjeta ha caducado.',
    cvcEmpty: 'Introduzca el código de seguridad.', cvcIncomplete: 'El código de seguridad está incompleto.', cvcInvalid: 'El código de seguridad no es válido.',
    unavailable: 'En este momento no se puede aceptar la tarjeta. Inténtelo de nuevo.', tooMany: 'Demasiados intentos. Espere un momento e inténtelo de nuevo.',
    tokenOver: 'Esta página de pago ya no es actual. Vuelva a cargarla.',
  },
  pt: {
    number: 'Número do cartão', expiry: 'Data de validade', cvc: 'Código de segurança', expiryPlaceholder: 'MM / AA',
    numberEmpty: 'Introduza o número do cartão.', numberIncomplete: 'O número do cartão está incompleto.', numberInvalid: 'O número do cartão não é válido.',
    expiryEmpty: 'Introduza a data de validade.', expiryIncomplete: 'A data de validade está incompleta.', expiryInvalid: 'A data de validade não é válida.',
    expiryPast: 'O cartão expirou.',
    cvcEmpty: 'Introduza o código de segurança.', cvcIncomplete: 'O código de segurança está incompleto.', cvcInvalid: 'O código de segurança não é válido.',
    unavailable: 'Neste momento não é possível aceitar o cartão. Tente novamente.', tooMany: 'Demasiadas tentativas. Aguarde um momento e tente novamente.',
    tokenOver: 'Esta página de pagamento está desatualizada. Carregue-a novamente.',
  },
};
