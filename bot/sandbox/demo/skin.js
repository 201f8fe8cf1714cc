/* Appended to the page's script in a block that begins with EXAMPLES and ROLES (see page.py). */
const byId = (id) => document.getElementById(id);
const make = (tag, text = "", ...children) => {
  const element = document.createElement(tag);
  element.textContent = text;
  element.append(...children);
  return element;
};

// ---- a guide and the members replace the list of messages
const composer = byId("channel-composer-input");
const viewer = byId("viewer-picker");
const members = make("ul");

const write = (text) => {
  byId("channel-composer").querySelector(".command-context-close")?.click();
  composer.focus();
  composer.value = text;
  composer.dispatchEvent(new InputEvent("input", { bubbles: true }));
};
const entry = (title, note, press) => {
  const button = make("button", title, make("small", note));
  button.type = "button";
  button.addEventListener("click", press);
  return make("li", "", button);
};
const listMembers = () => {
  members.replaceChildren(...[...viewer.options].map((option) => {
    const item = entry(option.textContent, ROLES[option.textContent] ?? "", () => {
      viewer.value = option.value;
      viewer.dispatchEvent(new Event("change", { bubbles: true }));
      listMembers();
    });
    item.firstChild.setAttribute("aria-pressed", String(option.selected));
    return item;
  }));
};
const guide = make("section", "",
  make("h2", "Try this"),
  make("ul", "", ...Object.entries(EXAMPLES).map(([name, note]) => entry(`/${name}`, note, () => write(`/${name}`)))),
  make("p", "Or type / below to see all commands."),
  make("h2", "You are"),
  members,
  make("p", "Click a name to switch users."));
guide.className = "demo-guide";
byId("messages-sidebar").append(guide);
new MutationObserver(listMembers).observe(viewer, { childList: true });
listMembers();

// ---- hide status messages about the window size
const status = byId("action-status");
new MutationObserver(() => {
  if (status.textContent.startsWith("Viewport")) status.textContent = "";
}).observe(status, { childList: true, characterData: true, subtree: true });

// ---- keep the newest message in view until the reader scrolls away
const timeline = byId("channel-timeline");
let following = true;
const look = () => requestAnimationFrame(() => {
  following = timeline.scrollHeight - timeline.scrollTop - timeline.clientHeight < 80;
});
for (const kind of ["wheel", "touchmove", "keyup", "pointerup"]) timeline.addEventListener(kind, look, { passive: true });
byId("channel-composer").addEventListener("submit", () => { following = true; }, true);
const follow = () => {
  if (following) requestAnimationFrame(() => { timeline.scrollTop = timeline.scrollHeight; });
};
new ResizeObserver(follow).observe(byId("channel-message-list"));
