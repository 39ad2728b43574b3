/* What the theme leaves out for the keyboard and for screen readers. A classic script: modules are refused on file:// pages. */
(() => {
  const all = (selector, change) => document.querySelectorAll(selector).forEach(change);

  function menus() { // the phone's two menus are labels of hidden boxes: put buttons in their place
    for (const [id, name] of [["__navigation", "contents"], ["__toc", "on this page"]]) {
      const box = document.getElementById(id), buttons = [];
      all(`label[for="${id}"]:not(.overlay)`, (label) => {
        const button = Object.assign(document.createElement("button"), { type: "button", className: label.className });
        button.setAttribute("aria-label", name);
        button.append(...label.childNodes);
        button.addEventListener("click", () => box.click());
        label.replaceWith(button);
        buttons.push(button);
      });
      const tell = () => buttons.forEach((b) => b.setAttribute("aria-expanded", String(box.checked)));
      box?.addEventListener("change", tell);
      tell();
      addEventListener("keydown", (event) => { if (event.key === "Escape" && box?.checked) box.click(); });
    }
  }

  function names() {
    all(".caption[role=heading]:not([aria-level])", (e) => e.setAttribute("aria-level", "2"));
    all("aside.sidebar-drawer", (e) => e.setAttribute("aria-label", "contents"));
    all("aside.toc-drawer", (e) => e.setAttribute("aria-label", "on this page"));
    all("details.hide > summary", (e) => e.removeAttribute("aria-label")); // its words say what it does
    all("th", (e) => { if (!e.textContent.trim()) e.replaceWith(document.createElement("td")); }); // heads of nothing
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
