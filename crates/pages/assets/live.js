// Fetches the changing part of the page every second and says so at once when that fails.
"use strict";
const part = document.getElementById("live");
const banner = document.getElementById("lost");
async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/fragment", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    part.innerHTML = await answer.text();
    banner.hidden = true;
  } catch {
    banner.hidden = false;
  }
}
setInterval(refresh, 1000);
document.addEventListener("visibilitychange", refresh);
