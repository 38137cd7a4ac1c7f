// Runs before the first paint: applies the appearance chosen earlier; without a choice the system's stays.
"use strict";
(() => {
  const choice = (() => {
    try { return localStorage.getItem("financial-theme"); } catch { return null; }
  })();
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
