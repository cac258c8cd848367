// What htmx and plain HTML leave to do: focus, busy marks, double sends and toasts. Every page works without it.
"use strict";

(() => {
  const toasts = () => document.getElementById("toasts");

  function toast(text, tone) {
    const region = toasts();
    if (!region || !text) return;
    const box = document.createElement("div");
    box.className = "zd-toast zd-toast-" + (tone || "done");
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "zd-toast-close";
    close.textContent = region.dataset.dismiss;
    box.append(words, close);
    region.append(box);
    // A refusal stays until it is read; a success leaves by itself.
    if (tone !== "failed") window.setTimeout(() => box.remove(), 8000);
  }

  const summaryIn = (root) => root.querySelector("[data-error-summary]");

  document.addEventListener("DOMContentLoaded", () => {
    // A whole page shows its fields as the server wrote them: the marks are for swaps alone.
    document.querySelectorAll("[data-filled]").forEach((field) => field.removeAttribute("data-filled"));
    // Without a script there is nothing that prints: the button shows itself only here.
    document.querySelectorAll("[data-print]").forEach((button) => { button.hidden = false; });
    // On a slow line somebody may be typing already: the focus stays with them.
    const summary = summaryIn(document);
    if (summary && document.activeElement === document.body) summary.focus();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
    const close = event.target.closest(".zd-toast-close");
    if (close) close.closest(".zd-toast").remove();
    for (const menu of document.querySelectorAll("details.zd-menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.zd-menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // The form that one of several answers was picked in, until its answer is there.
  let pickedIn = null;

  // A second press of the same button while the first is on its way is dropped here, and refused by the server anyway.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sending) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    form.dataset.sending = "yes";
    form.setAttribute("aria-busy", "true");
    pickedIn = event.submitter && event.submitter.closest("[data-picks]") ? form : null;
  }, true);

  function sent(form) {
    delete form.dataset.sending;
    form.removeAttribute("aria-busy");
  }

  // The page comes back from the browser's memory with its buttons as they were left.
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sending]").forEach(sent));

  document.addEventListener("htmx:before:request", (event) => {
    const { target, sourceElement } = event.detail.ctx;
    // Nobody waits for what asks again by itself: it is not dimmed under the eyes of who reads it.
    const byItself = sourceElement instanceof Element && /^every /.test(sourceElement.getAttribute("hx-trigger") || "");
    if (target instanceof Element && !byItself) target.setAttribute("aria-busy", "true");
  });

  document.addEventListener("htmx:finally:request", () => {
    document.querySelectorAll("[aria-busy]").forEach((element) => element.removeAttribute("aria-busy"));
    document.querySelectorAll("form[data-sending]").forEach(sent);
  });

  document.addEventListener("htmx:after:swap", (event) => {
    const ctx = event.detail.ctx;
    if (!ctx.response) return;
    const target = ctx.target instanceof Element ? ctx.target : null;
    const swapped = (target && target.id && document.getElementById(target.id)) || target;
    // A swap leaves what somebody typed; what the server wrote over it has to be shown, and nothing else.
    for (const field of swapped ? swapped.querySelectorAll("[data-filled]") : []) {
      field.value = field.defaultValue;
      field.removeAttribute("data-filled");
    }
    const wrong = summaryIn(document) !== null;
    const prefix = document.body.dataset.errorPrefix;
    const bare = document.title.startsWith(prefix) ? document.title.slice(prefix.length).trim() : document.title;
    document.title = wrong ? prefix + " " + bare : bare;
    const picked = pickedIn !== null && pickedIn === ctx.sourceElement;
    if (picked) pickedIn = null;
    // A preview that is refused beside a form that was refused says nothing new about the form.
    const summary = summaryIn(swapped && swapped.isConnected ? swapped : document);
    if (!summary || ![409, 422].includes(ctx.response.status)) {
      // Whoever picked one of several answers goes on where it is acted upon, also when the pick itself is gone.
      const next = picked && document.querySelector("[data-focus-next]");
      if (next) next.focus();
      return;
    }
    // Swaps leave what somebody opened or closed as it is (morphIgnore); a field that is wrong must be seen.
    for (const field of document.querySelectorAll("[aria-invalid]")) {
      const closed = field.closest("details:not([open])");
      if (closed) closed.open = true;
    }
    summary.focus();
  });

  document.addEventListener("htmx:error", () => toast(toasts() && toasts().dataset.lost, "failed"));
  document.addEventListener("zd:toast", (event) => toast(event.detail.text, event.detail.tone));
})();
