/// <reference path="../../web/sdk/florin.d.ts" />
// A shop written in TypeScript, as docs/hosted-fields.md has it. It is compiled, never run: florin.d.ts promises what it uses.

const florin = Florin({ clientToken: async () => 'ct_test_…', locale: 'de' });
const style: Florin.Style = { fontSize: '16px', colorScheme: 'light dark' };
const number = florin.fields.create('number', { style }).mount('#number');

number
  .on('change', ({ complete, brand, error }) => {
    const shown: string = error ? error.message : complete ? (brand ?? '') : '';
    document.title = shown;
  })
  .on('ready', () => number.focus());
// @ts-expect-error: there is no such field
florin.fields.create('pin');
// @ts-expect-error: events never have digits
number.on('change', (change) => change.value);

export async function pay(): Promise<string> {
  const { payment, error } = await florin.confirmPayment({ name: 'Ada Lovelace', threeDs: 'frame' });
  if (error) return payment ? `${payment.id}: ${error.decline_code ?? error.code}` : error.message;
  return payment.status;
}
