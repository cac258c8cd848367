// What a map lies on: pictures of another host where the desk has some, else a plain ground; and lines of latitude and
// longitude on it, so that a plain ground says where it is.

const STEPS = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const LINES = 6;
const ROOM = 84; // of the buttons above and the scale below, in pixels
const BELOW = "zd-lines";
const UNTOUCHED = { interactive: false, pmIgnore: true, snapIgnore: true, keyboard: false };

export function lay(map, { tiles, attribution }) {
  if (tiles) {
    // The page's own policy sends no referrer elsewhere, and many a host wants to know whose maps these are.
    const pictures = L.tileLayer(tiles, { maxZoom: 19, referrerPolicy: "origin", attribution: asText(attribution) });
    pictures.addTo(map);
    return;
  }
  map.createPane(BELOW);
  const lines = L.layerGroup([], UNTOUCHED).addTo(map);
  const pen = L.svg({ pane: BELOW, padding: 0.6 });
  const draw = () => rule(map, lines, pen);
  map.on("moveend resize", draw);
  map.whenReady(draw);
}

// Leaflet reads what it shows in the corner as markup.
function asText(words) {
  const escaped = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  return words.replace(/[&<>]/g, (letter) => escaped[letter]);
}

function rule(map, lines, pen) {
  lines.clearLayers();
  const seen = map.getBounds();
  const wide = seen.pad(0.6);
  const step = STEPS.find((one, at) => at === STEPS.length - 1 || (seen.getEast() - seen.getWest()) / STEPS[at + 1] > LINES);
  const digits = step < 1 ? String(step).length - 2 : 0;
  const edge = map.containerPointToLatLng([6, map.getSize().y - 6]);
  const top = map.containerPointToLatLng([0, ROOM]).lat;
  const left = map.containerPointToLatLng([ROOM, 0]).lng;
  for (const lng of within(wide.getWest(), wide.getEast(), step)) {
    line(lines, pen, [[Math.max(wide.getSouth(), -85), lng], [Math.min(wide.getNorth(), 85), lng]]);
    if (left < lng && lng < seen.getEast()) label(lines, [edge.lat, lng], turn(lng), digits, "zd-map-lng");
  }
  for (const lat of within(Math.max(wide.getSouth(), -85), Math.min(wide.getNorth(), 85), step)) {
    line(lines, pen, [[lat, wide.getWest()], [lat, wide.getEast()]]);
    if (seen.getSouth() < lat && lat < top) label(lines, [lat, edge.lng], lat, digits, "zd-map-lat");
  }
}

function within(from, to, step) {
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_nothing, at) => (first + at) * step);
}

function turn(lng) {
  return lng - 360 * Math.round(lng / 360);
}

function line(lines, pen, ends) {
  L.polyline(ends, { ...UNTOUCHED, pane: BELOW, renderer: pen, className: "zd-map-line", weight: 1 }).addTo(lines);
}

function label(lines, at, degrees, digits, kind) {
  const words = document.createElement("span");
  words.textContent = degrees.toFixed(digits) + "°";
  words.setAttribute("aria-hidden", "true");
  const icon = L.divIcon({ className: "zd-map-degrees " + kind, html: words, iconSize: null });
  L.marker(at, { ...UNTOUCHED, icon }).addTo(lines);
}
