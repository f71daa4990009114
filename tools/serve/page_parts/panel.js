// The page: what is shown, and what each button does.
const $ = (id) => document.getElementById(id);
const WORDS = {
  colour: ["Colour", "The world, lit"], depth: ["Depth", "How far along the ray; near is bright"],
  normal: ["Normal", "The face that the ray hit"], uvw: ["Coordinates", "The bytes are the voxel's coordinates in its region. Exact when you stand still"],
  level: ["Level", "How fine the voxels are; a colour for each level"], steps: ["Steps", "How many steps the ray took; bright is many"],
  touched: ["Touched", "Voxels in which a ray ended, by chunk"], residency: ["Residency", "Green is as fine as wanted, orange has still to come"],
  albedo: ["Albedo", "The voxels' own colours, without light"], semantic: ["Semantic", "Which entity, where the world knows"],
  auto: ["Auto", "Coarser while you move if drawing or the network is slow; whole when you stand still"],
  sharp: ["Sharp", "Every picture in full, however few there are"], fast: ["Fast", "Half the resolution while you move"],
};
const EVERY_MS = 250;       // figures are shown so often
const NOTE_MS = 5000;

let about = null, role = {flies: false}, last = null, picture = null, note_timer = 0, asked_size = "";
const choice = {pass: "colour", quality: "auto", fov: 60, shadows: false};
const canvas = $("picture"), easel = canvas.getContext("bitmaprenderer");
const plane = flight(canvas, $("stick"), () => about);

function said(text) {
  $("note").textContent = text;
  $("note").hidden = false;
  clearTimeout(note_timer);
  note_timer = setTimeout(() => { $("note").hidden = true; }, NOTE_MS);
}

function look() {
  const ratio = devicePixelRatio || 1;
  const size = [innerWidth, innerHeight].map((side) => Math.max(16, Math.min(16384, Math.round(side * ratio))));
  const wish = {do: "look", size, ...choice};
  if (JSON.stringify(wish) === asked_size) return;
  asked_size = JSON.stringify(wish);
  link.say(wish);
}

function choose(key, value) {
  choice[key] = value;
  for (const [box, name] of [["passes", "pass"], ["qualities", "quality"]])
    for (const button of $(box).children) button.setAttribute("aria-pressed", button.value === choice[name]);
  $("fov").value = choice.fov;
  $("fov_is").textContent = `${choice.fov}°`;
  $("shadows").checked = choice.shadows;
  look();
}

function buttons(box, names, key, numbered) {
  box.replaceChildren(...names.map((name, i) => {
    const [word, title] = WORDS[name] ?? [name, name], button = document.createElement("button");
    button.value = name;
    button.title = numbered ? `${title} (${(i + 1) % 10})` : title;
    button.append(word);
    if (numbered) button.append(Object.assign(document.createElement("small"), {textContent: (i + 1) % 10}));
    button.onclick = () => { choose(key, name); canvas.focus(); };
    return button;
  }));
}

const link = connect({
  hello(what) {
    const again = about !== null;
    about = what;
    document.title = `${what.world} – Voxtide`;
    $("world").textContent = what.world;
    buttons($("passes"), what.passes, "pass", true);
    buttons($("qualities"), what.qualities, "quality", false);
    $("last_key").textContent = Math.min(10, what.passes.length) % 10;
    [$("fov").min, $("fov").max] = what.fov;
    asked_size = "";
    if (again) { choose("pass", choice.pass); plane.returning = true; }
    else { plane.at.pose = [...what.home]; choose("fov", what.fov[2]); }
  },
  role(what) {
    const began = what.flies && !role.flies;
    role = what;
    if (began && plane.returning) link.pose(plane.at.pose);  // back where we were, after a lost connection
    else if (began) plane.at.pose = [...what.pose];
    plane.returning = false;
    $("watching").hidden = what.flies;
    document.body.classList.toggle("watching", !what.flies);
    $("watch").hidden = !(what.flies && what.flying > 1);
  },
  frame(head, bitmap, blob) {
    [last, picture] = [head, blob];
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height)  // its shape on the page follows these
      Object.assign(canvas, {width: bitmap.width, height: bitmap.height});
    easel.transferFromImageBitmap(bitmap);
    $("cover").classList.add("open");
    if (head.near_m) plane.at.near_m = plane.at.near_m ? Math.exp(0.7 * Math.log(plane.at.near_m) + 0.3 * Math.log(head.near_m)) : head.near_m;
    if (!role.flies) plane.at.pose = [...head.pose];
  },
  note: said,
  state(name, text) {
    $("status").dataset.state = name;
    const short = {opening: "Connecting", slow: "Slow", lost: "Lost", ended: "Ended"}[name];
    $("state").textContent = short ?? (role.flies ? "Live" : "Watching");
    if (name === "lost" || name === "ended") { $("cover").classList.remove("open"); $("why").textContent = text; role = {flies: false}; }
  },
});

