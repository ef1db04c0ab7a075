"use strict";
// Live updates, copying, and what a screen reader is told. Without it every page works, and shows what it is given.
(() => {
  const QUIET_MS = 250;
  let timer = 0;
  const changed = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      if (!document.hidden) document.body.dispatchEvent(new CustomEvent("halt400:changed"));
    }, QUIET_MS);
  };

  const follow = () => {
    const source = new EventSource("/v1/events");
    const live = document.getElementById("live");
    const state = document.getElementById("live-state");
    const show = (text) => {
      live.hidden = false;
      state.textContent = text;
    };
    source.onopen = () => show("live");
    source.onerror = () => show("reconnecting");
    for (const name of document.body.dataset.events.split(" ")) source.addEventListener(name, changed);
    addEventListener("pagehide", () => source.close());
  };

  const announce = () => {
    const found = document.querySelector("[data-announce]");
    const place = document.getElementById("announce");
    if (found && place.dataset.last !== found.dataset.announce) {
      if (place.dataset.last !== undefined) place.textContent = found.dataset.announce;
      place.dataset.last = found.dataset.announce;
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      button.textContent = "Selected: press Ctrl-C";
    }
  });

  document.addEventListener("visibilitychange", () => document.hidden || changed());
  document.addEventListener("htmx:afterSettle", announce);
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  if (document.body.dataset.events) follow();
  announce();
})();
