// Flying: keys, mouse and fingers move a pose. Metres, degrees, seconds; z is up, as in app/camera.py.
const KEYS = {KeyW: [1, 0, 0], KeyS: [-1, 0, 0], KeyD: [0, 1, 0], KeyA: [0, -1, 0], KeyE: [0, 0, 1], KeyQ: [0, 0, -1]};
const TURNS = {ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
const TURN_DEG_S = 70;
const SHARE_PER_S = 0.75;   // of the distance to what is near, at the middle of the slider
const GLIDE_S = 0.09;       // in which a motion swells and fades
const FINGER_S = 0.006;     // seconds of flight per pixel that two fingers move

function flight(canvas, stick, rules) {
  const held = new Set(), pointers = new Map();
  let velocity = [0, 0, 0], pushed = [0, 0], turned = [0, 0], carried = [0, 0, 0];
  const at = {pose: [0, 0, 0, 0, 0], clicks: 0, near_m: null};

  const speed = () => SHARE_PER_S * (at.near_m ?? rules().extent_m / 5) * rules().speed_per_click ** at.clicks;

  function along([forward, right, up], metres) {
    const [yaw, pitch] = [at.pose[3], at.pose[4]].map((degrees) => degrees * Math.PI / 180);
    at.pose[0] += metres * (forward * Math.cos(yaw) * Math.cos(pitch) + right * Math.sin(yaw));
    at.pose[1] += metres * (forward * Math.sin(yaw) * Math.cos(pitch) - right * Math.cos(yaw));
    at.pose[2] += metres * (forward * Math.sin(pitch) + up);
  }

  // Takes in what came since the last call. Returns whether the pose has changed.
  function step(seconds) {
    const before = at.pose.join();
    const wish = [pushed[1], pushed[0], 0];
    for (const key of held) (KEYS[key] ?? []).forEach((part, axis) => { wish[axis] += part; });
    const length = Math.max(1, Math.hypot(...wish));
    const gear = (held.has("ShiftLeft") || held.has("ShiftRight") ? rules().fast : 1)
      * (held.has("AltLeft") || held.has("AltRight") ? rules().slow : 1);
    const share = 1 - Math.exp(-seconds / GLIDE_S);
    velocity = velocity.map((v, axis) => v + (wish[axis] / length * gear - v) * share);
    if (Math.hypot(...velocity) < 0.01 && !wish.some(Boolean)) velocity = [0, 0, 0];
    for (const key of held) (TURNS[key] ?? []).forEach((part, axis) => {
      turned[axis] += part * TURN_DEG_S * seconds;
    });
    at.pose[3] = (at.pose[3] + turned[0] + 720) % 360;
    at.pose[4] = Math.max(-rules().max_pitch, Math.min(rules().max_pitch, at.pose[4] + turned[1]));
    along(velocity, speed() * seconds);
    along(carried, speed() * FINGER_S);
    turned = [0, 0];
    carried = [0, 0, 0];
    return at.pose.join() !== before;
  }

  const centre = () => {
    const [a, b] = [...pointers.values()];
    return {x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y)};
  };

  canvas.addEventListener("pointerdown", (e) => {
    canvas.focus();
    canvas.setPointerCapture(e.pointerId);
    pointers.set(e.pointerId, {x: e.clientX, y: e.clientY});
    canvas.classList.add("looking");
  });
  canvas.addEventListener("pointermove", (e) => {
    const last = pointers.get(e.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? centre() : null;
    pointers.set(e.pointerId, {x: e.clientX, y: e.clientY});
    if (before) {
      const now = centre();
      carried[0] += now.apart - before.apart;
      carried[1] -= now.x - before.x;
      carried[2] += now.y - before.y;
    } else if (pointers.size === 1) {
      turned[0] -= (e.clientX - last.x) * rules().degrees_per_pixel;
      turned[1] -= (e.clientY - last.y) * rules().degrees_per_pixel;
    }
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
    canvas.addEventListener(name, (e) => {
      pointers.delete(e.pointerId);
      canvas.classList.toggle("looking", pointers.size > 0);
    });
  canvas.addEventListener("contextmenu", (e) => e.preventDefault());

  const push = (e) => {
    const box = stick.getBoundingClientRect(), most = box.width / 2;
    let x = (e.clientX - box.left) / most - 1, y = 1 - (e.clientY - box.top) / most;
    const length = Math.max(1, Math.hypot(x, y));
    pushed = [x / length, y / length];
    stick.firstElementChild.style.transform = `translate(${pushed[0] * most * .6}px, ${-pushed[1] * most * .6}px)`;
  };
  const let_go = () => { pushed = [0, 0]; stick.firstElementChild.style.transform = ""; };
  stick.addEventListener("pointerdown", (e) => { stick.setPointerCapture(e.pointerId); push(e); });
  stick.addEventListener("pointermove", (e) => { if (stick.hasPointerCapture(e.pointerId)) push(e); });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) stick.addEventListener(name, let_go);

  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || document.querySelector("dialog[open]")) return;
    if (e.target.type === "range" && e.code in TURNS) return;  // arrows move the slider that has the focus
    if (e.code.startsWith("Alt") || e.code in TURNS) e.preventDefault();
    held.add(e.code);
  });
  addEventListener("keyup", (e) => held.delete(e.code));
  addEventListener("blur", () => held.clear());
  document.addEventListener("visibilitychange", () => held.clear());

  return {at, step, speed};
}
