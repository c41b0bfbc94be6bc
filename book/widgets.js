// What ipywidgets leaves without a name for screen readers: the handles of sliders, the buttons of Play, and images
// (their words stand in a hidden element beside them). The header of an Accordion cannot be reached by keyboard. Its focus is hard to see. And Notebook 7 takes the arrow keys,
// Enter and Space away from a widget for its own shortcuts, unless told not to. A widget without its kernel says what to
// do, instead of "Error displaying widget" or a broken chain on each control; the picture that is stored with it is
// hidden while the widget lives. Sent with each widget; acts once a page.
// The page's language is told to screen readers: JupyterLab's own is English, and so says Voila of every page.
setTimeout(node => {  // when the output stands in the page
  const page = document.querySelector(".lm-MenuBar") ? node?.closest(".jp-Notebook") : document.documentElement;
  if (page) page.lang = "{{language}}";
}, 300, typeof element === "undefined" ? null : element);
if (!window.nameBookWidgets) {
  const words = {{words}};
  window.nameBookWidgets = () => {
    for (const handle of document.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])")) {
      const label = handle.closest(".widget-slider").querySelector(".widget-label");
      if (label) handle.setAttribute("aria-label", label.textContent);
    }
    for (const play of document.querySelectorAll(".widget-play"))
      play.querySelectorAll("button").forEach((button, i) =>
        button.setAttribute("aria-label", [words.play, words.back, words.repeat][i]));
    for (const header of document.querySelectorAll(":is(.jupyter-widget-Collapse-header, .p-Collapse-header)")) {
      const open = header.parentElement.matches(".jupyter-widget-Collapse-open, .p-Collapse-open");
      for (const [name, value] of Object.entries({tabindex: 0, role: "button", "aria-expanded": open}))
        if (header.getAttribute(name) !== String(value)) header.setAttribute(name, value);
    }
    for (const text of document.querySelectorAll(".book-words"))
      for (const image of text.parentElement.querySelectorAll("img")) image.alt = text.textContent.trim();
    for (const still of document.querySelectorAll(".book-still"))
      for (const dead of still.closest(".jp-OutputArea")?.querySelectorAll(".jupyter-widgets:not(:has(*))") ?? [])
        if (dead.textContent.startsWith("Error displaying widget")) dead.textContent = words.reopened;
  };
  new MutationObserver(window.nameBookWidgets).observe(document.body, {childList: true, subtree: true});
  window.addEventListener("keydown", event => {
    const ours = /^(Arrow.*|Enter| )$/.test(event.key) && !event.shiftKey && !event.ctrlKey;
    if (/^(Enter| )$/.test(event.key) && event.target.matches?.("[role=button][aria-expanded]")) event.target.click();
    if (event.target.closest?.(".jupyter-widgets")) event.target.toggleAttribute("data-lm-suppress-shortcuts", ours);
  }, true);
  const widgets = ":is(#stronger-than-a-class, .jupyter-widgets)", output = "body:has(.jp-OutputArea) .jp-OutputArea";
  document.head.insertAdjacentHTML("beforeend", `<style>
    ${widgets} :focus-visible { outline: 3px solid {{blue}} !important; outline-offset: 1px }
    ${output}:has(.book-live) .book-still, body:not(:has(.jp-OutputArea)):has(.book-live) .book-still { display: none }
    .jupyter-widgets-disconnected::before { display: none }
    :is(.jupyter-widget-Collapse-header, .p-Collapse-header) { color: var(--jp-content-font-color1) }
    body:not(:has(.lm-MenuBar)) .jp-RenderedMarkdown :is(p, li, td) a { text-decoration: underline !important }
    .book-live.jupyter-widgets-disconnected { opacity: 0.8 }
    .widget-vbox.book-live.jupyter-widgets-disconnected::before { content: "${words.restarted}" !important; display: block;
      position: static !important; width: auto; color: inherit; font: bold 13px/1.4 sans-serif; padding: 4px 0 }
    </style>`);
}
window.nameBookWidgets();
