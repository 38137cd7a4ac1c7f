// Conveniences only; every page works without this file.
"use strict";
(() => {
  const root = document.documentElement;

  // Appearance: light, dark, or as the system has it.
  const form = document.querySelector("[data-theme-switch]");
  if (form) {
    const select = form.querySelector("select");
    select.value = root.dataset.theme || "";
    form.hidden = false;
    select.addEventListener("change", () => {
      if (select.value) root.dataset.theme = select.value;
      else delete root.dataset.theme;
      try { localStorage.setItem("financial-theme", select.value); } catch { /* private window */ }
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
})();
