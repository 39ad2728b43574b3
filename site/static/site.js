/* What the theme leaves out for the keyboard and for screen readers. A classic script: modules are refused on file:// pages. */
(() => {
  const all = (selector, change) => document.querySelectorAll(selector).forEach(change);

  function menus() { // the phone's two menus are labels of hidden boxes: make buttons of them
    for (const [id, name] of [["__navigation", "contents"], ["__toc", "on this page"]]) {
      const box = document.getElementById(id);
      const labels = [...document.querySelectorAll(`label[for="${id}"]:not(.overlay)`)].filter((l) => !l.classList.contains("no-toc"));
      const tell = () => labels.forEach((l) => l.setAttribute("aria-expanded", String(box.checked)));
      labels.forEach((label) => {
        label.setAttribute("role", "button");
        label.setAttribute("aria-label", name);
        label.tabIndex = 0;
        label.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          box.click();
        });
      });
      box?.addEventListener("change", tell);
      tell();
      addEventListener("keydown", (event) => { if (event.key === "Escape" && box?.checked) box.click(); });
    }
  }

  function names() {
    all(".caption[role=heading]:not([aria-level])", (e) => e.setAttribute("aria-level", "2"));
    all("aside.sidebar-drawer", (e) => e.setAttribute("aria-label", "contents"));
    all("aside.toc-drawer", (e) => e.setAttribute("aria-label", "on this page"));
    all("th:empty", (e) => e.replaceWith(Object.assign(document.createElement("td"), { className: e.className })));
  }

  function scrollers() { // what scrolls sideways can be reached and scrolled with the keyboard
    all(".highlight pre, .output pre, .table-wrapper, div.math", (e) => {
      if (e.scrollWidth > e.clientWidth + 1) e.tabIndex = 0;
      else e.removeAttribute("tabindex");
    });
  }

  const start = () => { menus(); names(); scrollers(); };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
  addEventListener("load", scrollers);
  addEventListener("resize", scrollers);
  document.addEventListener("toggle", scrollers, true);
})();
