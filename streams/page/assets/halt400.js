"use strict";
// Live updates, copying, and what a screen reader is told. Without it every page works, and shows what it is given.
(() => {
  const SOON_MS = 100;
  const AGAIN_MS = 1000;
  const RECONNECT_MS = 2000;
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

  // Says that what is shown is old, and since when; an empty text takes that back.
  const stale = document.getElementById("stale");
  const showStale = (what, sinceMs) => {
    const strong = document.createElement("strong");
    strong.textContent = "Stale.";
    const time = what && new Date(sinceMs).toISOString().slice(11, 19);
    stale.replaceChildren(...(what ? [strong, ` ${what} since ${time} UTC. What you see is as of then; it goes on by itself.`] : []));
    stale.hidden = !what;
  };
  let heardMs = Date.now();
  let isLost = false;
  const lost = () => {
    isLost = true;
    showStale("Halt400 has not answered", heardMs);
  };
  const heard = () => {
    heardMs = Date.now();
    if (isLost) showStale("");
    isLost = false;
  };

  const follow = (address) => {
    const live = document.getElementById("live");
    const show = (text) => {
      live.hidden = false;
      document.getElementById("live-state").textContent = text;
    };
    let source = null;
    const connect = () => {
      source = new EventSource(address);
      source.onopen = () => {
        show("live");
        if (isLost) changed();
        heard();
      };
      source.onerror = () => {
        show("reconnecting");
        lost();
        // A browser tries again by itself, unless it was answered: by a proxy, or by a process that has just started.
        if (source.readyState === EventSource.CLOSED) setTimeout(connect, RECONNECT_MS);
      };
      for (const kind of KINDS) {
        source.addEventListener(kind, () => {
          heard();
          changed();
        });
      }
      source.addEventListener("status", (event) => {
        const status = JSON.parse(event.data);
        showStale(status.stale ? "Kafka has not answered" : "", status.as_of);
      });
    };
    connect();
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => event.persisted && connect());
  };
  const poll = () => document.addEventListener("htmx:afterRequest", (event) => (event.detail.successful ? heard() : lost()));

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
  document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
    // The part that a filter has asked anew was refreshed meanwhile: the answer replaces what stands in its place.
    if (!detail.target.isConnected) detail.target = document.getElementById(detail.target.id) ?? detail.target;
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
  else poll();
  announce();
})();
