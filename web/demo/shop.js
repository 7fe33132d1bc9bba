// What a shop's page needs: a token from its own server, three fields, one call.
const florin = Florin({
  clientToken: async () => (await (await fetch('/shop/token', { method: 'POST' })).json()).client_token,
  locale: document.body.dataset.locale,
});
const style = { fontSize: '16px', fontFamily: 'system-ui, sans-serif', padding: '11px 12px', colorScheme: 'light dark' };
const form = document.querySelector('#form'), button = document.querySelector('#pay'), message = document.querySelector('#message');

for (const kind of ['number', 'expiry', 'cvc']) {
  const box = document.querySelector(`#${kind}`);
  florin.fields.create(kind, { style })
    .on('change', (change) => {
      box.classList.toggle('wrong', change.error !== null);
      message.textContent = change.error?.message ?? '';
    })
    .on('focus', () => box.classList.add('focus'))
    .on('blur', () => box.classList.remove('focus'))
    .on('submit', () => form.requestSubmit())
    .mount(box);
}

function show({ payment, error }) {
  if (error) {
    message.textContent = error.message;
    return;
  }
  const result = document.querySelector('#result');
  form.hidden = true;
  result.hidden = false;
  result.firstElementChild.textContent = `Thank you. Payment ${payment.id} is ${payment.status}.`;
  result.firstElementChild.focus();
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  message.textContent = '';
  const threeDs = document.querySelector('#redirect').checked ? 'redirect' : 'frame';
  show(await florin.confirmPayment({ name: document.querySelector('#name').value, threeDs }));
  button.removeAttribute('aria-disabled');
});

const before = await florin.retrievePayment(); // back from the bank's own page, perhaps without an answer
if (before) show(before.payment?.status === 'requires_action' ? await florin.handleNextAction(before.payment) : before);
