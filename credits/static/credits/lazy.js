// Fills what takes a while to compute: a part with data-credits-fragment gets what that address
// answers, or of a whole page what bears the part's id. Where this does not run, or the answer
// does not come, the part keeps its link.
"use strict";
const answers = new Map();

async function ask(address) {
  const answer = await fetch(address, { credentials: "same-origin" });
  // Sent elsewhere: to the log-in page, whose form has no place here.
  if (!answer.ok || answer.redirected) throw new Error(`${address}: ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

for (const part of document.querySelectorAll("[data-credits-fragment]")) {
  const address = part.dataset.creditsFragment;
  if (!answers.has(address)) answers.set(address, ask(address));
  part.setAttribute("aria-busy", "true");
  answers
    .get(address)
    .then((page) => part.replaceChildren(...(page.getElementById(part.id) ?? page.body).childNodes))
    .catch(() => {})
    .finally(() => part.removeAttribute("aria-busy"));
}
