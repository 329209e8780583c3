// Replaces the changing part of the page when it changes; without this script the page reloads itself.
"use strict";
(() => {
  const world = document.getElementById("world");
  const version = () => world.querySelector("[data-version]").dataset.version;

  // A mail is as high as its content; the frame runs no scripts of its own.
  const fit = (frame) => {
    const page = frame.contentDocument;
    if (!page || !page.body || !frame.offsetParent) return;
    frame.style.height = "0"; // or a mail that became shorter, in a wider window, would keep its height
    frame.style.height = page.documentElement.scrollHeight + 2 + "px";
  };
  const settle = (fresh) => {
    for (const talk of world.querySelectorAll(".talk")) talk.scrollTop = talk.scrollHeight;
    for (const frame of world.querySelectorAll("iframe.mail")) {
      frame.addEventListener("load", () => fit(frame));
      fit(frame);
    }
    for (const letter of world.querySelectorAll("details.letter")) {
      letter.addEventListener("toggle", () => letter.querySelectorAll("iframe.mail").forEach(fit));
    }
    for (const item of fresh) item.classList.add("fresh");
  };

  const replace = (html) => {
    const typed = new Map([...world.querySelectorAll("[data-keep]")].map((input) => [input.dataset.keep, input.value]));
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.keep : null;
    const open = new Map([...world.querySelectorAll("details[id]")].map((item) => [item.id, item.open]));
    const known = new Set([...world.querySelectorAll(".talk > li[id]")].map((item) => item.id));
    world.innerHTML = html;
    for (const input of world.querySelectorAll("[data-keep]")) {
      input.value = typed.get(input.dataset.keep) || "";
      if (input.dataset.keep === focused) input.focus({ preventScroll: true });
    }
    for (const item of world.querySelectorAll("details[id]")) if (open.has(item.id)) item.open = open.get(item.id);
    settle([...world.querySelectorAll(".talk > li[id]")].filter((item) => !known.has(item.id)));
  };

  const follow = async () => {
    for (;;) {
      try {
        const answer = await fetch("/live?seen=" + version());
        if (!answer.ok) throw new Error(answer.statusText);
        replace(await answer.text());
        document.body.classList.remove("lost");
      } catch {
        document.body.classList.add("lost");
        await new Promise((later) => setTimeout(later, 1000));
      }
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches(".reply, .fault, .set")) return;
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    fetch(form.action, { method: "POST", body: fields, redirect: "manual" }).then(async (answer) => {
      if (answer.status === 400) alert(await answer.text());
    });
    const line = form.querySelector("[data-keep]");
    if (line) line.value = "";
  });

  window.addEventListener("resize", () => world.querySelectorAll("iframe.mail").forEach(fit));
  settle([]);
  follow();
})();
