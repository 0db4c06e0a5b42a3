// A click before the page's scripts have started would be lost without a word. It is made again when they have,
// if that is within 3 s; later nobody would still expect it. Not deferred: it must be there before the first button.

(() => {
  const LIMIT_MS = 3000;
  const kept = new WeakSet();

  document.addEventListener("click", ({target}) => {
    const button = target.closest?.("button[data-action=takeover]:not([data-htmx-powered])");
    if (!button || kept.has(button)) return;
    kept.add(button);
    const ready = new MutationObserver(() => { ready.disconnect(); button.click(); });
    ready.observe(button, {attributes: true, attributeFilter: ["data-htmx-powered"]});
    setTimeout(() => { ready.disconnect(); kept.delete(button); }, LIMIT_MS);
  }, true);
})();
