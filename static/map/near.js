// The zones around what a map shows, asked of the desk as the map moves, with what they are called.

import { boundsOf, layerOf, turned } from "./shapes.js";

const WIDEST = 5.5;
const PAUSE = 200;
const NAMED = 14;
const NAMES = "zd-names";

export function showNear(map, { url, except, tell }) {
  const layers = L.layerGroup([], { pmIgnore: true }).addTo(map);
  map.createPane(NAMES); // below the handles, which have to be found
  let asked = null;
  let known = null;
  let waiting = 0;

  async function ask() {
    const seen = map.getBounds();
    if (known && known.contains(seen)) return;
    if (seen.getEast() - seen.getWest() > WIDEST || seen.getNorth() - seen.getSouth() > WIDEST) {
      layers.clearLayers();
      known = null;
      tell("wide");
      return;
    }
    if (asked) asked.abort();
    asked = new AbortController();
    const box = padded(seen);
    try {
      const answer = await fetch(`${url}?bbox=${text(box)}`, { signal: asked.signal, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const { zones, whole } = await answer.json();
      known = whole ? box : null;
      show(zones.filter((zone) => zone.id !== except()), whole);
    } catch (error) {
      if (error.name !== "AbortError") tell("lost");
    }
  }

  function show(zones, whole) {
    layers.clearLayers();
    const lng = map.getCenter().lng;
    const inSight = zones.filter((zone) => map.getBounds().intersects(boundsOf(turned(zone, lng)))).length;
    for (const zone of zones) {
      const kind = zone.mine ? "zd-map-mine" : "zd-map-theirs";
      // What is drawn may lean on a neighbour's border: it snaps to it.
      const options = { className: kind, pmIgnore: true, snapIgnore: false, bubblingMouseEvents: true, weight: 2 };
      const layer = layerOf(turned(zone, lng), options);
      layer.bindTooltip(named(zone), { pane: NAMES, permanent: inSight <= NAMED, direction: "center", className: "zd-map-name", interactive: false });
      layer.addTo(layers);
    }
    tell(whole ? "" : "many");
  }

  map.on("moveend", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(ask, PAUSE);
  });
  ask();
}

function padded(seen) {
  const room = Math.max(0, Math.min(0.5, (WIDEST / Math.max(seen.getEast() - seen.getWest(), seen.getNorth() - seen.getSouth()) - 1) / 2));
  return seen.pad(room);
}

function text(box) {
  const turns = 360 * Math.round(box.getCenter().lng / 360);
  const south = Math.max(-90, box.getSouth());
  const north = Math.min(90, box.getNorth());
  return [box.getWest() - turns, south, box.getEast() - turns, north].map((degrees) => degrees.toFixed(6)).join(",");
}

// Elements, not text: Leaflet reads text as markup.
function named(zone) {
  const box = document.createElement("span");
  const name = document.createElement("strong");
  name.textContent = zone.name;
  const operator = document.createElement("span");
  operator.textContent = zone.operator;
  box.append(name, operator);
  return box;
}
