// Sends the forms of the control page as JSON, tells what was answered, and shows the page anew.
"use strict";

const said = document.getElementById("said");

function say(text, bad) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.value === "") continue;
    body[field.name] = field.type === "number" ? Number(field.value) : field.value;
  }
  return body;
}

async function send(form) {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.dataset.post, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(bodyOf(form)),
    });
    const json = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      say(`${button.textContent}: ${json.message || json.detail || answer.status}`, true);
      return;
    }
    sessionStorage.setItem("said", `${button.textContent}: done`);
    sessionStorage.setItem("top", String(window.scrollY));
    window.location.reload();
  } catch {
    say(`${button.textContent}: the sandbox did not answer`, true);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.dataset.post) return;
  event.preventDefault();
  send(event.target);
});

if (sessionStorage.getItem("said")) {
  say(sessionStorage.getItem("said"), false);
  window.scrollTo(0, Number(sessionStorage.getItem("top")));
  sessionStorage.removeItem("said");
  sessionStorage.removeItem("top");
}
