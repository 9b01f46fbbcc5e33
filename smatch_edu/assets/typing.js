// Every sign knows the keystroke at which it appears (data-born) and the one that deletes it (data-died).
document.querySelectorAll(".typing").forEach((group) => {
  const part = (name) => group.querySelector(`[data-do="${name}"]`);
  const [play, slider, speed] = ["play", "seek", "speed"].map(part);
  const signs = [...group.querySelectorAll("[data-born]")];
  const end = Number(slider.max);
  let now = end, timer = null;
  const draw = (keystroke) => {
    now = Math.max(0, Math.min(end, keystroke));
    slider.value = now;
    slider.setAttribute("aria-valuetext", `keystroke ${now} of ${end}`);
    for (const sign of signs) {
      sign.classList.toggle("unborn", Number(sign.dataset.born) > now);
      if (sign.dataset.died) sign.classList.toggle("alive", Number(sign.dataset.died) > now);
    }
  };
  const stop = () => { clearTimeout(timer); timer = null; play.textContent = "▶ play"; };
  const tick = () => {
    if (now >= end) return stop();
    draw(now + 1);
    timer = setTimeout(tick, Number(speed.value));
  };
  const start = () => { if (now >= end) draw(0); play.textContent = "❚❚ pause"; timer = setTimeout(tick, Number(speed.value)); };
  play.addEventListener("click", () => (timer ? stop() : start()));
  part("back").addEventListener("click", () => { stop(); draw(now - 1); });
  part("forward").addEventListener("click", () => { stop(); draw(now + 1); });
  slider.addEventListener("input", () => { stop(); draw(Number(slider.value)); });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (group.hasAttribute("data-autoplay") && !still) start(); else draw(end);
});
