// The map of zones: on the form it draws, on a zone's page it shows, on the lookup it asks. A page without it says and
// does the same in words and fields. Needs Leaflet, and Leaflet-Geoman where it draws.
"use strict";

import { drawing } from "./map/draw.js";
import { lay } from "./map/ground.js";
import { showNear } from "./map/near.js";
import { boundsOf, layerOf } from "./map/shapes.js";

const box = document.getElementById("zone-map");
if (box && window.L) begin(box);

function begin(box) {
  const canvas = box.querySelector("[data-map-canvas]");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  box.hidden = false;
  // Handles and labels are for the mouse: whoever has none finds all of it in the fields, and not a stop for each corner.
  L.Marker.mergeOptions({ keyboard: false });
  const map = L.map(canvas, {
    zoomControl: false,
    attributionControl: false,
    worldCopyJump: true,
    minZoom: 2,
    maxZoom: 19,
    zoomSnap: 0.5,
    zoomAnimation: !still,
    fadeAnimation: !still,
    markerZoomAnimation: !still,
    inertia: !still,
    scrollWheelZoom: false,
    renderer: L.svg({ padding: 0.6 }),
  });
  if (box.dataset.tiles) L.control.attribution({ prefix: false }).addTo(map);
  L.control.zoom({ zoomInTitle: box.dataset.zoomIn, zoomOutTitle: box.dataset.zoomOut }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  // The wheel scrolls the page until somebody is at work on the map.
  canvas.addEventListener("focusin", () => map.scrollWheelZoom.enable());
  canvas.addEventListener("focusout", () => map.scrollWheelZoom.disable());
  map.setView([20, 78], 4, { animate: false });
  lay(map, { tiles: box.dataset.tiles, attribution: box.dataset.attribution });

  const said = box.querySelector("[data-map-said]");
  const around = box.querySelector("[data-map-around]");
  const tell = (place) => (what) => {
    const words = what ? box.dataset["say" + what[0].toUpperCase() + what.slice(1)] || "" : "";
    if (place.textContent !== words) place.textContent = words;
  };

  const shown = box.dataset.mode === "draw" ? drawing(map, box, tell(said)) : show(map, box);
  if (box.dataset.mode === "ask") ask(map, box);
  const near = { url: box.dataset.near, except: () => box.dataset.zone || "", tell: tell(around) };
  if (shown) showNear(map, near);
  else goHome(map, box).finally(() => showNear(map, near));
  map.getContainer().dataset.ready = "yes";
}

// A zone as it is, or a place that was asked for.
function show(map, box) {
  if (box.dataset.shape) {
    const shape = JSON.parse(box.dataset.shape);
    layerOf(shape, { className: "zd-map-drawn", weight: 3, interactive: false, pmIgnore: true }).addTo(map);
    map.fitBounds(boundsOf(shape).pad(0.3), { animate: false });
    return true;
  }
  if (box.dataset.place) {
    const place = JSON.parse(box.dataset.place);
    L.circleMarker(place, { className: "zd-map-place", radius: 8, weight: 3, interactive: false, pmIgnore: true }).addTo(map);
    map.setView(place, 12, { animate: false });
    return true;
  }
  return false;
}

function ask(map, box) {
  const field = document.getElementById(box.dataset.field);
  map.on("click", ({ latlng }) => {
    const there = latlng.wrap();
    const address = field.form.elements.namedItem("address");
    if (address) address.value = ""; // what was searched for lies somewhere else
    field.value = `${there.lat.toFixed(6)}, ${there.lng.toFixed(6)}`;
    field.form.requestSubmit();
  });
}

// Where the reader's own zones lie, when nothing else says where to begin.
async function goHome(map, box) {
  try {
    const answer = await fetch(box.dataset.extent, { headers: { Accept: "application/json" } });
    const { bounds } = await answer.json();
    if (bounds) map.fitBounds([[bounds[0], bounds[1]], [bounds[2], bounds[3]]], { animate: false, maxZoom: 13 });
  } catch {
    // The desk did not answer: the map begins where it stands.
  }
}
