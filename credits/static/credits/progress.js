// Keeps the progress of a run up to date. Without this the page's own refresh does.
"use strict";

for (const place of document.querySelectorAll("[data-poll]")) {
  const again = () => setTimeout(poll, 2000);

  const poll = async () => {
    try {
      const answer = await fetch(place.dataset.poll, { credentials: "same-origin" });
      // After a logout the answer is the login page: nothing of that belongs here.
      if (!answer.ok || answer.redirected) {
        return;
      }
      place.innerHTML = await answer.text();
    } catch {
      again();
      return;
    }
    const finished = place.querySelector("[data-finished]");
    if (finished) {
      location.replace(finished.dataset.finished);
    } else if (!place.querySelector("[data-stopped]")) {
      again();
    }
  };

  again();
}
