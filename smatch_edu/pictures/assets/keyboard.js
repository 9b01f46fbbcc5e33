// A noisy keyboard: you press keys, or let a trained typist press them. Typists are tables text -> {key: probability}.
document.querySelectorAll(".keyboard:not([data-ready])").forEach((box) => {
  box.dataset.ready = "";
  const { letters, length, words, typists } = JSON.parse(box.dataset.typists);
  const ENTER = "⏎", BACK = "⌫";
  const at = (name) => box.querySelector(`[data-part="${name}"]`);
  const [screen, said, next, done, noise, who, auto] =
    ["screen", "said", "next", "done", "noise", "who", "auto"].map(at);
  let text = "", timer = null;
  const onData = (s) => words.some((word) => word.startsWith(s));
  const typist = () => typists[Number(who.value)];
  const span = (kind, string) => { const s = document.createElement("span"); s.className = kind; s.textContent = string; return s; };
  const draw = () => {
    let good = 0;
    while (good < text.length && onData(text.slice(0, good + 1))) good += 1;
    screen.replaceChildren(span("on", text.slice(0, good)), span("off", text.slice(good)), span("cursor", "▏"));
    screen.setAttribute("aria-label", `on the screen: ${text || "nothing"}${good < text.length ? ", off the data" : ""}`);
    const wishes = Object.entries(typist().policy[text]).sort((a, b) => b[1] - a[1]).slice(0, 5);
    next.textContent = `${typist().name} would press\n` + wishes.map(
      ([key, p]) => ` ${key}  ${"█".repeat(Math.round(30 * p)).padEnd(30)} ${(100 * p).toFixed(0).padStart(3)} %`).join("\n");
    box.querySelectorAll(".keys button").forEach((b) => {
      b.disabled = b.value === BACK ? !text : b.value !== ENTER && text.length >= length;
    });
  };
  const press = (key, by) => {
    if (key === ENTER) {
      const real = words.includes(text);
      const line = document.createElement("li");
      line.append(text || "(nothing)", span(`verdict ${real ? "real" : "unreal"}`, real ? "✓ a word" : "✗ no word"), ` ${by}`);
      done.append(line);
      if (done.children.length > 8) done.firstChild.remove();
      said.textContent = `${by} finished “${text}”: ${real ? "a word" : "no word"}.`;
      text = "";
    } else if (key === BACK) {
      if (!text) return;
      text = text.slice(0, -1);
      said.textContent = `${by} pressed backspace.`;
    } else {
      if (text.length >= length) return;
      const others = letters.filter((letter) => letter !== key);
      const slipped = Math.random() < Number(noise.value) / 100;
      const typed = slipped ? others[Math.floor(Math.random() * others.length)] : key;
      text += typed;
      said.textContent = slipped ? `${by} pressed ${key}, and the keyboard slipped: ${typed}.` : `${by} pressed ${key}.`;
    }
    draw();
  };
  const choose = () => {
    let left = Math.random();
    const wishes = Object.entries(typist().policy[text]);
    for (const [key, p] of wishes) if ((left -= p) < 0) return key;
    return wishes[0][0];
  };
  const stop = () => { clearInterval(timer); timer = null; auto.textContent = "▶ typist goes on"; };
  box.querySelectorAll(".keys button").forEach((b) => b.addEventListener("click", () => { stop(); press(b.value, "You"); }));
  at("one").addEventListener("click", () => { stop(); press(choose(), "Typist"); });
  auto.addEventListener("click", () => {
    if (timer) return stop();
    auto.textContent = "❚❚ typist rests";
    timer = setInterval(() => (box.isConnected ? press(choose(), "Typist") : stop()), 450);
  });
  noise.addEventListener("input", () => { at("shown").textContent = `${noise.value} %`; });
  who.addEventListener("change", draw);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
    const key = { Backspace: BACK, Enter: ENTER }[event.key] || event.key;
    const onButton = event.target.tagName === "BUTTON" && key === ENTER;
    if (onButton || ![...letters, ENTER, BACK].includes(key)) return;
    event.preventDefault();
    stop();
    press(key, "You");
  });
  said.textContent = "Press a key, or let the typist press one.";
  draw();
});