function metres(m) { return m >= 1000 ? `${(m / 1000).toPrecision(3)} km` : m >= 1 ? `${m.toPrecision(3)} m` : `${(m * 100).toPrecision(2)} cm`; }

function poseText() { return "--pose=" + plane.at.pose.map((v, i) => v.toFixed(i < 3 ? 3 : 1)).join(); }

setInterval(() => {
  if (!about || !last) return;
  const {fps, latency_ms, bytes} = link.figures();
  const quick = last.still && fps < 1 ? "still" : `${fps.toFixed(0)} fps`;
  const late = latency_ms === null || !role.flies ? "" : ` · ${latency_ms.toFixed(0)} ms`;
  $("figures").textContent = $("status").dataset.state === "live" ? quick + late : "";
  $("speed_is").textContent = `${metres(plane.speed())}/s`;
  const kind = last.jpeg ? `JPEG ${last.jpeg}` : "PNG, exact";
  $("facts").textContent = `${last.size.join(" × ")} · ${kind} · ${(bytes / 1024).toFixed(0)} KiB\n`
    + `drawn in ${last.draw_ms.toFixed(0)} ms · ${role.here ?? 1} connected\n${about.gl}`;
}, EVERY_MS);

let before = performance.now();
function tick(now) {
  const seconds = Math.min((now - before) / 1000, 0.1);
  before = now;
  if (about && role.flies) { if (plane.step(seconds)) link.pose(plane.at.pose); }
  requestAnimationFrame(tick);
}
requestAnimationFrame(tick);

function home() { if (role.flies) { plane.at.pose = [...about.home]; link.pose(plane.at.pose); } }
function clicks(n) { plane.at.clicks = Math.max(-12, Math.min(12, n)); $("speed").value = plane.at.clicks; }
function fold() { $("fold").setAttribute("aria-expanded", !document.body.classList.toggle("folded")); }
async function copy() {
  try { await navigator.clipboard.writeText(poseText()); said(`Copied ${poseText()}`); } catch { said(poseText()); }
}
function save() {
  if (!picture) return;
  const a = Object.assign(document.createElement("a"), {href: URL.createObjectURL(picture), download: `voxtide.${last.jpeg ? "jpg" : "png"}`});
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}

canvas.addEventListener("wheel", (e) => { e.preventDefault(); clicks(plane.at.clicks - Math.sign(e.deltaY)); }, {passive: false});
addEventListener("resize", look);
addEventListener("keydown", (e) => {
  if (!about || e.repeat || e.ctrlKey || e.metaKey || $("help").open) return;
  const digit = /^Digit([0-9])$/.exec(e.code);
  if (e.key === "?") $("help").showModal();
  else if (digit && about.passes[(+digit[1] + 9) % 10]) choose("pass", about.passes[(+digit[1] + 9) % 10]);
  else if (e.code === "KeyH") home();
  else if (e.code === "KeyL") choose("shadows", !choice.shadows);
  else if (e.code === "KeyP") copy();
  else if (e.code === "Tab" && e.target === canvas) { e.preventDefault(); fold(); }
});
$("fov").oninput = (e) => choose("fov", Number(e.target.value));
$("speed").value = 0;
$("speed").oninput = (e) => clicks(Number(e.target.value));
$("shadows").onchange = (e) => choose("shadows", e.target.checked);
for (const slider of [$("fov"), $("speed")]) slider.onchange = () => canvas.focus();
$("home").onclick = () => { home(); canvas.focus(); };
$("copy").onclick = copy;
$("save").onclick = save;
$("whole").onclick = () => document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
$("ask").onclick = () => $("help").showModal();
$("fold").onclick = () => { fold(); canvas.focus(); };
$("take").onclick = () => { link.say({do: "fly"}); canvas.focus(); };
$("watch").onclick = () => { link.say({do: "watch"}); canvas.focus(); };
if (innerWidth < 720) fold();
canvas.focus();
