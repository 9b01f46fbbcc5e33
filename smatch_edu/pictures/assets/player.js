// Every part knows the step at which it appears (data-born) and the one that takes it away (data-died).
document.querySelectorAll(".player:not([data-ready])").forEach((group) => {
  group.dataset.ready = "";
  const part = (name) => group.querySelector(`[data-do="${name}"]`);
  const [play, slider, speed] = ["play", "seek", "speed"].map(part);
  const parts = [...group.querySelectorAll("[data-born]")];
  const end = Number(slider.max), first = Number(slider.min), unit = slider.dataset.unit;
  let now = end, timer = null;
  const draw = (step) => {
    now = Math.max(first, Math.min(end, step));
    slider.value = now;
    slider.setAttribute("aria-valuetext", `${unit} ${now} of ${end}`);
    for (const each of parts) {
      const dead = Boolean(each.dataset.died) && Number(each.dataset.died) <= now;
      each.classList.toggle("unborn", Number(each.dataset.born) > now || (dead && each.classList.contains("frame")));
      if (each.dataset.died) each.classList.toggle("alive", !dead);
    }
  };
  const stop = () => { clearTimeout(timer); timer = null; play.textContent = "▶ play"; };
  const tick = () => {
    if (now >= end) return stop();
    draw(now + 1);
    timer = setTimeout(tick, Number(speed.value));
  };
  const start = () => { if (now >= end) draw(first); play.textContent = "❚❚ pause"; timer = setTimeout(tick, Number(speed.value)); };
  play.addEventListener("click", () => (timer ? stop() : start()));
  part("back").addEventListener("click", () => { stop(); draw(now - 1); });
  part("forward").addEventListener("click", () => { stop(); draw(now + 1); });
  slider.addEventListener("input", () => { stop(); draw(Number(slider.value)); });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const film = group.hasAttribute("data-autoplay");
  draw(film && still ? end : Number(group.dataset.start));
  if (film && !still) start();
});
