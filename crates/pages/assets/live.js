// Fetches the changing part of the page every second and says so at once when that fails. Only what
// changed is replaced, so that a place in a table and a selection stay.
"use strict";
const part = document.getElementById("live");
const banner = document.getElementById("lost");
let asking = false;
function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.nodeType !== 1 ||
      old.childNodes.length !== fresh.childNodes.length) {
    old.replaceWith(fresh);
    return;
  }
  if (old.className !== fresh.className) old.className = fresh.className;
  const after = [...fresh.childNodes];
  [...old.childNodes].forEach((child, at) => renew(child, after[at]));
}
function lost(is) {
  banner.hidden = !is;
  part.classList.toggle("old", is);
}
async function refresh() {
  if (document.hidden || asking) return;
  asking = true;
  try {
    const answer = await fetch("/fragment", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = part.cloneNode(false);
    fresh.innerHTML = await answer.text();
    fresh.classList.remove("old");
    part.classList.remove("old");
    if (part.childNodes.length === fresh.childNodes.length) renew(part, fresh);
    else part.replaceChildren(...fresh.childNodes);
    lost(false);
  } catch {
    lost(true);
  }
  asking = false;
}
setInterval(refresh, 1000);
document.addEventListener("visibilitychange", refresh);
