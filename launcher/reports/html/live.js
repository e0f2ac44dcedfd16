// Asks for this page again every few seconds and shows what changed. It sends nothing but that request.
"use strict";
(() => {
  const PAUSE = 5000; // milliseconds
  const PATIENCE = 30000; // between two tries while the server does not answer
  let tag = null;
  let pause = PAUSE;

  const say = (text) => {
    const place = document.getElementById("trouble");
    if (!place) return;
    place.textContent = text;
    place.hidden = !text;
  };

  // What the reader has opened, scrolled or focused stays as it is.
  const named = (frame) => frame.getAttribute("aria-label") || frame.querySelector("summary")?.textContent;
  const remember = () => {
    const open = new Set([...document.querySelectorAll("details[open]")].map(named));
    const scrolled = new Map([...document.querySelectorAll(".scroll")].map((f) => [named(f), f.scrollLeft]));
    const focused = document.activeElement?.classList.contains("scroll") ? named(document.activeElement) : null;
    return () => {
      for (const part of document.querySelectorAll("details")) part.open = open.has(named(part));
      for (const frame of document.querySelectorAll(".scroll")) {
        frame.scrollLeft = scrolled.get(named(frame)) ?? 0;
        if (focused && named(frame) === focused) frame.focus({ preventScroll: true });
      }
    };
  };

  const renew = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const restore = remember();
    for (const name of ["header", "main"]) {
      const part = fresh.querySelector(`body > ${name}`);
      if (part) document.querySelector(`body > ${name}`)?.replaceWith(document.importNode(part, true));
    }
    document.title = fresh.title;
    restore();
  };

  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 304) {
        say("");
      } else if (answer.ok) {
        tag = answer.headers.get("ETag");
        renew(await answer.text());
      } else {
        say(`Not renewed: ${await answer.text()}`);
      }
      pause = PAUSE;
    } catch {
      say("embedfleet ui does not answer; these are its last figures.");
      pause = Math.min(2 * pause, PATIENCE);
    }
  };

  const loop = async () => {
    await look();
    setTimeout(loop, pause);
  };
  setTimeout(loop, PAUSE);
  document.addEventListener("visibilitychange", () => look());
})();
