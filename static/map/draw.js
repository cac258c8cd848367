// Drawing a zone: the map and the form's own fields say the same. Whoever changes one moves the other; the fields are
// what is sent, so all of this can be left out.

import { boundsOf, circleOf, layerOf, ringOf, shapeOf, turned } from "./shapes.js";

const LOOK = { className: "zd-map-drawn", weight: 3 };
const EDIT = { allowSelfIntersection: false, removeLayerBelowMinVertexCount: false, limitMarkersToCount: 60, minRadiusCircle: 1, maxRadiusCircle: 500000 };
const PAUSE = 250;

export function drawing(map, box, tell) {
  const tools = box.querySelector("[data-map-tools]");
  const measure = box.querySelector("[data-map-measure]");
  let layer = null;
  let shown = "";
  let waiting = 0;
  let writing = false;

  const form = () => box.closest("form");
  const field = (name) => form().elements.namedItem(name);
  const value = (name) => (field(name) ? field(name).value : "");

  // The fields, as a shape; null while they say none.
  function read() {
    if (value("kind") === "polygon") return ringOf(value("corners"));
    return circleOf(value("center_lat"), value("center_lng"), value("radius_km"));
  }

  function write(shape) {
    const said = shape.ring
      ? { kind: "polygon", corners: shape.ring.map(place).join("\n") }
      : { kind: "circle", center_lat: shape.center[0].toFixed(6), center_lng: shape.center[1].toFixed(6), radius_km: radius(shape.radius_km) };
    const changed = Object.entries(said).filter(([name, text]) => set(name, text));
    if (set("geojson", "")) changed.push(["geojson"]); // a file that was chosen would win over what is drawn
    writing = true;
    if (changed.length) of(changed[changed.length - 1][0]).dispatchEvent(new Event("change", { bubbles: true }));
    writing = false;
    shown = JSON.stringify(read());
    say(read() || shape);
  }

  // Whether the field says something else now.
  function set(name, text) {
    const found = field(name);
    if (!found || found.value === text) return false;
    found.value = text;
    return true;
  }

  // Of several buttons the one that is pressed.
  function of(name) {
    const found = field(name);
    return found instanceof Element ? found : [...found].find((one) => one.checked);
  }

  function say(shape) {
    measure.textContent = shape.ring
      ? box.dataset.corners.replace("{count}", shape.ring.length)
      : box.dataset.radius.replace("{km}", radius(shape.radius_km));
  }

  function show(shape, { fit }) {
    const text = JSON.stringify(shape);
    if (text === shown) return;
    shown = text;
    if (layer) layer.remove();
    layer = null;
    measure.textContent = "";
    if (!shape) return;
    layer = layerOf(turned(shape, map.getCenter().lng), { ...LOOK, snapIgnore: true });
    layer.addTo(map);
    layer.pm.enable(EDIT);
    layer.on("pm:edit", () => write(shapeOf(layer)));
    layer.on("pm:change", () => say(shapeOf(layer)));
    say(shape);
    if (fit && !map.getBounds().contains(layer.getBounds())) map.fitBounds(layer.getBounds().pad(0.3));
  }

  function begin(kind) {
    stop();
    if (layer) layer.pm.disable();
    map.pm.enableDraw(kind, { ...EDIT, tooltips: false, continueDrawing: false, snappable: true, finishOn: null });
    busy(kind);
    tell(kind === "Circle" ? "circle" : "polygon");
  }

  function stop() {
    if (!map.pm.globalDrawModeEnabled()) return;
    map.pm.disableDraw();
    tell("");
  }

  function busy(kind) {
    tools.querySelector("[data-map-stop]").hidden = !kind;
    tools.querySelector("[data-map-undo]").hidden = kind !== "Polygon";
    for (const button of tools.querySelectorAll("[data-map-draw]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mapDraw === kind));
    }
  }

  function undo() {
    const draw = map.pm.Draw.Polygon;
    if (draw.enabled()) draw._removeLastVertex(); // what the button of Geoman's own toolbar calls
  }

  map.on("pm:drawend", () => {
    busy(null);
    if (layer) layer.pm.enable(EDIT);
  });

  map.on("pm:create", ({ layer: made }) => {
    const shape = shapeOf(made);
    made.remove();
    write(shape);
    shown = "";
    show(read(), { fit: false });
    tell("drawn");
  });

  tools.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.mapDraw) begin(button.dataset.mapDraw);
    else if ("mapStop" in button.dataset) stop();
    else if ("mapUndo" in button.dataset) undo();
    else if (layer) map.fitBounds(layer.getBounds().pad(0.3));
  });

  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
  });

  function follow() {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => show(read(), { fit: true }), PAUSE);
  }

  document.addEventListener("input", (event) => {
    if (!writing && event.target instanceof Element && event.target.closest("form") === form()) follow();
  });
  document.addEventListener("change", (event) => {
    if (!writing && event.target instanceof Element && event.target.closest("form") === form()) follow();
  });
  // What the server wrote over the fields is shown as well.
  document.addEventListener("htmx:after:swap", follow);

  const shape = read();
  if (shape) map.fitBounds(boundsOf(shape).pad(0.3));
  show(shape, { fit: false });
  return Boolean(shape);
}

function place([lat, lng]) {
  return `${lat.toFixed(6)}, ${lng.toFixed(6)}`;
}

// Metres are what counts (three decimals); nobody draws finer.
function radius(km) {
  return String(Number(km.toFixed(3)));
}
