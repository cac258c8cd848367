// Lets the file of a certificate be dropped on the page. Nothing else needs this: the form works without it.
"use strict";

(() => {
  const form = document.querySelector("[data-drop]");
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const said = form.querySelector("[data-drop-said]");
  form.querySelector("[data-drop-hint]").hidden = false;

  const hasFile = (event) => Array.from(event.dataTransfer ? event.dataTransfer.types : []).includes("Files");
  const fits = (file) => {
    const small = file.size <= Number(form.dataset.most);
    said.textContent = small ? "" : form.dataset.tooLarge;
    return small;
  };

  // A file that misses the form must not take the browser to another page.
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      if (hasFile(event)) event.preventDefault();
    });
  }
  document.addEventListener("dragover", (event) => {
    form.classList.toggle("zd-drop-over", hasFile(event));
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("zd-drop-over");
  });
  document.addEventListener("drop", (event) => {
    form.classList.remove("zd-drop-over");
    if (!hasFile(event) || !event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
  // What is far too large is not sent at all; the desk refuses it as well.
  form.addEventListener("submit", (event) => {
    const [file] = input.files;
    if (file && !fits(file)) event.preventDefault();
  });
})();
