// Keeps what is marked `data-live` as the server would render it now. The page works without.
"use strict";
(() => {
  const live = () => [...document.querySelectorAll("[data-live][id]")];
  if (!live().length || !window.EventSource) return;

  const holdsFocus = (node) => node.contains(document.activeElement);
  const copy = (node) => document.importNode(node, true);

  // What somebody works in is left alone; the server says no to what is out of date.
  const replace = (old, next) => {
    if (old.isEqualNode(next) || holdsFocus(old)) return old;
    const fresh = copy(next);
    old.replaceWith(fresh);
    return fresh;
  };

  // Rows of the same id are the same row, so that a screen reader hears of new ones only.
  const merge = (old, next) => {
    const had = new Map([...old.children].map((row) => [row.id, row]));
    let behind = null;
    for (const row of [...next.children].reverse()) {
      const known = had.get(row.id);
      had.delete(row.id);
      const kept = known ? replace(known, row) : copy(row);
      if (kept.parentNode !== old || kept.nextElementSibling !== behind) {
        old.insertBefore(kept, behind);
      }
      behind = kept;
    }
    for (const gone of had.values()) gone.remove();
  };

  const update = (page) => {
    for (const part of live()) {
      const next = page.getElementById(part.id);
      if (!next) continue;
      if (part.dataset.live === "rows") merge(part, next);
      else if (!part.isEqualNode(next) && !holdsFocus(part)) {
        part.replaceChildren(...[...next.childNodes].map(copy));
      }
    }
    if (document.title !== page.title) document.title = page.title;
  };

  let busy = false;
  let again = false;
  const refresh = () => {
    if (busy) { again = true; return; }
    busy = true;
    // A document that is fetched never was a text of ours that somebody parses.
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onloadend = () => {
      if (request.status === 200 && request.response) update(request.response);
      setTimeout(() => {
        busy = false;
        if (again) { again = false; refresh(); }
      }, 500);
    };
    request.send();
  };

  const word = document.getElementById("live-state");
  const say = (text) => { if (word && word.textContent !== text) word.textContent = text; };
  // A browser has few connections to one server, and pages that nobody sees need none.
  let events = null;
  const listen = () => {
    if (document.hidden) {
      if (events) events.close();
      events = null;
    } else if (!events) {
      events = new EventSource("/events");
      events.addEventListener("changed", refresh);
      events.onopen = () => say("live");
      events.onerror = () => say("not live; open the page again to see what is new");
    }
  };
  document.addEventListener("visibilitychange", listen);
  listen();
})();
