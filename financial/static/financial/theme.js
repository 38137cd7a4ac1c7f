// Runs before the first paint: applies what was chosen earlier; without a choice the system's appearance stays.
"use strict";
(() => {
  for (const [name, known] of [["theme", ["light", "dark"]], ["times", ["exact"]]]) {
    try {
      const choice = localStorage.getItem(`financial-${name}`);
      if (known.includes(choice)) document.documentElement.dataset[name] = choice;
    } catch { /* private window */ }
  }
})();
