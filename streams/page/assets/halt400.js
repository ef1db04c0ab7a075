"use strict";
// Live updates, copying, and what a screen reader is told. Without it every page works, and shows what it is given.
(() => {
  const SOON_MS = 100;
  const AGAIN_MS = 1000;
  const KINDS = ["quarantine", "incident", "offence", "finding", "dead_letter", "targets", "more", "reload", "status"];

  // An event refreshes what is shown soon, and once more a second later, when every list is sure to have it.
  let timer = 0;
  let isDue = false;
  const refresh = () => {
    if (!document.hidden) document.body.dispatchEvent(new CustomEvent("halt400:changed"));
  };
  const changed = () => {
    isDue = true;
    timer ||= setTimeout(() => {
      isDue = false;
      refresh();
      timer = setTimeout(() => {
        timer = 0;
        refresh();
        if (isDue) changed();
      }, AGAIN_MS);
    }, SOON_MS);
  };

  const follow = (address) => {
    const source = new EventSource(address);
    const live = document.getElementById("live");
    const show = (text) => {
      live.hidden = false;
      document.getElementById("live-state").textContent = text;
    };
    source.onopen = () => show("live");
    source.onerror = () => show("reconnecting");
    for (const kind of KINDS) source.addEventListener(kind, changed);
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

  // What someone types is not taken away: while a form in it is in use, a part is not refreshed; nor is an open table closed.
  const isInUse = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, pre, .wide") ||
    [...part.querySelectorAll("input[name=reason]")].some((field) => field.value) ||
    part.querySelector("input[type=checkbox]:checked") !== null ||
    part.querySelector("details[open]") !== null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, requestConfig } = event.detail;
    if (requestConfig.verb === "get" && elt.tagName !== "FORM" && isInUse(elt)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // The answer of a request that was sent before someone began to type.
    const { target, requestConfig } = event.detail;
    if (requestConfig.elt.tagName !== "FORM" && isInUse(target)) event.detail.shouldSwap = false;
  });

  document.addEventListener("visibilitychange", () => document.hidden || changed());
  document.addEventListener("htmx:afterSettle", announce);
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  if (document.body.dataset.events) follow(document.body.dataset.events);
  announce();
})();
