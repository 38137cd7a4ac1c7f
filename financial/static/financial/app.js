// Conveniences only; every page works without this file.
"use strict";
(() => {
  const root = document.documentElement;

  // What one likes to see: light or dark, times as told or exact. Kept in this browser.
  const form = document.querySelector("[data-settings]");
  if (form) {
    for (const { name } of form.elements) form.elements[name].value = root.dataset[name] || "";
    form.hidden = false;
    form.addEventListener("change", ({ target: { name, value } }) => {
      if (value) root.dataset[name] = value;
      else delete root.dataset[name];
      try { localStorage.setItem(`financial-${name}`, value); } catch { /* private window */ }
    });
  }

  // A refused form: bring its summary into view and focus.
  document.querySelector("[data-focus]:not(.stage *)")?.focus();

  // A form that creates something is sent once.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-once]")) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
    event.target.querySelector("button:not([type=button])")?.setAttribute("aria-disabled", "true");
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((f) => {
    delete f.dataset.sent;
    f.querySelector("button[aria-disabled]")?.removeAttribute("aria-disabled");
  }));

  // Controls that are only useful with a change at once: submit their form.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // A chart by keyboard: one stop of the Tab key, then arrows from point to point, each one said.
  document.addEventListener("keydown", (event) => {
    const chart = event.target.closest?.("svg.chart");
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!chart || step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere arrows may turn pages
    const points = [...chart.querySelectorAll(".hit")];
    const at = points.findIndex((point) => point.classList.contains("on"));
    const next = Math.min(Math.max((at < 0 && step < 0 ? points.length : at) + step, 0), points.length - 1);
    points.forEach((point, i) => point.classList.toggle("on", i === next));
    chart.nextElementSibling.textContent = points[next].querySelector(".tip").textContent;
  });
  document.addEventListener("focusout", (event) => {
    event.target.closest?.("svg.chart")?.querySelectorAll(".on").forEach((point) => point.classList.remove("on"));
  });
  document.querySelectorAll("svg.chart").forEach((chart) => {
    chart.tabIndex = 0;
    chart.insertAdjacentHTML("afterend", '<p class="sr" role="status"></p>');
  });

  // Copy an id or address.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch { button.textContent = "Press Ctrl+C"; }
  });

  // Dialogs. The browser keeps the focus inside, closes them on Escape and gives the focus back.
  const show = (id) => {
    const dialog = document.getElementById(id);
    if (dialog && !document.querySelector("dialog[open]")) dialog.showModal();
    return dialog;
  };
  document.querySelectorAll("[data-opens]").forEach((button) => { button.hidden = false; });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) (opener.dataset.opens === "palette" ? openPalette : show)(opener.dataset.opens);
    if (event.target.closest("[data-closes]") || event.target.matches("dialog")) event.target.closest("dialog").close();
  });

  // The palette: a text field that names the chosen option of a list the server draws.
  const palette = document.getElementById("palette");
  const field = palette?.querySelector("input");
  const list = palette?.querySelector("[role=listbox]");
  const note = palette?.querySelector("[role=status]");
  const options = () => [...list.querySelectorAll("[role=option]")];
  let chosen = 0, asked = 0, isStale = false, timer;
  const choose = (place) => {
    const all = options();
    chosen = all.length && (place + all.length) % all.length;
    all.forEach((option, index) => option.setAttribute("aria-selected", index === chosen));
    field.setAttribute("aria-activedescendant", all[chosen]?.id || "");
    all[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const fill = (html, words) => { list.innerHTML = html; note.textContent = words; isStale = false; choose(0); };
  const load = async () => {
    const text = field.value.trim(), mine = ++asked;
    if (/(\d[ .-]?){13}/.test(text)) { fill("", note.dataset.card); return; } // never sent
    try {
      const answer = await fetch(`${palette.dataset.from}?q=${encodeURIComponent(text)}`);
      const html = await answer.text();
      if (mine !== asked) return;
      if (answer.redirected) { location.reload(); return; } // signed out meanwhile
      if (!answer.ok) throw new Error(answer.status);
      fill(html, "");
      note.textContent = `${options().length} suggestions`;
    } catch { if (mine === asked) fill("", "No suggestions now. Enter searches."); }
  };
  const openPalette = () => {
    if (!palette || palette.open) return;
    show("palette");
    field.select();
    load();
  };
  field?.addEventListener("input", () => { isStale = true; clearTimeout(timer); timer = setTimeout(load, 200); });
  field?.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(chosen + step);
    else if (event.key !== "Enter" || isStale || !options()[chosen]) return; // Enter sends the form: to the search page
    else options()[chosen].click();
    event.preventDefault();
  });

  // Single keys; the help dialog switches them off (WCAG 2.1.4).
  const OFF = "financial-shortcuts-off";
  const store = (() => { try { return localStorage; } catch { return {}; } })();
  const single = document.querySelector("[data-shortcuts]");
  if (single) {
    single.checked = !store[OFF];
    single.addEventListener("change", () => { if (single.checked) delete store[OFF]; else store[OFF] = "yes"; });
  }
  const isTyping = (target) => target.closest?.("input, select, textarea, [contenteditable], dialog, [role=region]");
  const step = (by) => document.querySelector(`[data-step="${by}"]`)?.click();
  const keys = {
    "/": () => document.getElementById("quick-search")?.focus(),
    "?": () => show("shortcuts"),
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
  };
  let goes = 0;
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "k" && palette && !event.shiftKey) { event.preventDefault(); openPalette(); }
      return;
    }
    if (!single?.checked || isTyping(event.target)) return;
    const page = event.timeStamp - goes < 1500 && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    goes = event.key === "g" && !page ? event.timeStamp : 0;
    const act = page ? () => page.click() : event.shiftKey && event.key !== "?" && event.key !== "/" ? null : keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
})();
